"""Bundles that would run something, ask for too much, or contradict themselves; each maker writes one file."""

import io
import pickle
import struct
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import dill
import numpy as np

from ptycho_engine.bundles.torch_writer import torch_file_bytes
from tests.helpers.tensorflow_file import keras

CANARY = "CANARY"
RUN = f"touch {CANARY}"
OPENS = "opens"
"""What is expected of a file that is odd but harmless."""
Kind = tuple[str, Callable[[Path], Path]]
"""A regular expression for the one message (or :data:`OPENS`), and the maker of the file."""

_MODEL = "diffraction_to_obj"
_PREFIX = "model.autoencoder.encoder.blocks."
_FIRST = f"{_PREFIX}0.conv1.weight"


def named_call(module: str, name: str, *arguments: Any) -> bytes:
    """Return a pickle that calls a function by its name."""
    body = pickle.dumps(arguments, 2)[2:-1]
    return b"\x80\x02c" + f"{module}\n{name}\n".encode() + body + b"R."


def weights() -> "OrderedDict[str, np.ndarray[Any, Any]]":
    """Return the tensors by which a network for patterns of 64 px is known."""
    state = OrderedDict({f"{_PREFIX}{depth}.conv2.weight": np.ones((128, 1, 1, 1), np.float32) for depth in range(3)})
    state[_FIRST] = np.ones((32, 1, 3, 3), np.float32)
    return state


def members(**changes: Any) -> dict[str, bytes]:
    """Return the members of a small sound bundle."""
    params = {"N": 64, "gridsize": 1, "n_filters_scale": 1, "nphotons": 1e5, "object.big": False} | changes
    return {
        "manifest.dill": pickle.dumps({"models": [_MODEL], "version": "2.0-pytorch"}, 4),
        f"{_MODEL}/model.pth": torch_file_bytes(weights()),
        f"{_MODEL}/params.dill": pickle.dumps(params, 4),
    }


def packed(
    content: Mapping[str, bytes] | list[tuple[str | zipfile.ZipInfo, bytes]], method: int = zipfile.ZIP_DEFLATED
) -> bytes:
    """Return a zip archive."""
    stream = io.BytesIO()
    entries = content.items() if isinstance(content, Mapping) else content
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Of names that are there twice.
        with zipfile.ZipFile(stream, "w", method) as archive:
            for name, data in entries:
                archive.writestr(name, data)
    return stream.getvalue()


def stored(folder: Path, data: bytes) -> Path:
    """Write a bundle file."""
    path = folder / "wts.h5.zip"
    path.write_bytes(data)
    return path


def with_member(name: str, data: bytes) -> Callable[[Path], Path]:
    """Return the maker of a sound bundle but for one member."""
    return lambda folder: stored(folder, packed(members() | {name: data}))


def with_weights(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], Path]:
    """Return the maker of a bundle whose tensors were changed."""

    def make(folder: Path) -> Path:
        state: dict[str, Any] = weights()
        changed = change(state)
        data = torch_file_bytes(state if changed is None else changed)
        return with_member(f"{_MODEL}/model.pth", data)(folder)

    return make


def with_description(description: bytes, data: bytes = bytes(4096)) -> Callable[[Path], Path]:
    """Return the maker of a bundle whose weights are described by ``description``."""
    content = packed({"model/data.pkl": description, "model/data/0": data, "model/version": b"3\n"}, zipfile.ZIP_STORED)
    return with_member(f"{_MODEL}/model.pth", content)


def tensor(*, count: int = 1024, size: Any = (32, 32), stride: Any = (32, 1), hooks: bytes = b"}", kind: str = "Float",
           rebuild: str = "_rebuild_tensor_v2") -> bytes:  # fmt: skip
    """Return the description of a table with one tensor, which may lie."""
    identity = (
        b"(X\x07\x00\x00\x00storage" + f"ctorch\n{kind}Storage\n".encode() + b"X\x01\x00\x00\x000X\x03\x00\x00\x00cpu"
        + pickle.dumps(count, 2)[2:-1] + b"tQ"
    )  # fmt: skip
    shape = pickle.dumps(size, 2)[2:-1] + pickle.dumps(stride, 2)[2:-1]
    made = f"ctorch._utils\n{rebuild}\n".encode() + b"(" + identity + b"K\x00" + shape + b"\x89" + hooks + b"tR"
    return b"\x80\x02}X\x01\x00\x00\x00w" + made + b"s."


def nested(depth: int, width: int = 1) -> Any:
    """Return lists in lists, each ``width`` times the same."""
    value: Any = [0]
    for _ in range(depth):
        value = [value] * width
    return value


def _circle() -> bytes:
    value: list[Any] = []
    value.append(value)
    return pickle.dumps({"a": value}, 4)


def _by_value(source: Any) -> bytes:
    return bytes(dill.dumps({"N": 64, "f": source}, protocol=4, recurse=True))


def _flipped(data: bytes, offset: int, bits: int) -> bytes:
    changed = bytearray(data)
    changed[offset] ^= bits
    return bytes(changed)


def _link(folder: Path) -> Path:
    info = zipfile.ZipInfo("manifest.dill")
    info.create_system, info.external_attr = 3, 0o120777 << 16
    rest = [(name, data) for name, data in members().items() if name != "manifest.dill"]
    return stored(folder, packed([(info, b"/etc/passwd"), *rest]))


def _other_local_name(folder: Path) -> Path:
    return stored(folder, packed(members()).replace(b"manifest.dill", b"manifest.dilx", 1))


def _overlapping(folder: Path) -> Path:
    body = packed({"manifest.dill": bytes(2**20)})
    start, end = body.index(b"PK\x01\x02"), body.index(b"PK\x05\x06")
    entry, tail = body[start:end], bytearray(body[end:])
    entries = b"".join(entry[:-1] + bytes([33 + number]) for number in range(90))
    struct.pack_into("<HHI", tail, 8, 90, 90, len(entries))
    return stored(folder, body[:start] + entries + bytes(tail))


def _large_directory(folder: Path) -> Path:
    entry = packed({"a": b""})
    start, end = entry.index(b"PK\x01\x02"), entry.index(b"PK\x05\x06")
    one = entry[start:end]
    tail = bytearray(entry[end:])
    struct.pack_into("<HHI", tail, 8, 0xFFFF, 0xFFFF, 200_000 * len(one))
    return stored(folder, entry[:start] + one * 200_000 + bytes(tail))


def _models(*names: str) -> Callable[[Path], Path]:
    return with_member("manifest.dill", pickle.dumps({"models": list(names), "version": "2.0-pytorch"}, 4))


def _second_model(folder: Path) -> Path:
    content = members() | {
        "manifest.dill": pickle.dumps({"models": [_MODEL, "autoencoder"], "version": "2.0-pytorch"}, 4),
        "autoencoder/model.pth": torch_file_bytes({"_sentinel": "autoencoder"}),
        "autoencoder/params.dill": named_call("os", "system", RUN),
    }
    return stored(folder, packed(content))


def _asks(**params: Any) -> Callable[[Path], Path]:
    return lambda folder: stored(folder, packed(members(**params)))


def _without(name: str) -> Callable[[Path], Path]:
    return lambda folder: stored(folder, packed({key: data for key, data in members().items() if key != name}))


def _renamed(**names: str) -> Callable[[Path], Path]:
    return lambda folder: stored(folder, packed({names.get(key, key): data for key, data in members().items()}))


_P = f"{_MODEL}/params.dill"
_SYSTEM = b"cos\nsystem\n"
_TEXT = b"X\x0c\x00\x00\x00touch CANARY"


def would_run() -> dict[str, Kind]:
    """Return bundles that a common unpickler would run, by kind."""
    manifest = {
        "a call": named_call("os", "system", RUN),
        "a call in protocol 4": b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x0ctouch CANARY\x85R.",
        "a call in protocol 0": b"cos\nsystem\n(S'touch CANARY'\ntR.",
        "INST": b"(S'touch CANARY'\nios\nsystem\n.",
        "OBJ": b"(" + _SYSTEM + _TEXT + b"o.",
        "NEWOBJ": b"\x80\x02csubprocess\nPopen\n" + _TEXT + b"\x85\x81.",
        "NEWOBJ_EX": b"\x80\x04\x8c\x02os\x8c\x06system\x93" + _TEXT + b"\x85}\x92.",
        "BUILD of a foreign object": b"\x80\x02ccollections\nChainMap\n}b.",
        "a call hidden behind POP": b"\x80\x02" + _SYSTEM + _TEXT + b"\x85R0}.",
        "a call as a key": b"\x80\x02}" + _SYSTEM + _TEXT + b"\x85RK\x01s.",
    }
    codes = {"EXT1": b"\x82\x01.", "EXT4": b"\x84\x01\x00\x00\x00.", "PERSID": b"P0\n.", "BINPERSID": b"K\x01Q.",
             "DUP": b"N2.", "BYTEARRAY8": b"\x96" + bytes(8) + b".", "NEXT_BUFFER": b"\x97.",
             "READONLY_BUFFER": b"N\x98."}  # fmt: skip
    params = {
        "eval": named_call("builtins", "eval", f"open('{CANARY}','w')"),
        "a function of dill": _by_value(lambda: Path(CANARY).touch()),
        "a class of dill": _by_value(type("Made", (), {"run": lambda self: Path(CANARY).touch()})),
        "dill's own eval": named_call("dill._dill", "_eval_repr", f"open('{CANARY}','w')"),
        "a pickle in a pickle": named_call("dill", "loads", named_call("os", "system", RUN)),
        "a dotted name": b"\x80\x04\x8c\x07pathlib\x8c\x09os.system\x93" + _TEXT + b"\x85R.",
        "a helper of numpy": named_call("numpy.testing._private.utils", "runstring", f"open('{CANARY}','w')", {}),
        "torch's loader": named_call("torch.storage", "_load_from_bytes", b"x"),
        "functools.partial": named_call("functools", "partial", 1),
        "an import": named_call("importlib", "import_module", "this"),
        "a foreign class": named_call("ptycho.model", "Thing"),
        "a name that is not called": b"\x80\x02}X\x01\x00\x00\x00fcos\nsystem\ns.",
        "dill's array with a foreign maker": b"\x80\x02cdill._dill\n_create_array\n(" + _SYSTEM + _TEXT + b"\x85NtR.",
    }
    kinds: dict[str, Kind] = {}
    kinds |= {
        f"manifest: {name}": ("would load", with_member("manifest.dill", data)) for name, data in manifest.items()
    }
    kinds |= {
        f"manifest: {name}": (f"the instruction {name}", with_member("manifest.dill", b"\x80\x05" + code))
        for name, code in codes.items()
    }
    kinds |= {f"params: {name}": ("would load|an array", with_member(_P, data)) for name, data in params.items()}
    call = named_call("os", "system", RUN)
    kinds |= {
        "params of the second model": ("would load os.system", _second_model),
        "weights: a call": ("would load os.system", with_description(call)),
        "weights: the old torch format": ("zip format", with_member(f"{_MODEL}/model.pth", call)),
        "weights: sparse": ("_rebuild_sparse_tensor", with_description(tensor(rebuild="_rebuild_sparse_tensor"))),
        "weights: quantized": ("_rebuild_qtensor", with_description(tensor(rebuild="_rebuild_qtensor"))),
        "weights: without data": ("_rebuild_meta", with_description(tensor(rebuild="_rebuild_meta_tensor_no_storage"))),
        "weights: hooks": ("hooks|would load", with_description(tensor(hooks=b"}K\x01" + _SYSTEM + b"s"))),
        "scaling metadata": ("would load", with_member("torch_scaling_metadata.pt", packed({"a/data.pkl": call}))),
    }
    return kinds


def asks_too_much() -> dict[str, Kind]:
    """Return bundles that ask for memory or time without end, by kind."""
    big = bytes(64 * 2**20)
    deep = b"\x80\x02" + b"(" * 100_000 + b"t" * 100_000 + b"."
    return {
        "lists of lists": ("more than 50000 values", with_member(_P, pickle.dumps({"a": nested(20, 10)}, 4))),
        "deep lists": ("nests more than 32", with_member(_P, pickle.dumps({"a": nested(300)}, 4))),
        "very deep tuples": ("nests more than 32|instructions", with_member(_P, deep)),
        "a list in itself": ("contains itself", with_member(_P, _circle())),
        "a number of 2 GiB": ("64 bits", with_member(_P, b"\x80\x02\x8b\xff\xff\xff\x7f.")),
        "a memo of 2**31": ("out of all order", with_member(_P, b"\x80\x02Nr" + struct.pack("<I", 2**31) + b".")),
        "300,000 instructions": ("instructions", with_member(_P, b"\x80\x02" + b"N0" * 150_000 + b"}.")),
        "a long text": ("65536 bytes", with_member(_P, pickle.dumps({"a": "x" * 100_000}, 4))),
        "tuples as keys": ("kind tuple", with_member(_P, b"\x80\x02}N" + b"\x85" * 25 + b"Ns.")),
        "a text that claims 4 GiB": ("cut off", with_member(_P, b"\x80\x02X\xff\xff\xff\xff.")),
        "a frame that claims 2**62": ("cut off", with_member(_P, b"\x80\x04\x95" + struct.pack("<Q", 2**62) + b"N.")),
        "a shared text": ("50000 values", with_member(_P, pickle.dumps({"a": ["x" * 60_000] * 1000}, 4))),
        "a large manifest": ("would inflate", with_member("manifest.dill", big)),
        "a large member that nobody needs": ("would inflate", with_member("readme", big)),
        "many small members": (
            "would inflate",
            lambda folder: stored(folder, packed(members() | {f"m{number}": bytes(2**20) for number in range(70)})),
        ),
        "members over each other": ("would inflate|Overlapped", _overlapping),
        "200,000 members": ("cut off or damaged", _large_directory),
        "N of a billion": (OPENS, _asks(N=10**9)),
        "gridsize of a thousand": ("cannot be", _asks(gridsize=1000, **{"object.big": True})),
        "n_filters_scale without end": ("not a whole number", _asks(n_filters_scale=float("inf"))),
        "a tensor of one number": ("repeats its data", with_description(tensor(size=(10**6, 10**6), stride=(0, 0)))),
        "a tensor beyond its data": ("beyond its data", with_description(tensor(size=(64, 64), stride=(64, 1)))),
        "a tensor of negative size": ("the shape", with_description(tensor(size=(-1, 32)))),
        "a tensor with too little data": ("numbers in 4096 bytes", with_description(tensor(count=2048))),
    }


def contradicts_itself() -> dict[str, Kind]:
    """Return bundles that are damaged, incomplete or tampered with, by kind."""
    sound = packed(members())
    directory = sound.index(b"PK\x01\x02")
    twice = [*members().items(), ("manifest.dill", named_call("os", "system", RUN))]
    return {
        "a member twice": ("twice", lambda folder: stored(folder, packed(list(twice)))),
        "encrypted": ("encrypted", lambda folder: stored(folder, _flipped(sound, directory + 8, 1))),
        "encrypted by its own header alone": ("encrypted", lambda folder: stored(folder, _flipped(sound, 6, 1))),
        "bzip2": ("only stored and deflate", lambda folder: stored(folder, packed(members(), zipfile.ZIP_BZIP2))),
        "lzma": ("only stored and deflate", lambda folder: stored(folder, packed(members(), zipfile.ZIP_LZMA))),
        "another name in its own header": ("damaged member", _other_local_name),
        "a link": ("a link or a device", _link),
        "a member that leads out": ("leads out", with_member("../../evil", b"x")),
        "an absolute member": ("leads out", with_member("/etc/cron.d/evil", b"x")),
        "cut off": ("cut off or damaged", lambda folder: stored(folder, sound[: len(sound) // 2])),
        "flipped data": ("damaged member", lambda folder: stored(folder, _flipped(sound, 60, 0xFF))),
        "no member at all": ("no manifest|no arrays|not a model", lambda folder: stored(folder, packed({}))),
        "no manifest": ("no manifest.dill", _renamed(**{"manifest.dill": "other"})),
        "packed one folder too deep": (
            "lies in the folder run",
            lambda folder: stored(folder, packed({f"run/{name}": data for name, data in members().items()})),
        ),
        "an empty manifest": ("cut off", with_member("manifest.dill", b"")),
        "a manifest that is a list": ("does not list", with_member("manifest.dill", pickle.dumps([1], 4))),
        "seventeen models": ("does not list", _models(*[f"m{number}" for number in range(17)])),
        "a model called ..": ("of the name", _models("..")),
        "a model with a slash": ("of the name", _models("a/b")),
        "no weights": ("no member", _without(f"{_MODEL}/model.pth")),
        "no params": ("no member", _without(_P)),
        "params that are a number": ("not a table", with_member(_P, pickle.dumps(1, 4))),
        "weights without tensors": ("holds no weights", with_weights(lambda state: {"a": 1})),
        "weights of another network": ("no network that is known", with_weights(lambda state: {
            f"{_PREFIX}0.conv2.weight": np.ones((3, 3), np.float32)})),
        "weights with a text among them": ("not a tensor", with_weights(lambda state: state.update(a="x"))),
        "weights that are not finite": (OPENS, with_weights(lambda state: state[_FIRST].fill(np.nan))),
        "bytes behind the end": (OPENS, with_member(_P, members()[_P] + b"more")),
        "its own record broken": ("not readable", with_member("ptychoscope.json", b"{")),
        "its own record very deep": ("not readable", with_member("ptychoscope.json", b"[" * 100_000)),
        "a TensorFlow bundle with code": (
            "would load os.system",
            lambda folder: stored(folder, packed({
                "manifest.dill": members()["manifest.dill"], f"{_MODEL}/model.keras": keras(),
                f"{_MODEL}/custom_objects.dill": _by_value(lambda: Path(CANARY).touch()),
                _P: named_call("os", "system", RUN)})),
        ),
        "a TensorFlow bundle without layers": (
            "not a readable zip",
            lambda folder: stored(folder, packed({
                "manifest.dill": members()["manifest.dill"], f"{_MODEL}/model.keras": b"PK",
                _P: named_call("os", "system", RUN)})),
        ),
        "a torch checkpoint with a call": (
            "checkpoint|would load",
            lambda folder: stored(folder, packed({"archive/data.pkl": named_call("os", "system", RUN)})),
        ),
    }  # fmt: skip
