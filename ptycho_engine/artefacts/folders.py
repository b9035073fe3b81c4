"""Make a folder for results, or say why not."""

from pathlib import Path

from ptycho_engine.bundles.atomic import output_error


def make_folder(path: Path) -> Path:
    """Make ``path`` and its parents where they are missing.

    Raises
    ------
    OutputError
        If that is not possible.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(error, path) from error
    return path
