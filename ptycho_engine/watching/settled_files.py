"""Files that another process writes in its own time: each is told when it has not changed between two looks."""

from collections.abc import Iterable
from pathlib import Path

_Signature = tuple[int, int, int]


class SettledFiles:
    """Remembers how each file looked.

    Parameters
    ----------
    folder
        The folder that the names are relative to.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: dict[str, _Signature] = {}
        self._told: dict[str, _Signature] = {}

    def settled(self, names: Iterable[str]) -> list[str]:
        """Return those that look as they did the last time, and were not told as they look now, oldest first."""
        found: list[tuple[int, str]] = []
        for name in names:
            try:
                status = (self._folder / name).stat()
            except OSError:
                continue
            signature = (status.st_ino, status.st_size, status.st_mtime_ns)
            if status.st_size and self._seen.get(name) == signature and self._told.get(name) != signature:
                self._told[name] = signature
                found.append((status.st_mtime_ns, name))
            self._seen[name] = signature
        return [name for _, name in sorted(found)]

    def again(self, name: str) -> None:
        """Tell a file once more at the next look, as if it had just settled."""
        self._told.pop(name, None)
