"""The verbs that open a file."""

from collections.abc import Generator
from pathlib import Path

from ptycho_engine.events import BundleLoaded, DatasetOpened, EngineEvent, MessageLogged


def open_dataset(path: str | Path) -> Generator[EngineEvent, None, None]:
    """Open a scan; the last event, ``DatasetOpened``, carries it. What the reader noticed is told before.

    Raises
    ------
    DatasetError
        If it cannot be read.
    """
    from ptycho_engine.formats.schema import read_dataset

    dataset = read_dataset(path)
    for note in dataset.notes:
        yield MessageLogged("info", f"{dataset.name}: {note}")
    yield DatasetOpened(dataset)


def open_bundle(path: str | Path) -> Generator[EngineEvent, None, None]:
    """Open a bundle without running anything that it holds; the last event, ``BundleLoaded``, carries it.

    Raises
    ------
    BundleError
        If it cannot be read, or was refused.
    """
    from ptycho_engine.bundles.read import read_bundle

    bundle = read_bundle(path)
    for note in bundle.notes:
        yield MessageLogged("info", f"{bundle.name}: {note}")
    yield BundleLoaded(bundle)
