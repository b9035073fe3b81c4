"""The opcodes of the pickle format: which there are, and what stands behind each in the file."""

import re
import struct
from collections.abc import Callable
from typing import Any, TypeAlias

from ptycho_engine.bundles.plain_objects import Malformed

_LONGEST_LINE = 4096
_LONGEST_NUMBER = 40
_INT_BITS = 64
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|[0-7]{1,3}|.)")
_LETTERS = {"\\": "\\", "'": "'", '"': '"', "n": "\n", "r": "\r", "t": "\t"}


class Reader:
    """A cursor over the bytes of a pickle that never reads past their end."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    @property
    def left(self) -> int:
        """Bytes behind the cursor."""
        return len(self.data) - self.position

    def take(self, count: int) -> bytes:
        """Return the next ``count`` bytes."""
        start = self.position
        end = start + count
        if count < 0 or end > len(self.data):
            raise Malformed("the file is cut off")
        self.position = end
        return self.data[start:end]

    def line(self) -> str:
        """Return the text up to the next line feed."""
        return self.line_bytes().decode("utf-8", "backslashreplace")

    def line_bytes(self, longest: int = _LONGEST_LINE) -> bytes:
        """Return the bytes up to the next line feed."""
        end = self.data.find(b"\n", self.position, self.position + longest)
        if end < 0:
            raise Malformed("a line does not end")
        return self.take(end + 1 - self.position)[:-1]

    def number(self, layout: struct.Struct) -> Any:
        """Return one number of the given layout."""
        start = self.position
        if start + layout.size > len(self.data):
            raise Malformed("the file is cut off")
        self.position = start + layout.size
        return layout.unpack_from(self.data, start)[0]


Read: TypeAlias = Callable[[Reader], Any]


def _bounded(value: int) -> int:
    if not -(2 ** (_INT_BITS - 1)) <= value < 2**_INT_BITS:
        raise Malformed(f"a whole number of more than {_INT_BITS} bits")
    return value


def _number(layout: str) -> Read:
    number = struct.Struct(layout)
    return lambda reader: reader.number(number)


def _constant(value: object) -> Read:
    return lambda reader: value


def _nothing(reader: Reader) -> None:
    return None


def _line_int(reader: Reader) -> int | bool:
    line = reader.line_bytes(_LONGEST_NUMBER)
    if line in (b"00", b"01"):
        return line == b"01"
    return _bounded(int(line))


def _line_long(reader: Reader) -> int:
    return _bounded(int(reader.line_bytes(_LONGEST_NUMBER).rstrip(b"L")))


def _line_float(reader: Reader) -> float:
    return float(reader.line_bytes(_LONGEST_NUMBER))


def _long(layout: str) -> Read:
    length = struct.Struct(layout)

    def read(reader: Reader) -> int:
        count = reader.number(length)
        if count > _INT_BITS // 8 + 1:
            raise Malformed(f"a whole number of more than {_INT_BITS} bits")
        return _bounded(int.from_bytes(reader.take(count), "little", signed=True))

    return read


def _bytes(layout: str) -> Read:
    length = struct.Struct(layout)
    return lambda reader: reader.take(reader.number(length))


def _text(layout: str) -> Read:
    length = struct.Struct(layout)
    return lambda reader: reader.take(reader.number(length)).decode("utf-8", "surrogatepass")


def _old_text(layout: str) -> Read:
    length = struct.Struct(layout)
    return lambda reader: reader.take(reader.number(length)).decode("latin-1")


def _quoted_text(reader: Reader) -> str:
    line = reader.line_bytes(2**20).strip()
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
        raise Malformed("a text without quotes")
    return _ESCAPE.sub(_unescape, line[1:-1].decode("latin-1"))


def _unescape(match: re.Match[str]) -> str:
    code = match[1]
    if code[0] == "x":
        return chr(int(code[1:], 16))
    if code.isdecimal():
        return chr(int(code, 8) & 0xFF)
    return _LETTERS.get(code, match[0])


def _raw_text(reader: Reader) -> str:
    return reader.line_bytes(2**20).decode("raw-unicode-escape")


def _line_global(reader: Reader) -> tuple[str, str]:
    return reader.line(), reader.line()


OPCODES: dict[bytes, tuple[str, Read]] = {
    b"\x80": ("protocol", _number("<B")),
    b"\x95": ("frame", _number("<Q")),
    b"(": ("mark", _nothing),
    b"0": ("pop", _nothing),
    b"1": ("pop_mark", _nothing),
    # Literals
    b"N": ("push", _constant(None)),
    b"\x88": ("push", _constant(True)),
    b"\x89": ("push", _constant(False)),
    b"I": ("push", _line_int),
    b"L": ("push", _line_long),
    b"J": ("push", _number("<i")),
    b"K": ("push", _number("<B")),
    b"M": ("push", _number("<H")),
    b"\x8a": ("push", _long("<B")),
    b"\x8b": ("push", _long("<i")),
    b"F": ("push", _line_float),
    b"G": ("push", _number(">d")),
    b"S": ("push", _quoted_text),
    b"T": ("push", _old_text("<i")),
    b"U": ("push", _old_text("<B")),
    b"V": ("push", _raw_text),
    b"X": ("push", _text("<I")),
    b"\x8c": ("push", _text("<B")),
    b"\x8d": ("push", _text("<Q")),
    b"B": ("push", _bytes("<I")),
    b"C": ("push", _bytes("<B")),
    b"\x8e": ("push", _bytes("<Q")),
    # Containers
    b"]": ("container", _constant(list)),
    b"}": ("container", _constant(dict)),
    b"\x8f": ("container", _constant(set)),
    b")": ("container", _constant(tuple)),
    b"l": ("list", _nothing),
    b"d": ("dict", _nothing),
    b"t": ("tuple", _nothing),
    b"\x85": ("tuple", _constant(1)),
    b"\x86": ("tuple", _constant(2)),
    b"\x87": ("tuple", _constant(3)),
    b"\x91": ("frozenset", _nothing),
    b"a": ("append", _nothing),
    b"e": ("appends", _nothing),
    b"s": ("setitem", _nothing),
    b"u": ("setitems", _nothing),
    b"\x90": ("additems", _nothing),
    # Memo
    b"p": ("put", _line_int),
    b"q": ("put", _number("<B")),
    b"r": ("put", _number("<I")),
    b"\x94": ("put", _nothing),
    b"g": ("get", _line_int),
    b"h": ("get", _number("<B")),
    b"j": ("get", _number("<I")),
    # Objects, only from the table
    b"c": ("global", _line_global),
    b"\x93": ("global", _nothing),
    b"R": ("reduce", _nothing),
    b"b": ("build", _nothing),
}
"""Opcode -> kind of instruction, and how to read what stands behind it."""

REFUSED_OPCODES: dict[bytes, str] = {
    b"i": "INST",
    b"o": "OBJ",
    b"\x81": "NEWOBJ",
    b"\x92": "NEWOBJ_EX",
    b"\x82": "EXT1",
    b"\x83": "EXT2",
    b"\x84": "EXT4",
    b"P": "PERSID",
    b"Q": "BINPERSID",
    b"\x97": "NEXT_BUFFER",
    b"\x98": "READONLY_BUFFER",
    b"\x96": "BYTEARRAY8",
    b"2": "DUP",
}
"""Opcodes that genuine files never use (references to outside data only where the reader provides for them)."""
