"""Kill trainings at chosen calls and resume them: one process that forks, so that torch is loaded once.

Prints one JSON line for each kill: at which call of which kind, and whether the resumed training equals the unbroken.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.faults.tiny_training import training, weights

CALLS = ("fsync", "replace", "unlink")


def kill_at(number: int) -> None:
    """Let the process kill itself at its n-th call of one of ``CALLS``, before or after it is done."""
    calls = 0

    def wrapped(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == number and number % 2:
                os.kill(os.getpid(), signal.SIGKILL)
            result = real(*arguments, **named)
            if calls == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return call

    for name in CALLS:
        setattr(os, name, wrapped(getattr(os, name)))


def killed(folder: Path, number: int) -> bool:
    """Train in a child that is killed at a call; return False if it made fewer calls."""
    child = os.fork()
    if child == 0:
        kill_at(number)
        for _ in training(folder):
            pass
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def main(folder: Path, first: int, step: int, limit: int) -> None:
    """Kill at the calls ``first``, ``first + step`` and so on, at most ``limit`` times."""
    unbroken = weights(training())
    for number in range(first, first + step * limit, step):
        run = folder / f"run-{number}"
        if not killed(run, number):
            break
        equal = weights(training(run, resume=True)) == unbroken
        left = [path.name for path in run.rglob(".*.tmp")]
        sys.stdout.write(json.dumps({"call": number, "equal": equal, "left": left}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *(int(word) for word in sys.argv[2:5]))
