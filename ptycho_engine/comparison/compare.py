"""Compare two files or folders of one kind."""

from collections.abc import Callable
from pathlib import Path

from ptycho_engine.comparison.bundles import compare_bundle_files, compare_checkpoints
from ptycho_engine.comparison.datasets import compare_datasets
from ptycho_engine.comparison.differences import Comparison
from ptycho_engine.comparison.reconstructions import compare_reconstruction_files
from ptycho_engine.comparison.runs import compare_runs
from ptycho_engine.errors import InputError
from ptycho_engine.inspection import inspect_file

_BY_KIND: dict[str, Callable[[Path, Path], Comparison]] = {
    "bundle": compare_bundle_files,
    "checkpoint": compare_checkpoints,
    "dataset": compare_datasets,
    "reconstruction": compare_reconstruction_files,
    "run": compare_runs,
}


def compare_files(a: str | Path, b: str | Path) -> Comparison:
    """Return what differs between two bundles, checkpoints, datasets, reconstructions or run folders, worst first.

    Parameters
    ----------
    a, b
        The files or folders; what they are is told by their content.

    Raises
    ------
    InputError
        If one of them cannot be read, or they are not of one kind that can be compared.
    """
    first, second = Path(a), Path(b)
    kind, other = (inspect_file(path).kind for path in (first, second))
    if kind != other:
        raise InputError(
            f"is a {other}, and {first} is a {kind}", "Compare two of one kind, for example two bundles.", file=second
        )
    compare = _BY_KIND.get(kind)
    if compare is None:
        raise InputError(
            f"is a {kind}, which cannot be compared", f"Compare two of: {', '.join(sorted(_BY_KIND))}.", file=first
        )
    return compare(first, second)
