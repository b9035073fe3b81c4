"""The one family of errors that the engine raises for its user.

Every error says in one sentence what is wrong (``message``) and in another what to do (``hint``), and names the file
where there is one. Anything else that escapes the engine is a defect of the engine.
"""

from pathlib import Path
from typing import ClassVar


class EngineError(Exception):
    """Something the user can act on.

    Parameters
    ----------
    message
        What is wrong, one sentence without a full stop.
    hint
        What to do about it, one sentence.
    file
        The file concerned, if any.
    """

    exit_status: ClassVar[int] = 4
    """What a headless verb returns: 3 for bad input, 4 for a failed job."""

    def __init__(self, message: str, hint: str = "", *, file: str | Path | None = None) -> None:
        super().__init__(message, hint, file)
        self.message = message
        self.hint = hint
        self.file = None if file is None else str(file)

    def __str__(self) -> str:
        sentence = self.message if self.message.endswith((".", "!", "?")) else f"{self.message}."
        text = f"{sentence} {self.hint}".strip()
        return f"{self.file}: {text}" if self.file else text

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.message, self.hint, self.file))


def _rebuild(kind: type[EngineError], message: str, hint: str, file: str | None) -> EngineError:
    return kind(message, hint, file=file)


class InputError(EngineError):
    """A file or a setting that cannot be used as given."""

    exit_status = 3


class DatasetError(InputError):
    """A scan dataset that cannot be read or contradicts itself."""


class BundleError(InputError):
    """A model bundle or checkpoint that cannot be read, or was refused."""


class GroupingError(InputError):
    """Positions that cannot be grouped as asked."""


class ConfigError(InputError):
    """A setting outside its bounds, or settings that contradict each other."""


class DeviceError(EngineError):
    """A device that is missing or has run out of memory."""


class OutputError(EngineError):
    """A result that could not be written."""


class TrainingDiverged(EngineError):
    """A loss or a weight that is not finite any more."""


class Stopped(BaseException):
    """Whoever pulls the events of a verb wants no more of them; the verb ends as if it were closed.

    No ``Exception``: it says that nothing went wrong, and nothing that handles errors may take it for one.
    """
