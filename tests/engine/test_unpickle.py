"""The closed reader: genuine tables open, whatever would run code is refused, named and not run."""

import builtins
import collections
import contextlib
import io
import pathlib
import pickle
import pickletools
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dill
import numpy as np
import pytest

from ptycho_engine.bundles.plain_objects import StoredPath
from ptycho_engine.bundles.plain_values import Limits
from ptycho_engine.bundles.unpickle import read_plain
from ptycho_engine.errors import BundleError

PLAIN = {
    "none": None,
    "flags": [True, False],
    "ints": (0, 255, 256, 65535, 65536, -1, -(2**31), 2**31, 2**62, -(2**63), 2**64 - 1),
    "floats": [0.0, 1e-300, -2.5, float("inf")],
    "text": "Ünï\n'\"\\",
    "bytes": b"\x00\xff",
    "nested": {"a": [{"b": ()}, (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)]},
    "sets": [{1, 2}, frozenset({"x"})],
    "complex": 1.5 - 2j,
}


def shared_parts() -> list[Any]:
    inner = [1, 2]
    return [inner, inner, {"again": inner}]


@pytest.mark.parametrize("protocol", range(6))
def test_plain_data_come_back_in_every_protocol(protocol: int) -> None:
    value = PLAIN | {"shared": shared_parts(), "ordered": collections.OrderedDict(a=1, b=2)}
    assert read_plain(pickle.dumps(value, protocol), member="m") == value


@pytest.mark.parametrize("protocol", range(5))
def test_numbers_and_arrays_of_numpy_become_plain(protocol: int) -> None:
    array = np.asfortranarray(np.arange(6, dtype=">i4").reshape(2, 3))
    value = {"a": array, "b": np.float32(0.5), "c": np.complex64(1j), "d": np.bool_(True), "e": np.float64(2.0)}
    read = read_plain(pickle.dumps(value, protocol), member="m")
    assert isinstance(read, dict)
    assert np.array_equal(read["a"], array)
    assert not read["a"].flags.writeable
    assert (read["b"], read["c"], read["d"], read["e"]) == (0.5, 1j, True, 2.0)
    assert type(read["b"]) is float


def test_arrays_written_by_dill_open() -> None:
    probe = np.ones((2, 2), np.complex64)
    read = read_plain(dill.dumps({"probe": probe}, protocol=4), member="m")
    assert isinstance(read, dict)
    assert np.array_equal(read["probe"], probe)


def test_paths_become_text_that_knows_its_system() -> None:
    value = [pathlib.PurePosixPath("/a/b"), pathlib.PureWindowsPath("C:\\a\\b"), pathlib.Path("x")]
    data = pickle.dumps(value, 4)
    for spelling in (data, data.replace(b"\x8c\x07pathlib", b"\x8c\x0epathlib._local")):
        # The frame's length no longer fits the changed data; a pickle without frames is as good.
        plain = spelling if spelling is data else spelling[:2] + spelling[11:]
        read = read_plain(plain, member="m")
        assert read == ["/a/b", "C:\\a\\b", "x"]
        assert isinstance(read, list)
        assert [path.system for path in read if isinstance(path, StoredPath)] == ["posix", "windows", "posix"]
        assert pickle.loads(pickle.dumps(read[1])).system == "windows"  # our own text, written two lines before


def test_bytes_behind_the_end_are_noted() -> None:
    notes: list[str] = []
    assert read_plain(pickle.dumps(1) + b"more", member="m", notes=notes) == 1
    assert notes == ["m has 4 bytes after its end; they were not read."]


# --- Hostile files -------------------------------------------------------------------------------------------------


class Calls:
    """Pickles as a call of any function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.pair = (function, arguments)

    def __reduce__(self) -> Any:
        return self.pair


def raw(module: str, name: str, *arguments: Any, protocol: int = 4) -> bytes:
    """Write a call of a function by its name, without importing it."""
    body = pickle.dumps(arguments, 2)[2:-1]
    if protocol < 4:
        return b"\x80\x02c" + f"{module}\n{name}\n".encode() + body + b"R."
    names = b"".join(b"\x8c" + bytes([len(text.encode())]) + text.encode() for text in (module, name))
    return b"\x80\x04" + names + b"\x93" + body + b"R."


CANARY = "open('CANARY', 'w')"
NAMED: dict[str, tuple[Any, ...]] = {
    "os.system": ("os", "system", "touch CANARY"),
    "posix.system": ("posix", "system", "touch CANARY"),
    "nt.system": ("nt", "system", "echo"),
    "subprocess.Popen": ("subprocess", "Popen", ["touch", "CANARY"]),
    "subprocess.run": ("subprocess", "run", ["touch", "CANARY"]),
    "builtins.eval": ("builtins", "eval", CANARY),
    "builtins.exec": ("builtins", "exec", CANARY),
    "builtins.open": ("builtins", "open", "CANARY", "w"),
    "builtins.getattr": ("builtins", "getattr", {}, "clear"),
    "builtins.__import__": ("builtins", "__import__", "os"),
    "builtins.compile": ("builtins", "compile", CANARY, "x", "exec"),
    "builtins.bytearray": ("builtins", "bytearray", 10**12),
    "builtins.range": ("builtins", "range", 10**12),
    "builtins.list": ("builtins", "list", [1]),
    "builtins.dict": ("builtins", "dict", []),
    "runpy._run_code": ("runpy", "_run_code", CANARY, {}),
    "timeit.timeit": ("timeit", "timeit", CANARY),
    "cProfile.run": ("cProfile", "run", CANARY),
    "pdb.run": ("pdb", "run", CANARY),
    "code.interact": ("code", "interact"),
    "webbrowser.open": ("webbrowser", "open", "file:///"),
    "importlib.import_module": ("importlib", "import_module", "os"),
    "operator.methodcaller": ("operator", "methodcaller", "system", "x"),
    "functools.partial": ("functools", "partial", "x"),
    "shutil.rmtree": ("shutil", "rmtree", "CANARY"),
    "socket.create_connection": ("socket", "create_connection", ["127.0.0.1", 9]),
    "pickle.loads": ("pickle", "loads", pickle.dumps(1)),
    "dill._dill._eval_repr": ("dill._dill", "_eval_repr", CANARY),
    "dill._dill._load_type": ("dill._dill", "_load_type", "ComplexType"),
    "dill._dill._create_function": ("dill._dill", "_create_function", "x"),
    "dill.loads": ("dill", "loads", pickle.dumps(1)),
    "torch.load": ("torch", "load", "CANARY"),
    "torch.storage._load_from_bytes": ("torch.storage", "_load_from_bytes", b"x"),
    "torch._utils._rebuild_tensor_v2": ("torch._utils", "_rebuild_tensor_v2", 1),
    "numpy.load": ("numpy", "load", "CANARY"),
    "numpy.f2py.crackfortran.myeval": ("numpy.f2py.crackfortran", "myeval", CANARY),
    "numpy.testing._private.utils.runstring": ("numpy.testing._private.utils", "runstring", CANARY, {}),
    "pathlib.os.system": ("pathlib", "os.system", "touch CANARY"),
    "collections.abc.os.system": ("collections", "abc.os.system", "x"),
    "_posixsubprocess.fork_exec": ("_posixsubprocess", "fork_exec"),
    "__main__.Anything": ("__main__", "Anything", 1),
    "ptycho.model.Thing": ("ptycho.model", "Thing"),
}


@pytest.fixture
def canary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which nothing may appear, and no import may happen while a hostile file is read."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("name", NAMED)
def test_a_call_is_refused_named_and_not_run(
    canary: Path, monkeypatch: pytest.MonkeyPatch, name: str, protocol: int
) -> None:
    data = raw(*NAMED[name], protocol=protocol)

    def no_import(*arguments: Any, **_: Any) -> None:
        raise AssertionError(f"imports {arguments[0]}")

    with monkeypatch.context() as patch:
        patch.setattr(builtins, "__import__", no_import)
        with pytest.raises(BundleError) as caught:
            read_plain(data, member="manifest.dill")
    message = str(caught.value)
    assert f"would load {name} with the arguments (" in message
    assert "manifest.dill" in message
    assert "(byte " in message
    assert list(canary.iterdir()) == []


def _through_build() -> bytes:
    return b"\x80\x02cos\nsystem\n}b."


def _as_data() -> bytes:
    return b"\x80\x02](cos\nsystem\ne."


def _new_object() -> bytes:
    return pickle.dumps(_Object(), 2)


def _new_object_ex() -> bytes:
    return b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x01x\x85}\x92."


class _Object:
    pass


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (_through_build(), "would load os.system with the arguments {}"),
        (_as_data(), r"would load os.system \(byte"),
        (
            _new_object(),
            r"would load tests.engine.test_unpickle._Object with the arguments \(\(\)\)",
        ),
        (_new_object_ex(), "would load os.system with the arguments"),
        (b"(S'touch CANARY'\nios\nsystem\n.", r"would load os.system with the arguments \('touch CANARY'\)"),
        (b"(cos\nsystem\nS'touch CANARY'\no.", "would load os.system"),
        (b"\x80\x02\x82\x01.", "the instruction EXT1"),
        (b"\x80\x02\x83\x01\x00.", "the instruction EXT2"),
        (b"\x80\x02\x84\x01\x00\x00\x00.", "the instruction EXT4"),
        (b"Pid\n.", "the instruction PERSID"),
        (b"\x80\x02NQ.", "the instruction BINPERSID"),
        (b"\x80\x05\x97.", "the instruction NEXT_BUFFER"),
        (b"\x80\x05N\x98.", "the instruction READONLY_BUFFER"),
        (pickle.dumps(bytearray(5), 5), "the instruction BYTEARRAY8"),
        (b"\x80\x02N2.", "the instruction DUP"),
        (b"\x80\x09N.", "unknown pickle protocol 9"),
        (raw("collections", "OrderedDict", [[(1, 2), 3]]), "a dictionary key of kind tuple"),
        (raw("builtins", "set", [[1]]), "a set with a member of kind list"),
        (raw("_codecs", "encode", "x", "rot13"), "the arguments of encoded bytes"),
        (raw("numpy", "dtype", "O"), "the number type 'O'"),
        (raw("numpy", "dtype", "V99999999999"), "the number type"),
        (raw("numpy", "ndarray", [10**9]), "would load numpy.ndarray"),
        (raw("numpy._core.multiarray", "_reconstruct", 1, [0], b"b"), "the arguments of an array"),
        (raw("dill._dill", "_create_array", 1, (), ()), "the arguments of an array"),
        (raw("pathlib", "PosixPath", 1), "the arguments of a path"),
        (b"\x80\x02K\x01)R.", "a call of something that cannot be called"),
        (b"\x80\x02K\x01}b.", "a state for something that has none"),
        (b"\x80\x02]](K\x01K\x02u.", "entries for something that is not a dictionary"),
        (b"\x80\x02}(K\x01u.", "entries for something that is not a dictionary"),
        (b"\x80\x02}(]K\x02u.", "a dictionary key of kind list"),
        (b"\x80\x02K\x01K\x02a.", "items for something that is not a list"),
        (b"\x80\x02u.", "a mark is missing"),
        (b"\x80\x02(.", "an item is missing"),
        (b"\x80\x02.", "cannot be read"),
        (b"\x80\x02h\x05.", "cannot be read"),
        (b"", "cut off"),
        (b"\x80\x02X\xff\xff\xff\x7fabc", "cut off"),
        (b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7fN.", "cut off"),
        (b"\x80\x02\x8a\x09\xff\xff\xff\xff\xff\xff\xff\xff\x7f.", "more than 64 bits"),
        (b"\x80\x02\x8b\xff\xff\xff\x7f.", "more than 64 bits"),
        (b"I" + b"9" * 5000 + b"\n.", "a line does not end"),
        (b"\xfe.", "cannot be read"),
        (b"hello world", "cannot be read|cut off"),
    ],
)
def test_everything_else_that_is_odd_is_refused(canary: Path, data: bytes, message: str) -> None:
    with pytest.raises(BundleError, match=message):
        read_plain(data, member="params.dill")
    assert list(canary.iterdir()) == []


def _laughs(depth: int) -> Any:
    value: Any = [0]
    for _ in range(depth):
        value = [value] * 10
    return value


def _deep(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = (value,)
    return value


def _circle() -> Any:
    value: list[Any] = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: _laughs(20), "more than 50000 values when written out"),
        (lambda: _deep(33), "nests more than 32 deep"),
        (lambda: [_deep(20), [[_deep(31)]]], "nests more than 32 deep"),
        (_circle, "a list that contains itself"),
        (lambda: list(range(50_001)), "more than 50000 values"),
        (lambda: "x" * 70_000, "a text of more than 65536 bytes"),
        (lambda: {"x" * 70_000: 1}, "a text of more than 65536 bytes"),
        (lambda: [b"x" * 2**20] * 5, ""),
        (lambda: b"x" * (4 * 2**20), "more than the 4194304 that such a file may have"),
    ],
)
def test_each_limit_has_its_own_message(make: Callable[[], Any], message: str) -> None:
    data = pickle.dumps(make(), 4)
    if not message:
        assert read_plain(data, member="m") == make()
        return
    with pytest.raises(BundleError, match=message):
        read_plain(data, member="m")


def test_instructions_and_memo_are_bounded() -> None:
    with pytest.raises(BundleError, match="more than 100 instructions"):
        read_plain(b"\x80\x02" + b"N0" * 100 + b"N.", member="m", limits=Limits(opcodes=100))
    with pytest.raises(BundleError, match="out of all order"):
        read_plain(b"\x80\x02Nr" + struct.pack("<I", 2**31) + b".", member="m")


def test_names_and_arguments_are_shown_escaped_and_short() -> None:
    data = raw("os\u202e", "system", "rm -rf \u202e\x1b[31m" + "x" * 1000)
    with pytest.raises(BundleError) as caught:
        read_plain(data, member="m")
    message = caught.value.message
    assert "\u202e" not in message
    assert "\x1b" not in message
    assert "os\\u202e.system" in message
    assert "\\x1b[31m" in message
    assert len(message) < 500


def test_damage_at_every_byte_is_refused_or_plain() -> None:
    data = pickle.dumps({"a": [1, 2.5, None, "x"], "b": np.float32(1.0), "p": pathlib.PurePosixPath("/a")}, 4)
    rng = np.random.default_rng(5)
    for place in range(len(data)):
        for value in rng.integers(0, 256, 6):
            damaged = data[:place] + bytes([value]) + data[place + 1 :]
            # Any other exception than this one fails the test.
            with contextlib.suppress(BundleError):
                read_plain(damaged, member="m")
    for length in range(len(data)):
        with pytest.raises(BundleError):
            read_plain(data[:length], member="m")


@pytest.mark.shared_data
def test_genuine_files_use_only_what_the_reader_knows(golden_dir: Path) -> None:
    import zipfile

    for path in golden_dir.glob("*/wts.h5.zip"):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith(".dill"):
                    data = archive.read(name)
                    assert "GLOBAL" not in _disassembly(data)
                    assert read_plain(data, member=name)


def _disassembly(data: bytes) -> str:
    text = io.StringIO()
    pickletools.dis(data, text)
    return text.getvalue()


@pytest.mark.parametrize(
    "make",
    [
        lambda: [set(range(1000))] * 60,
        lambda: [frozenset({"x" * 60_000})] * 1000,
        lambda: ["x" * 60_000] * 1000,
        lambda: [b"x" * 2**20] * 60,
        lambda: [{"k" * 60_000: None}] * 1000,
    ],
)
def test_what_is_shared_counts_as_often_as_it_is_shown(make: Callable[[], Any]) -> None:
    # The parts are written once each, so the pickle is short.
    value = make()
    assert len(pickle.dumps(value, 4)) < 2**21
    with pytest.raises(BundleError, match="more than 50000 values when written out"):
        read_plain(pickle.dumps(value, 4), member="m")
