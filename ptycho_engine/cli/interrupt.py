"""Signals end a verb cleanly: the first asks it to stop, the second stops it at once.

While nothing is computed that could be kept, the first one stops at once as well: to import torch or to read a large
scan takes longer than whoever sends it waits.
"""

import signal
from collections.abc import Generator, Iterator
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, Self

from ptycho_engine.cli.console import Console
from ptycho_engine.errors import Stopped
from ptycho_engine.events import DiagnosisFound, EngineEvent, MessageLogged

_BEFORE_THE_WORK = (MessageLogged, DiagnosisFound)
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")


class Interrupted(Exception):
    """The verb was stopped by a signal."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_status = 128 + number


class Interrupt:
    """Holds the signal handlers for the length of a verb. While it computes, a handler only sets a flag."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.heard: int | None = None
        """The signal that has come."""
        self._computes = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for name in SIGNALS:
            number = getattr(signal, name, None)
            if number is not None:
                self._before[number] = signal.signal(number, self._heard)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def asked(self) -> bool:
        """Whether a signal has come: what reads and groups a large scan asks between its blocks."""
        return self.heard is not None

    def check(self) -> None:
        """Raise :class:`Interrupted` if a signal has come."""
        if self.heard is not None:
            raise Interrupted(self.heard)

    def until(self, events: Generator[EngineEvent, None, None]) -> Iterator[EngineEvent]:
        """Pass on events; when a signal has come, close the verb, which keeps what is to be kept."""
        try:
            for event in events:
                # And so to the end of the program: what is told of a result that is there should be whole.
                self._computes = self._computes or not isinstance(event, _BEFORE_THE_WORK)
                yield event
                self.check()
        except (Interrupted, Stopped) as stopped:
            # Whoever would read it may be what has gone: a terminal, a connection.
            with suppress(OSError):
                self._console.message("warning", "Stopping; a second signal stops at once.")
            if isinstance(stopped, Stopped):
                self.check()
            raise
        finally:
            events.close()

    def _heard(self, number: int, _: FrameType | None) -> None:
        second, self.heard = self.heard is not None, number
        if second or not self._computes:
            # Not an ``Exception``: libraries that are being imported swallow those.
            raise KeyboardInterrupt(number)
