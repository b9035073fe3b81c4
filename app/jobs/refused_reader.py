"""Looking into a file that was refused: what its pickles name, and what they would have run. Nothing of it is run."""

from collections.abc import Iterator
from pathlib import Path

from app.state.refused_files import FileRefused, RefusedFile
from ptycho_engine.errors import EngineError


def look_into(path: Path, reason: str) -> Iterator[FileRefused]:
    """Yield why a file was refused and what is in it; nothing of what is no ordinary file."""
    from ptycho_engine.bundles.safety import safety_report

    if not path.is_file():
        return
    try:
        report = safety_report(path)
    except (EngineError, OSError):
        # The reason says already what is wrong with the archive.
        yield FileRefused(RefusedFile(path, reason))
        return
    holds_pickles = bool(report.pickles or report.unread)
    yield FileRefused(RefusedFile(path, reason, report if holds_pickles else None))
