"""Bundles that other programs wrote open in the window as bundles, and the panel shows them."""

from pathlib import Path

import numpy as np
import torch

from app.jobs.verbs import EngineVerbs
from app.panels.bundle import card_lines, layer_rows, parameter_rows
from ptycho_engine.config import ModelConfig
from ptycho_engine.documents import Bundle
from ptycho_engine.events import BundleLoaded
from tests.helpers.lightning_file import lightning_checkpoint
from tests.helpers.tensorflow_file import PARAMS, write_tensorflow_bundle


def opened(path: Path) -> Bundle:
    (event,) = EngineVerbs().open_file(path)
    assert isinstance(event, BundleLoaded)
    return event.bundle


def test_a_lightning_checkpoint_opens(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    names = ("model.generator.", "model.autoencoder.")
    state = {
        f"{name}{part}": array
        for name in names
        for part, array in {
            "lifter.conv1.weight": np.ones((5, 1, 3, 3), np.float32),
            "blocks.0.spectral.weights": np.ones((5, 5, 7, 7), np.complex64),
            "output_proj.weight": np.ones((2, 5, 1, 1), np.float32),
        }.items()
    }
    model = ModelConfig(gridsize=1, architecture="fno_vanilla", output="real_imag", fno_width=5, fno_modes=7)
    torch.save(lightning_checkpoint(Bundle("a", None, "2026-07", model, state, 1.0, "")), path)
    bundle = opened(path)
    lines = dict(card_lines(bundle))
    assert lines["Network"] == "fno_vanilla · width 5 · 7 frequencies an axis · input none"
    assert len(layer_rows(bundle)) == 6


def test_a_tensorflow_bundle_opens_to_be_looked_at(tmp_path: Path) -> None:
    bundle = opened(write_tensorflow_bundle(tmp_path / "wts.h5.zip"))
    lines = dict(card_lines(bundle))
    assert (lines["Release family"], lines["Patch side N"]) == ("TensorFlow", "128 px")
    assert len(layer_rows(bundle)) == 2
    assert [cells[0].text for cells in parameter_rows(bundle)][: len(PARAMS)] == list(PARAMS)
