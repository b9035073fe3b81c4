"""Pickles changed at random: genuine and hostile ones, with bytes flipped, cut out, repeated and mixed."""

import collections
import pathlib
import pickle
from collections.abc import Iterator
from typing import Any

import dill
import numpy as np

from ptycho_engine.bundles.opcodes import OPCODES, REFUSED_OPCODES
from tests.helpers.hostile_bundles import RUN, members, named_call, tensor

_PARAMS: dict[str, Any] = {
    "N": 64, "gridsize": 2, "nphotons": 1e9, "object.big": True, "probe.mask": None,
    "path": pathlib.PurePosixPath("/a"),
    "scale": np.float64(9.88), "probe": np.ones((2, 2), np.complex64), "set": {1, 2}, "z": 1 + 2j,
    "ordered": collections.OrderedDict(a=[1, (2, 3)]), "bytes": b"\x00\xff", "big": 2**62,
}  # fmt: skip


def seeds() -> list[bytes]:
    """Return what is changed: tables in every protocol, tensors, metadata, and what would run something."""
    whole = [pickle.dumps(_PARAMS, protocol) for protocol in range(6)]
    whole += [dill.dumps(_PARAMS, protocol=4), pickle.dumps(np.array(["{}"], dtype=object), 4), tensor()]
    whole += [data for name, data in members().items() if name.endswith(".dill")]
    whole += [named_call("os", "system", RUN), named_call("builtins", "eval", "open('CANARY','w')")]
    whole.append(b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x0ctouch CANARY\x85R.")
    return whole


def mutated(n: int, seed: int = 0) -> Iterator[bytes]:
    """Yield ``n`` changed pickles, the same ones for the same seed."""
    random = np.random.default_rng(seed)
    whole = seeds()
    codes = [*OPCODES, *REFUSED_OPCODES, b"."]
    for _ in range(n):
        data = bytearray(whole[random.integers(len(whole))])
        for _ in range(int(random.integers(1, 5))):
            at = int(random.integers(len(data) + 1))
            span = int(random.integers(1, 20))
            match random.integers(6):
                case 0:
                    data[at : at + 1] = random.integers(0, 256, 1, np.uint8).tobytes()
                case 1:
                    data[at:at] = codes[random.integers(len(codes))]
                case 2:
                    data[at : at + 1] = codes[random.integers(len(codes))]
                case 3:
                    del data[at : at + span]
                case 4:
                    data[at:at] = data[at : at + span] * int(random.integers(1, 8))
                case _:
                    other = whole[random.integers(len(whole))]
                    start = int(random.integers(len(other)))
                    data[at : at + span] = other[start : start + 4 * span]
        yield bytes(data)
