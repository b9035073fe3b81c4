"""What went wrong, as frozen text: an exception itself would keep its frames, and with them their tensors, alive."""

import traceback
from dataclasses import dataclass

from ptycho_engine.errors import EngineError


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed job in words."""

    kind: str
    """The name of the exception's class."""
    message: str
    """One sentence for the person, with what to do about it."""
    details: str
    """The traceback, for those who look further."""
    expected: bool
    """Whether the engine said so itself; anything else is a defect of the program."""


def describe(error: BaseException) -> Failure:
    """Return ``error`` in words."""
    details = "".join(traceback.format_exception(error))
    kind = type(error).__name__
    if isinstance(error, EngineError):
        return Failure(kind, str(error), details, expected=True)
    if isinstance(error, MemoryError):
        message = "There is not enough memory. Close other documents or choose a smaller batch size."
        return Failure(kind, message, details, expected=True)
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return Failure(kind, f"{where}{error.strerror or error}.", details, expected=True)
    text = str(error).strip().splitlines()
    first = text[0] if text else kind
    return Failure(kind, f"Unexpected {kind}: {first}", details, expected=False)
