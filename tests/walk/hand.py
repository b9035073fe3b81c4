"""A person at the screen: finds things by what they are called, clicks, types, and keeps a picture of each step."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.walk.screen import Screen
from tests.walk.watched_app import PREFIX

ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 240.0
LOOK_S = 0.25


class LostError(RuntimeError):
    """What was looked for is not on the screen."""


class Hand:
    """Uses the app on a screen.

    Parameters
    ----------
    screen
        Where.
    home
        The person's home, for settings and runs.
    pictures
        Where the picture of each step goes.
    arguments
        Of the app.
    variables
        More of the environment.
    """

    def __init__(
        self,
        screen: Screen,
        home: Path,
        pictures: Path,
        arguments: tuple[str, ...] = (),
        variables: dict[str, str] | None = None,
    ) -> None:
        self.screen, self.pictures = screen, pictures
        pictures.mkdir(parents=True, exist_ok=True)
        home.mkdir(parents=True, exist_ok=True)
        environment = {**screen.environment, "HOME": str(home), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "PTYCHOSCOPE_HOME"):
            environment.pop(name, None)
        environment |= variables or {}
        self._errors = (pictures / "stderr.txt").open("a", encoding="utf-8")
        self._app = subprocess.Popen(
            [sys.executable, "-m", "tests.walk.watched_app", *arguments],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self.actions = 0
        """Things the person did since they were last counted."""
        self._steps = 0
        self.clipped: dict[str, list[str]] = {}
        """Texts without enough room, by the name of the step."""
        self.wait(lambda state: "MainWindow" in state["windows"])
        time.sleep(1.0)

    def __enter__(self) -> "Hand":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.screen.picture(self.pictures / "lost.png")
        if self._app.poll() is None:
            self._app.terminate()
        try:
            self._app.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            self._app.kill()
        self._errors.close()

    # --- looking ---

    def ask(self, what: str, **more: str) -> Any:
        """Ask the app something."""
        assert self._app.stdin is not None
        assert self._app.stdout is not None
        try:
            self._app.stdin.write(json.dumps({"ask": what, **more}) + "\n")
            self._app.stdin.flush()
        except BrokenPipeError:
            raise LostError(f"the app has ended with status {self._app.wait(WAIT_S)}") from None
        for line in self._app.stdout:
            if line.startswith(PREFIX):
                return json.loads(line.removeprefix(PREFIX))
        raise LostError(f"the app has ended with status {self._app.wait(WAIT_S)}")

    def wait(self, true: Callable[[dict[str, Any]], bool], seconds: float = WAIT_S) -> dict[str, Any]:
        """Wait until something is the case; return the state."""
        end = time.monotonic() + seconds
        while True:
            state: dict[str, Any] = self.ask("state")
            if true(state):
                return state
            if time.monotonic() > end:
                raise LostError(f"waited in vain; the state is {state}")
            time.sleep(LOOK_S)

    def wait_until_quiet(self, seconds: float = WAIT_S) -> dict[str, Any]:
        """Wait until nothing runs and nothing is read, for longer than a moment."""
        self.wait(lambda state: bool(state["quiet"]), seconds)
        time.sleep(2 * LOOK_S)
        return self.wait(lambda state: bool(state["quiet"]), seconds)

    def step(self, name: str) -> Path:
        """Keep a picture of what is on the screen, and note texts that have too little room."""
        time.sleep(LOOK_S)
        self._steps += 1
        path = self.pictures / f"{self._steps:02d}-{name}.png"
        self.screen.picture(path)
        found = self.ask("clipped")
        if found:
            self.clipped[name] = found
        return path

    def where(self, name: str, kind: str = "") -> tuple[int, int]:
        """Return the middle of what bears a name [px]; it may take a moment to appear."""
        end = time.monotonic() + 10
        while True:
            found = self.ask("where", name=name, kind=kind)
            if found is not None:
                x, y, width, height = found
                return x + width // 2, y + height // 2
            if time.monotonic() > end:
                raise LostError(f"{name!r} cannot be seen")
            time.sleep(LOOK_S)

    # --- doing ---

    def click(self, name: str, kind: str = "", *, button: int = 1, times: int = 1) -> None:
        """Click what bears a name."""
        self.click_at(*self.where(name, kind), button=button, times=times)

    def click_at(self, x: int, y: int, *, button: int = 1, times: int = 1) -> None:
        """Click a place of the screen."""
        self.actions += 1
        self.screen.xdotool("mousemove", str(x), str(y))
        time.sleep(0.1)
        self.screen.xdotool("click", "--repeat", str(times), "--delay", "80", str(button))
        time.sleep(LOOK_S)

    def turn_wheel(self, name: str, notches: int, *, below: int) -> None:
        """Turn the wheel forwards, so far below what is found of a name [px]: of a picture that is its title."""
        x, y = self.where(name)
        self.point_at(x, y + below)
        self.screen.xdotool("click", "--repeat", str(notches), "--delay", "80", "4")
        self.actions += 1
        time.sleep(4 * LOOK_S)

    def point_at(self, x: int, y: int) -> None:
        """Move the mouse there."""
        self.screen.xdotool("mousemove", str(x), str(y))
        time.sleep(LOOK_S)

    def keys(self, *names: str) -> None:
        """Press keys, one after the other, in xdotool's names: ``ctrl+o``, ``Return``."""
        self.actions += 1
        self.screen.xdotool("key", "--delay", "60", *names)
        time.sleep(LOOK_S)

    def write(self, text: str) -> None:
        """Type a text."""
        self.screen.xdotool("type", "--delay", "5", text)
        time.sleep(LOOK_S)

    def choose(self, box: str, entry: str) -> None:
        """Choose an entry of a list by its first letters, whether the list has stayed open or not."""
        self.click(box, "choice")
        self.write(entry[:5])
        self.keys("Return")

    def open(self, *paths: Path) -> None:
        """Open files as a person does with the keyboard: Ctrl+O, their names, Return. Two actions."""
        self.keys("ctrl+o")
        self.wait(lambda state: any("Dialog" in one for one in state["windows"]))
        self.write(" ".join(f'"{path}"' for path in paths) if len(paths) > 1 else str(paths[0]))
        self.keys("Return")
