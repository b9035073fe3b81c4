"""The values of the closed reader: limits, placeholders, their conversion to plain data, their look in a message."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from ptycho_engine.bundles.plain_objects import Known, PendingArray, PendingDtype


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a member may ask for; each has its own message."""

    member_bytes: int = 4 * 2**20
    opcodes: int = 200_000
    values: int = 50_000
    """Counted as if nothing were shared: ten lists of ten lists of … are many values in few bytes. A long text counts
    once for each KiB."""
    depth: int = 32
    text_bytes: int = 64 * 2**10
    memo_slack: int = 65_536


DEFAULT_LIMITS = Limits()
_TEXT_UNIT = 1024


@dataclass(frozen=True, slots=True)
class Stranger:
    """An object that is not in the table; the file is refused as soon as it is known what for."""

    name: str
    offset: int


class Mark:
    """Where a run of items begins on the stack."""


MARK = Mark()


class Finish:
    """Turn what the interpreter left into plain data, counting what it would be if nothing were shared."""

    def __init__(self, limits: Limits, fail: Callable[[str], NoReturn]) -> None:
        self.limits = limits
        self.fail = fail
        # By identity: value, expanded count, height. The values are kept, so that no identity is given twice.
        self.done: dict[int, tuple[Any, Any, int, int]] = {}
        self.open: set[int] = set()

    def convert(self, value: Any) -> Any:
        """Return the plain data."""
        return self._walk(value, 0)[0]

    def _walk(self, value: Any, depth: int) -> tuple[Any, int, int]:
        if isinstance(value, str):
            if len(value.encode(errors="surrogatepass")) > self.limits.text_bytes:
                self.fail(f"holds a text of more than {self.limits.text_bytes} bytes")
            return value, 1 + len(value) // _TEXT_UNIT, 0
        if not isinstance(value, (list, tuple, dict)):
            return self._leaf(value), self._count(value), 0
        known = self.done.get(id(value))
        if known is None:
            known = (value, *self._container(value, depth))
            self.done[id(value)] = known
        _, converted, count, height = known
        if depth + height > self.limits.depth:
            self.fail(f"nests more than {self.limits.depth} deep")
        return converted, count, height

    def _container(self, value: Any, depth: int) -> tuple[Any, int, int]:
        if depth > self.limits.depth:
            self.fail(f"nests more than {self.limits.depth} deep")
        if id(value) in self.open:
            self.fail("holds a list that contains itself")
        self.open.add(id(value))
        entries = value.values() if isinstance(value, dict) else value
        walked = [self._walk(entry, depth + 1) for entry in entries]
        self.open.discard(id(value))
        count = 1 + sum(each for _, each, _ in walked)
        if isinstance(value, dict):
            count += sum(self._walk(key, depth)[1] - 1 for key in value)
        if count > self.limits.values:
            self.fail(f"holds more than {self.limits.values} values when written out")
        height = 1 + max((each for _, _, each in walked), default=0)
        plain = [each for each, _, _ in walked]
        if isinstance(value, dict):
            return dict(zip(value, plain, strict=True)), count, height
        return (tuple(plain) if isinstance(value, tuple) else plain), count, height

    def _count(self, value: Any) -> int:
        if isinstance(value, bytes):
            return 1 + len(value) // _TEXT_UNIT
        if isinstance(value, (set, frozenset)):
            return 1 + sum(self._walk(member, 0)[1] for member in value)
        return 1

    def _leaf(self, value: Any) -> Any:
        if isinstance(value, PendingArray):
            if value.array is None:
                self.fail("holds an array without content")
            return value.array
        if isinstance(value, PendingDtype):
            return str(value.dtype)
        if isinstance(value, (Known, Mark)):
            self.fail("holds an object instead of data")
        return value


def escape(text: str) -> str:
    """Return text from a file with every invisible or direction-changing character shown as its code."""
    return repr(text[:200])[1:-1]


def describe(value: object, room: int = 200) -> str:
    """Return at most ``room`` characters that show a value from a file, in one line, escaped."""
    text = _describe(value, 3)
    return text if len(text) <= room else text[: room - 1] + "…"


def _describe(value: object, depth: int) -> str:
    if isinstance(value, (Stranger, Known)):
        return f"<{escape(value.name)}>"
    if isinstance(value, (str, bytes)):
        return repr(value[:200])
    if isinstance(value, (bool, int, float, complex, type(None))):
        return repr(value)
    if isinstance(value, dict):
        return "{…}" if value else "{}"
    if isinstance(value, (list, tuple)):
        if depth == 0:
            return "…"
        inner = ", ".join(_describe(entry, depth - 1) for entry in value[:6]) + (", …" if len(value) > 6 else "")
        return f"[{inner}]" if isinstance(value, list) else f"({inner})"
    return f"<{type(value).__name__}>"
