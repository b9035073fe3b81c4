"""Save one of two bundles over a good one, over and over, until killed. Imports no torch, so that it starts at once."""

import sys
from itertools import cycle
from pathlib import Path

import numpy as np

from ptycho_engine.bundles import save_bundle
from ptycho_engine.bundles.checkpoint import Checkpoint, save_checkpoint
from ptycho_engine.config import ModelConfig
from ptycho_engine.documents import Bundle

MODEL = ModelConfig(gridsize=1, n_filters_scale=1)


def two_bundles() -> tuple[Bundle, Bundle]:
    """Return two bundles whose tensors differ in every value, of about the size of a small network."""
    generator = np.random.default_rng(0)
    tensors = {
        f"model.autoencoder.encoder.blocks.{i}.conv2.weight": generator.normal(size=(128, 64, 3, 3)).astype(np.float32)
        for i in range(3)
    } | {"model.autoencoder.encoder.blocks.0.conv1.weight": generator.normal(size=(32, 1, 3, 3)).astype(np.float32)}
    one = Bundle("one", None, "2026-07", MODEL, tensors, 988.2, "computed")
    other = Bundle(
        "other", None, "2026-07", MODEL, {name: -value for name, value in tensors.items()}, 988.2, "computed"
    )
    return one, other


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for bundle in cycle(two_bundles()):
        save_checkpoint(Checkpoint(bundle.state, {}, {"epoch": 1}), folder / "epoch-0001.ckpt")
        save_bundle(bundle, folder / "wts.h5.zip")
        sys.stdout.write("saved\n")
        sys.stdout.flush()
