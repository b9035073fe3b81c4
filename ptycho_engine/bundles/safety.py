"""The safety report of a file: every pickle in it, what each names, and what it would have run."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ptycho_engine.bundles.archive import Archive, open_archive, shown
from ptycho_engine.bundles.plain_objects import PLAIN_OBJECTS
from ptycho_engine.bundles.torch_file import TORCH_NAMES
from ptycho_engine.bundles.trace import PickleTrace, trace_pickle
from ptycho_engine.errors import BundleError
from ptycho_engine.formats.zip_members import NPY_MAGIC, NotAnArray, parse_npy_header
from ptycho_engine.ordinary_file import require_readable

_MOST_BYTES = 16 * 2**20
_MOST_NESTED_BYTES = 512 * 2**20
_MOST_IN_A_ROW = 16
_HEAD = 8192
_ENDINGS = (".pkl", ".pickle", ".dill", ".p")
_ZIP = b"PK\x03\x04"


@dataclass(frozen=True, slots=True)
class SafetyReport:
    """All pickles of a file."""

    path: Path
    pickles: tuple[PickleTrace, ...]
    unread: tuple[tuple[str, str], ...]
    """Members that could not be looked into, each with the reason."""

    @property
    def is_plain(self) -> bool:
        """Whether nothing in the file would have been run, as far as it could be looked into."""
        return not self.unread and all(each.is_plain for each in self.pickles)

    @property
    def verdict(self) -> str:
        """The whole in a few words."""
        if not self.pickles and not self.unread:
            return "no pickle in it"
        n_pickles = "1 pickle" if len(self.pickles) == 1 else f"{len(self.pickles)} pickles"
        if self.is_plain:
            return f"{n_pickles}, plain data only"
        n_calls = sum(len(trace.would_run) for trace in self.pickles)
        calls = "1 call" if n_calls == 1 else f"{n_calls} calls"
        what = f"{calls} of unknown code" if n_calls else "not plain data"
        return f"{n_pickles}, {what}; nothing was run"


def safety_report(path: str | Path) -> SafetyReport:
    """Look into every pickle of a bundle, dataset, checkpoint or pickle. Nothing of it is run.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    InputError
        If it cannot be read, or its archive cannot be opened.
    """
    path = Path(path)
    require_readable(path)
    unread: list[tuple[str, str]] = []
    traces: list[PickleTrace] = []
    if path.is_file():
        with path.open("rb") as stream:
            head = stream.read(_HEAD)
            if head.startswith((_ZIP, b"PK\x05\x06")):
                traces += _zipped(path, unread)
            elif _is_pickle(path.name, head):
                stream.seek(0)
                traces += _in_a_row(stream.read(_MOST_BYTES), path.name)
    return SafetyReport(path, tuple(traces), tuple(unread))


def _zipped(path: Path, unread: list[tuple[str, str]]) -> list[PickleTrace]:
    try:
        with open_archive(path) as archive:
            return list(_members(archive, "", unread))
    except BundleError as error:
        raise BundleError(error.message, error.hint, file=path) from error


def _members(archive: Archive, prefix: str, unread: list[tuple[str, str]]) -> Iterator[PickleTrace]:
    for name in archive.names:
        where = prefix + shown(name)
        try:
            head = archive.head(name, _HEAD)
            if head.startswith(_ZIP) and not prefix:
                inner = Archive(io.BytesIO(archive.read(name, _MOST_NESTED_BYTES)), where, archive.limits)
                yield from _members(inner, f"{where}: ", unread)
            elif head.startswith(NPY_MAGIC):
                yield from _pickled_array(archive, name, where, head)
            elif _is_pickle(name, head):
                yield from _in_a_row(archive.read(name, _MOST_BYTES), where)
        except BundleError as error:
            unread.append((where, error.message))


def _is_pickle(name: str, head: bytes) -> bool:
    return (head[:1] == b"\x80" and head[1:2] <= b"\x05") or name.lower().endswith(_ENDINGS)


def _pickled_array(archive: Archive, name: str, where: str, head: bytes) -> Iterator[PickleTrace]:
    try:
        _, dtype, _, start = parse_npy_header(head)
    except NotAnArray:
        return
    if dtype.hasobject:
        yield from _in_a_row(archive.read(name, _MOST_BYTES)[start:], where)


def _in_a_row(data: bytes, where: str) -> Iterator[PickleTrace]:
    """Yield one trace for each pickle: older torch files hold several, one behind the other."""
    names = frozenset(PLAIN_OBJECTS) | TORCH_NAMES
    for number in range(1, _MOST_IN_A_ROW + 1):
        trace = trace_pickle(
            data,
            member=where if number == 1 else f"{where} (pickle {number})",
            names=names,
            outside_data=where.endswith("data.pkl"),
        )
        yield trace
        data = data[trace.end :]
        if trace.problem or data[:1] != b"\x80":
            return
