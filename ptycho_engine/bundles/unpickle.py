"""Read pickled plain data without running it: a closed interpreter of the format's opcodes.

Nothing is imported and nothing is called by name. What a file may hold beside literals and containers stands in a fixed
table; everything else is refused, with the name of what the file would have run.
"""

import struct
from collections.abc import Callable
from typing import Any, NoReturn

from ptycho_engine.bundles.opcodes import OPCODES, REFUSED_OPCODES, Read, Reader
from ptycho_engine.bundles.plain_objects import (
    PLAIN_OBJECTS,
    Known,
    KnownTable,
    Malformed,
    require_keys,
    require_members,
)
from ptycho_engine.bundles.plain_values import DEFAULT_LIMITS, MARK, Finish, Limits, Stranger, describe, escape
from ptycho_engine.errors import BundleError

_WRONG = (ValueError, TypeError, IndexError, KeyError, OverflowError, struct.error)


def read_plain(
    data: bytes,
    *,
    member: str,
    limits: Limits = DEFAULT_LIMITS,
    known: KnownTable = PLAIN_OBJECTS,
    persistent: Callable[[object], object] | None = None,
    notes: list[str] | None = None,
) -> object:
    """Return the plain data that a pickle describes.

    Parameters
    ----------
    data
        The whole pickle.
    member
        What it is called in messages.
    limits
        How much it may ask for.
    known
        The objects it may hold, by module and name.
    persistent
        Turns a reference to data outside of the pickle into a value; without it such references are refused.
    notes
        Receives what was odd but harmless, one sentence each.

    Raises
    ------
    BundleError
        Naming member, byte and, for a refused object, what the file would have run with which arguments.
    """
    if len(data) > limits.member_bytes:
        raise BundleError(
            f"{member} has {len(data)} bytes, more than the {limits.member_bytes} that such a file may have",
            "It is not from PtychoPINN or Ptychoscope, or is damaged.",
        )
    machine = Machine(data, member, limits, known, persistent)
    value = machine.run()
    if machine.reader.position < len(data) and notes is not None:
        notes.append(f"{member} has {len(data) - machine.reader.position} bytes after its end; they were not read.")
    return value


class Machine:
    """The stack, the memo and one method for each kind of opcode."""

    def __init__(
        self,
        data: bytes,
        member: str,
        limits: Limits,
        known: KnownTable,
        persistent: Callable[[object], object] | None,
    ) -> None:
        self.reader = Reader(data)
        self.member = member
        self.limits = limits
        self.known = known
        self.persistent = persistent
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.offset = 0
        self.strangers: list[Stranger] = []
        self._ways: dict[bytes, tuple[Read, Callable[[Any], None]]] = {}

    def run(self) -> object:
        """Return the plain data that the pickle describes."""
        try:
            value = self.execute()
            if self.strangers:
                self.refuse(self.strangers[0])
            return Finish(self.limits, self.fail).convert(value)
        except _WRONG as error:
            if self.strangers:
                self.refuse(self.strangers[0])
            detail = f": {error}" if isinstance(error, Malformed) else ""
            self.fail(f"cannot be read at byte {self.offset}{detail}")

    def execute(self) -> object:
        """Follow all instructions and return what the last leaves, not yet checked for being plain."""
        reader, step = self.reader, self.step
        data = reader.data
        n_done, most = 0, self.limits.opcodes
        while True:
            n_done += 1
            if n_done > most:
                self.fail(f"has more than {most} instructions")
            self.offset = place = reader.position
            code = data[place : place + 1]
            if not code:
                raise Malformed("the file is cut off")
            reader.position = place + 1
            if code == b".":
                return self.pop()
            step(code)

    def step(self, code: bytes) -> None:
        """Follow one instruction, whose opcode was just read."""
        way = self._ways.get(code)
        if way is not None:
            way[1](way[0](self.reader))
        elif code in REFUSED_OPCODES:
            self.refuse_opcode(code)
        else:
            name, read = OPCODES[code]
            # The stack is one list from first to last.
            follow = self.stack.append if name == "push" else getattr(self, f"_do_{name}")
            self._ways[code] = read, follow
            follow(read(self.reader))

    def fail(self, problem: str) -> NoReturn:
        """Raise the error of a pickle that cannot be read."""
        raise BundleError(
            f"{self.member} {problem}", "It is damaged or not from PtychoPINN or Ptychoscope; ask for it again."
        )

    def refuse(self, stranger: Stranger, arguments: object = None, *, called: bool = False) -> NoReturn:
        """Raise the error of a pickle that would run something."""
        shown = f" with the arguments {describe(arguments)}" if called else ""
        raise BundleError(
            f"{self.member} would load {escape(stranger.name)}{shown} (byte {stranger.offset}), "
            "which no model needs; nothing of it was run",
            "Ask the sender for a bundle saved by PtychoPINN or Ptychoscope, and do not open this one elsewhere.",
        )

    def refuse_opcode(self, code: bytes) -> None:
        """Raise for an instruction that no genuine file has, unless it refers to data that are provided for."""
        name = REFUSED_OPCODES[code]
        if code in (b"Q", b"P") and self.persistent is not None:
            identity = self.pop() if code == b"Q" else self.reader.line()
            self.stack.append(self.persistent(identity))
            return
        if code == b"i":
            named = f"{self.reader.line()}.{self.reader.line()}"
            self.refuse(Stranger(named, self.offset), tuple(self.items()), called=True)
        if code == b"o":
            items = self.items()
            target, arguments = items[0], tuple(items[1:])
        elif code in (b"\x81", b"\x92"):
            arguments = tuple(reversed([self.pop() for _ in range(1 if code == b"\x81" else 2)]))
            target = self.pop()
        else:
            self.fail(f"uses the instruction {name} at byte {self.offset}, which no model needs")
        if isinstance(target, (Stranger, Known)):
            self.refuse(Stranger(target.name, self.offset), arguments, called=True)
        self.fail(f"makes an object of something that is none (byte {self.offset})")

    def pop(self) -> Any:
        """Take the topmost value."""
        value = self.stack.pop()
        if value is MARK:
            raise Malformed("an item is missing")
        return value

    def top(self) -> Any:
        """Return the topmost value."""
        value = self.stack[-1]
        if value is MARK:
            raise Malformed("an item is missing")
        return value

    def items(self) -> list[Any]:
        """Take everything above the last mark, and the mark."""
        for place in range(len(self.stack) - 1, -1, -1):
            if self.stack[place] is MARK:
                items = self.stack[place + 1 :]
                del self.stack[place:]
                return items
        raise Malformed("a mark is missing")

    # One method for each kind of opcode; ``argument`` is what stands behind the opcode, if anything.

    def _do_ignore(self, _argument: Any) -> None:
        return

    def _do_protocol(self, argument: int) -> None:
        if argument > 5:
            self.fail(f"is of the unknown pickle protocol {argument}")

    def _do_frame(self, argument: int) -> None:
        if argument > self.reader.left:
            raise Malformed("the file is cut off")

    def _do_mark(self, _argument: Any) -> None:
        self.stack.append(MARK)

    def _do_pop(self, _argument: Any) -> None:
        self.stack.pop()

    def _do_pop_mark(self, _argument: Any) -> None:
        self.items()

    def _do_container(self, argument: Callable[[], Any]) -> None:
        self.stack.append(argument())

    def _do_tuple(self, argument: int | None) -> None:
        if argument is None:
            self.stack.append(tuple(self.items()))
            return
        self.stack.append(tuple(reversed([self.pop() for _ in range(argument)])))

    def _do_list(self, _argument: Any) -> None:
        self.stack.append(self.items())

    def _do_dict(self, _argument: Any) -> None:
        result: dict[Any, Any] = {}
        self._fill(result, self.items())
        self.stack.append(result)

    def _do_frozenset(self, _argument: Any) -> None:
        members = self.items()
        require_members(members)
        self.stack.append(frozenset(members))

    def _do_append(self, _argument: Any) -> None:
        self._extend([self.pop()])

    def _do_appends(self, _argument: Any) -> None:
        self._extend(self.items())

    def _extend(self, items: list[Any]) -> None:
        target = self.top()
        if type(target) is not list:
            raise Malformed("items for something that is not a list")
        target.extend(items)

    def _do_additems(self, _argument: Any) -> None:
        members = self.items()
        target = self.top()
        if type(target) is not set:
            raise Malformed("members for something that is not a set")
        require_members(members)
        target.update(members)

    def _do_setitem(self, _argument: Any) -> None:
        value, key = self.pop(), self.pop()
        self._fill(self.top(), [key, value])

    def _do_setitems(self, _argument: Any) -> None:
        items = self.items()
        self._fill(self.top(), items)

    def _fill(self, target: Any, items: list[Any]) -> None:
        if not isinstance(target, dict) or len(items) % 2:
            raise Malformed("entries for something that is not a dictionary")
        require_keys(items[::2])
        target.update(zip(items[::2], items[1::2], strict=True))

    def _do_put(self, argument: int | None) -> None:
        index = len(self.memo) if argument is None else argument
        if index > len(self.memo) + self.limits.memo_slack:
            self.fail(f"numbers its values out of all order at byte {self.offset}")
        self.memo[index] = self.top()

    def _do_get(self, argument: int) -> None:
        self.stack.append(self.memo[argument])

    def _do_global(self, argument: tuple[str, str] | None) -> None:
        if argument is None:
            name, module = self.pop(), self.pop()
            if not isinstance(name, str) or not isinstance(module, str):
                raise Malformed("the name of an object")
            argument = (module, name)
        found = self.known.get(argument)
        if found is None:
            stranger = Stranger(".".join(argument), self.offset)
            self.strangers.append(stranger)
            self.stack.append(stranger)
            return
        self.stack.append(found)

    def _do_reduce(self, _argument: Any) -> None:
        arguments, target = self.pop(), self.pop()
        if isinstance(target, Stranger):
            self.refuse(target, arguments, called=True)
        if not isinstance(target, Known) or not isinstance(arguments, tuple):
            raise Malformed("a call of something that cannot be called")
        if target.make is None:
            self.refuse(Stranger(target.name, self.offset), arguments, called=True)
        self.stack.append(target.make(*arguments))

    def _do_build(self, _argument: Any) -> None:
        state = self.pop()
        target = self.top()
        if isinstance(target, Stranger):
            self.refuse(target, state, called=True)
        build = getattr(type(target), "build", None)
        if build is None:
            raise Malformed("a state for something that has none")
        build(target, state)
