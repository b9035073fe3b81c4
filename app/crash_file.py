"""What a crash of the interpreter leaves, and how the next start finds it."""

import faulthandler
import time
from contextlib import suppress
from pathlib import Path
from socket import gethostname
from typing import TextIO

from app.errors import Failure
from ptycho_engine.runs.folder_lock import is_alive, this_process

_LIVE, _KEPT = "crash.", "crash-"
_MOST_KEPT = 10


class CrashFile:
    """The file that a crash of this process writes to, and those that earlier ones left.

    Each process has its own, named by its number, host and start: two windows never write into one, and a file belongs
    to a crash only when its process has gone.

    Parameters
    ----------
    folder
        The state folder.
    """

    def __init__(self, folder: Path) -> None:
        process = this_process()
        name = "-".join((process["host"], str(process["pid"]), f"{process['started']:.2f}"))
        self.path = folder / f"{_LIVE}{name}.log"
        self.kept: Path | None = None
        """Where the newest report was set aside."""
        self._stream: TextIO | None = None

    def earlier(self) -> str:
        """Return what crashes left since the last start and set it aside, empty if there was none."""
        reports = []
        for path in sorted(self.path.parent.glob(f"{_LIVE}*.log")):
            if path == self.path or is_alive(_process_of(path)):
                continue
            try:
                text = path.read_text(encoding="utf-8", errors="replace").strip()
                if text:
                    self.kept = path.replace(path.with_name(_name_of_kept(path)))
                    reports.append(text)
                else:
                    # Killed, which leaves nothing to read.
                    path.unlink()
            except OSError:
                continue
        for old in sorted(self.path.parent.glob(f"{_KEPT}*.log"))[:-_MOST_KEPT]:
            with suppress(OSError):
                old.unlink()
        return "\n\n".join(reports)

    def open(self) -> None:
        """Let a crash of the interpreter write where every thread stood."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._stream = self.path.open("w", encoding="utf-8")
        except OSError:
            return
        faulthandler.enable(self._stream)

    def close(self) -> None:
        """Take the file away after a clean end."""
        if self._stream is None:
            return
        faulthandler.disable()
        self._stream.close()
        self._stream = None
        with suppress(OSError):
            self.path.unlink(missing_ok=True)


def _process_of(path: Path) -> dict[str, object]:
    """Return which process a file is of; of none, if its name does not say."""
    parts = path.stem.removeprefix(_LIVE).rsplit("-", 2)
    return dict(zip(("host", "pid", "started"), parts, strict=True)) if len(parts) == 3 else {"host": gethostname()}


def _name_of_kept(path: Path) -> str:
    when = time.strftime("%Y%m%d-%H%M%S", time.localtime(path.stat().st_mtime))
    return f"{_KEPT}{when}-{path.stem.removeprefix(_LIVE)}.log"


def crash_failure(text: str, kept: Path | None) -> Failure:
    """Return the words for a crash of the last start, and where its report is kept."""
    where = f" The report is kept in {kept}." if kept is not None else ""
    return Failure("Crash", f"Ptychoscope ended unexpectedly last time.{where}", text, expected=False)
