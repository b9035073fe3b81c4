"""Whether a window can be shown: where it cannot, Qt would end the process without a clear word, or with a core."""

import os
import re
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

_WINDOWED = ("xcb", "wayland")
"""Platforms of Qt that need somebody to show their windows; the others draw into memory or onto the screen itself."""
_TIMEOUT_S = 3.0


class DisplayCheck:
    """Asks whether somebody would show a window.

    Parameters
    ----------
    environment
        The variables that say where; by default those of the process.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._connection: socket.socket | None = None
        self.lacking = self._find(os.environ if environment is None else environment)
        """Why no window can be shown, empty if one can."""

    def close(self) -> None:
        """Let the connection go, once Qt has its own: a server of X starts anew when its only client leaves."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _find(self, given: Mapping[str, str]) -> str:
        platform = given.get("QT_QPA_PLATFORM", "").split(":")[0].split(";")[0]
        if sys.platform in ("win32", "darwin") or (platform and not platform.startswith(_WINDOWED)):
            return ""
        wayland, display = given.get("WAYLAND_DISPLAY", ""), given.get("DISPLAY", "")
        if wayland and not platform.startswith("xcb") and self._answers(_wayland_socket(wayland, given)):
            return ""
        if platform.startswith("wayland") or not display:
            return f"the display {wayland} does not answer" if wayland else "there is no display"
        if any(self._answers(address) for address in _x_sockets(display)):
            return ""
        return f"the display {display} does not answer"

    def _answers(self, address: str | tuple[str, int]) -> bool:
        try:
            if isinstance(address, tuple):
                self._connection = socket.create_connection(address, _TIMEOUT_S)
                return True
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                connection.settimeout(_TIMEOUT_S)
                connection.connect(address)
            except BaseException:
                connection.close()
                raise
        except (OSError, OverflowError):
            return False
        self._connection = connection
        return True


def _wayland_socket(name: str, environment: Mapping[str, str]) -> str:
    return name if name.startswith("/") else str(Path(environment.get("XDG_RUNTIME_DIR", "/")) / name)


def _x_sockets(display: str) -> list[str | tuple[str, int]]:
    """Return where the X server of ``HOST:NUMBER.SCREEN`` listens."""
    parts = re.fullmatch(r"(?:(?P<protocol>\w+)/)?(?P<host>[^:]*|\[.*\]):(?P<number>\d+)(?:\.\d+)?", display)
    if parts is None:
        return [display] if display.startswith("/") else []
    number = int(parts["number"])
    if parts["host"] in ("", "unix"):
        path = f"/tmp/.X11-unix/X{number}"
        return [path, f"\0{path}"]
    return [(parts["host"].strip("[]"), 6000 + number)]
