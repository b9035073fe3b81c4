"""The lines of a text file that another process appends to, truncates, or writes anew."""

from pathlib import Path

_HEAD_BYTES = 4096
_MAX_AT_ONCE = 8 * 2**20


class GrowingLines:
    """Reads what has come since the last look; a line without its end is left for the next one.

    A file is another one when its beginning has changed, whatever its size: one that is copied again and again, or
    written anew with the same content, goes on where it stood.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offset = 0
        self._head = b""

    def poll(self) -> tuple[list[str], bool]:
        """Return the complete lines that are new, without their ends, and whether the file began anew before them.

        A file that is not there, or cannot be read now, has no new lines.
        """
        try:
            return self._read()
        except (OSError, ValueError):
            return [], False

    def _read(self) -> tuple[list[str], bool]:
        if not self.path.is_file():
            return [], False
        with self.path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
            anew = not (head.startswith(self._head) or self._head.startswith(head))
            if anew:
                self._offset, self._head = 0, b""
            file.seek(self._offset)
            data = file.read(_MAX_AT_ONCE)
        end = data.rfind(b"\n") + 1
        if end == 0 and len(data) == _MAX_AT_ONCE:
            # No line of a log is as long as this: what it belongs to is passed over.
            self._offset += len(data)
            data = b""
        self._offset += end
        known = min(self._offset, _HEAD_BYTES)
        if len(head) >= known:
            # Else it is being written anew at this moment, and is shorter than what was read of it.
            self._head = head[:known]
        # Not splitlines: a text in a line may hold other separators than its end.
        return data[:end].decode("utf-8", "replace").replace("\r\n", "\n").split("\n")[:-1], anew
