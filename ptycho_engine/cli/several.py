"""A verb in several processes: only the first prints, and one sentence tells why all have ended."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager

from ptycho_engine.cli.interrupt import Interrupt, Interrupted
from ptycho_engine.documents import Dataset
from ptycho_engine.errors import EngineError
from ptycho_engine.events import EngineEvent
from ptycho_engine.ranks import PeerLost, Ranks, joined, place
from ptycho_engine.stoppable_reading import stoppable


class EndedElsewhere(Exception):
    """Another process has said what is to be said."""

    def __init__(self, exit_status: int) -> None:
        super().__init__(exit_status)
        self.exit_status = exit_status


@contextmanager
def together(accelerator: str, interrupt: Interrupt) -> Generator[Ranks, None, None]:
    """Join the other processes of a verb, where it was started as several; one of them tells an error, for all.

    Parameters
    ----------
    accelerator
        As for :func:`ptycho_engine.ranks.joined`.
    interrupt
        Which signals have come.
    """
    with joined(accelerator) as ranks:
        try:
            yield ranks
        except Interrupted:
            if not ranks.alone:
                ranks.end_silently()
            raise
        except EngineError as error:
            if ranks.alone:
                raise
            if interrupt.heard is not None and isinstance(error, PeerLost):
                ranks.end_silently()
                raise Interrupted(interrupt.heard) from error
            if not ranks.may_tell(error):
                raise EndedElsewhere(error.exit_status) from error
            told = type(error)(f"{place(ranks)}: {error.message}", error.hint, file=error.file)
            raise told from error


def stoppable_alone(dataset: Dataset, ranks: Ranks, interrupt: Interrupt) -> Dataset:
    """Return a scan whose verb also ends between two blocks of its work, if no other process waits for its answers."""
    return stoppable(dataset, interrupt.asked) if ranks.alone else dataset


def until_told(events: Generator[EngineEvent, None, None], ranks: Ranks, interrupt: Interrupt) -> Iterator[EngineEvent]:
    """Pass on events until a signal comes; which step is the last is for the first process to say."""
    if ranks.first:
        yield from interrupt.until(events)
        return
    try:
        yield from events
    finally:
        events.close()
