"""A screen of a given size with a window manager, and a hand on its mouse and keyboard."""

import os
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType

NEEDED = {"Xvfb": "xvfb", "openbox": "openbox", "xdotool": "xdotool", "import": "imagemagick"}
"""Programs, and the Debian packages that hold them."""

START_S = 20.0


def lacking() -> str:
    """Return what is missing to walk, in words; empty if nothing is."""
    names = [name for name in NEEDED if shutil.which(name) is None]
    if not names:
        return ""
    packages = " ".join(NEEDED[name] for name in names)
    return f"{', '.join(names)} not found: apt-get install {packages}"


class Screen:
    """An X server of its own.

    Parameters
    ----------
    width, height
        Its size [px].
    """

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._processes: list[subprocess.Popen[bytes]] = []
        self.environment: dict[str, str] = {}

    def __enter__(self) -> "Screen":
        read, write = os.pipe()
        size = f"{self.width}x{self.height}x24"
        command = ["Xvfb", "-displayfd", str(write), "-screen", "0", size, "-nolisten", "tcp"]
        self._start(command, dict(os.environ), pass_fds=(write,))
        os.close(write)
        with os.fdopen(read) as stream:
            number = stream.readline().strip()
        if not number:
            raise RuntimeError("the X server did not start")
        self.environment = {**os.environ, "DISPLAY": f":{number}"}
        self.environment.pop("QT_QPA_PLATFORM", None)
        self._start(["openbox"], self.environment)
        end = time.monotonic() + START_S
        while "not supported" in self.xdotool("get_num_desktops", check=False) and time.monotonic() < end:
            time.sleep(0.2)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in reversed(self._processes):
            process.terminate()
            process.wait(START_S)

    def _start(self, command: list[str], environment: dict[str, str], pass_fds: tuple[int, ...] = ()) -> None:
        quiet = subprocess.DEVNULL
        process = subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet, pass_fds=pass_fds)
        self._processes.append(process)

    def xdotool(self, *words: str, check: bool = True) -> str:
        """Do one thing with the mouse or the keyboard; return what it prints."""
        done = subprocess.run(
            ["xdotool", *words], env=self.environment, capture_output=True, text=True, check=check, timeout=60
        )
        return done.stdout + done.stderr

    def picture(self, path: Path) -> None:
        """Save what is on the screen."""
        command = ["import", "-window", "root", str(path)]
        subprocess.run(command, env=self.environment, check=True, timeout=60, capture_output=True)
