"""Follow the instructions of a pickle without obeying them: what it names, and what it would have run.

The same interpreter that reads genuine files, told to note what it otherwise refuses and to go on.
"""

import pickletools
import struct
from collections.abc import Set
from dataclasses import dataclass
from typing import Any

from ptycho_engine.bundles.opcodes import REFUSED_OPCODES
from ptycho_engine.bundles.plain_objects import PLAIN_OBJECTS, SCALAR_KINDS, Malformed
from ptycho_engine.bundles.plain_values import DEFAULT_LIMITS, MARK, Stranger, describe, escape
from ptycho_engine.bundles.unpickle import Machine
from ptycho_engine.errors import BundleError

_KINDS = {kind.code: kind for kind in pickletools.opcodes}
_MOST_CALLS = 200
_RESULT = "result of "
_BYTES_OF_EXTENSION = {b"\x82": 1, b"\x83": 2, b"\x84": 4}
_WRONG = (ValueError, TypeError, IndexError, KeyError, OverflowError, struct.error)


@dataclass(frozen=True, slots=True)
class NamedGlobal:
    """Something that a pickle names to have it imported."""

    name: str
    """``module.name``, escaped."""
    offset: int
    """Byte at which it is named first."""
    known: bool
    """Whether the closed reader has an entry for it and so reads it as plain data."""
    n_calls: int
    """How often it would be called."""


@dataclass(frozen=True, slots=True)
class WouldRun:
    """A call of something unknown, which a common unpickler would have made."""

    name: str
    arguments: str
    """Escaped, at most 200 characters."""
    offset: int


@dataclass(frozen=True, slots=True)
class PickleTrace:
    """What one pickle would have done."""

    member: str
    n_bytes: int
    n_instructions: int
    globals: tuple[NamedGlobal, ...]
    would_run: tuple[WouldRun, ...]
    """The first 200 calls of what is not known."""
    listing: tuple[str, ...]
    """Byte, instruction and argument of the first instructions, one line each."""
    odd: tuple[str, ...]
    """Instructions that the closed reader refuses, whatever they are used for."""
    problem: str
    """Why it could not be followed to its end, else empty."""
    end: int
    """Bytes that were followed; what lies behind is another pickle, or nothing that any reader looks at."""

    @property
    def is_plain(self) -> bool:
        """Whether it names, calls and uses nothing unknown, and could be followed to its end."""
        return not (self.problem or self.would_run or self.odd) and all(each.known for each in self.globals)


def trace_pickle(
    data: bytes,
    *,
    member: str,
    names: Set[tuple[str, str]] = frozenset(PLAIN_OBJECTS),
    n_listed: int = 2000,
    outside_data: bool = False,
) -> PickleTrace:
    """Return what a pickle names and would run. Nothing of it is imported, called or built.

    Parameters
    ----------
    data
        The pickle.
    member
        What it is called.
    names
        What the closed reader knows, by module and name.
    n_listed
        Instructions that are listed.
    outside_data
        Whether it may refer to data beside the pickle, as the description of a torch file does.
    """
    tracer = _Tracer(data, member, names, n_listed)
    usual = {"PERSID", "BINPERSID"} if outside_data else set()
    problem = ""
    try:
        tracer.execute()
    except BundleError as error:
        problem = error.message.removeprefix(f"{member} ")
    except _WRONG as error:
        detail = f": {error}" if isinstance(error, Malformed) else ""
        problem = f"cannot be followed at byte {tracer.offset}{detail}"
    found = tuple(
        NamedGlobal(escape(".".join(pair)), offset, pair in names, tracer.n_calls.get(".".join(pair), 0))
        for pair, offset in tracer.named.items()
    )
    return PickleTrace(
        member,
        len(data),
        tracer.n_done,
        found,
        tuple(tracer.calls),
        tuple(tracer.listing),
        tuple(sorted(tracer.odd - usual)),
        problem,
        tracer.reader.position,
    )


class _Tracer(Machine):
    """Puts a stand-in on the stack wherever something would be imported or made."""

    def __init__(self, data: bytes, member: str, names: Set[tuple[str, str]], n_listed: int) -> None:
        super().__init__(data, member, DEFAULT_LIMITS, {}, None)
        self.names = names
        self.known_texts = {".".join(pair) for pair in names}
        self.foreign: set[str] = set()
        """What was named and is not known; a dotted name may read like a known one."""
        self.n_listed = n_listed
        self.n_done = 0
        self.named: dict[tuple[str, str], int] = {}
        self.n_calls: dict[str, int] = {}
        self.calls: list[WouldRun] = []
        self.listing: list[str] = []
        self.odd: set[str] = set()

    def step(self, code: bytes) -> None:
        """Follow one instruction and list it."""
        self.n_done += 1
        kind = _KINDS.get(code.decode("latin-1"))
        if kind is None:
            raise Malformed("no instruction")
        # Listed before it is followed, so that the one at which all ends is there too.
        listed = self.n_done <= self.n_listed
        if listed:
            self.listing.append(f"{self.offset:7d}  {kind.name}")
        super().step(code)
        if listed and kind.arg is not None and self.stack and self.stack[-1] is not MARK:
            self.listing[-1] += f"  {describe(self.stack[-1], 100)}"

    def refuse_opcode(self, code: bytes) -> None:
        """Note what the instruction would do."""
        self.odd.add(REFUSED_OPCODES[code])
        if code == b"i":
            self._name(self.reader.line(), self.reader.line())
            target = self.stack.pop()
            self._call(target, tuple(self.items()))
        elif code == b"o":
            items = self.items()
            self._call(items[0], tuple(items[1:]))
        elif code in (b"\x81", b"\x92"):
            arguments = tuple(reversed([self.pop() for _ in range(1 if code == b"\x81" else 2)]))
            self._call(self.pop(), arguments)
        elif code in _BYTES_OF_EXTENSION:
            number = int.from_bytes(self.reader.take(_BYTES_OF_EXTENSION[code]), "little")
            self._name("copyreg", f"extension {number}")
        elif code == b"\x96":
            self.stack.append(self.reader.take(self.reader.number("<Q")))
        elif code == b"2":
            self.stack.append(self.top())
        elif code in (b"Q", b"P"):
            identity = self.pop() if code == b"Q" else self.reader.line()
            self.stack.append(Stranger(f"data outside: {describe(identity, 80)}", self.offset))
        elif code == b"\x97":
            self.stack.append(Stranger(REFUSED_OPCODES[code], self.offset))

    def _name(self, module: str, name: str) -> None:
        self.named.setdefault((module, name), self.offset)
        if (module, name) not in self.names:
            self.foreign.add(f"{module}.{name}")
        self.stack.append(Stranger(f"{module}.{name}", self.offset))

    def _call(self, target: object, arguments: object) -> None:
        name = target.name if isinstance(target, Stranger) else describe(target)
        self.n_calls[name] = self.n_calls.get(name, 0) + 1
        if not (isinstance(target, Stranger) and self._is_known(target.name)) and len(self.calls) < _MOST_CALLS:
            self.calls.append(WouldRun(escape(name), describe(arguments), self.offset))
        self.stack.append(Stranger(_RESULT + name if len(name) < 200 else "a result", self.offset))

    def _is_known(self, name: str) -> bool:
        return name in self.known_texts and name not in self.foreign

    def _do_global(self, argument: tuple[str, str] | None) -> None:
        if argument is None:
            name, module = self.pop(), self.pop()
            if not isinstance(name, str) or not isinstance(module, str):
                # A name that is itself the result of a call: no common file does that.
                name, module = describe(name), describe(module)
            argument = (module, name)
        self._name(*argument)

    def _do_reduce(self, _argument: Any) -> None:
        arguments, target = self.pop(), self.pop()
        self._call(target, arguments)

    def _do_build(self, _argument: Any) -> None:
        state = self.pop()
        target = self.top()
        # Of known things the state is data; of others it goes to a method of theirs.
        if isinstance(target, Stranger) and not self._is_known(target.name.removeprefix(_RESULT)):
            self._call(Stranger(f"{target.name}.__setstate__", self.offset), (state,))
            self.stack.pop()

    def _fill(self, target: Any, items: list[Any]) -> None:
        if isinstance(target, dict):
            pairs = zip(items[::2], items[1::2], strict=False)
            target.update((key, value) for key, value in pairs if isinstance(key, SCALAR_KINDS))

    def _extend(self, items: list[Any]) -> None:
        target = self.top()
        if isinstance(target, list):
            target.extend(items)

    def _do_additems(self, _argument: Any) -> None:
        self.items()

    def _do_frozenset(self, _argument: Any) -> None:
        self.items()
        self.stack.append(frozenset())
