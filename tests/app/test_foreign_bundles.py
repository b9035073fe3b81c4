"""Bundles that other programs wrote open in the window as bundles, and the panel shows them."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from pytestqt.qtbot import QtBot

from app.controller import Controller
from app.display.bundle_card import card_lines
from app.jobs.verbs import EngineVerbs
from app.panels.bundle import BundlePanel
from app.run_queue import RunQueue
from app.state.session import Session
from app.widgets.layer_view import layer_rows
from app.widgets.parameter_view import parameter_rows
from app.wiring import connect_intents, intents_of
from ptycho_engine.bundles.parameters import bundle_parameters
from ptycho_engine.config import ModelConfig
from ptycho_engine.documents import Bundle
from ptycho_engine.events import BundleLoaded
from tests.helpers.lightning_file import lightning_checkpoint
from tests.helpers.tensorflow_file import KERNEL, PARAMS, write_tensorflow_bundle


def opened(path: Path) -> Bundle:
    (event,) = EngineVerbs().open_file(path)
    assert isinstance(event, BundleLoaded)
    return event.bundle


def generator() -> Bundle:
    """A small Fourier neural operator, its tensors under both of their names."""
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
    return Bundle("a", None, "2026-07", model, state, 1.0, "")


def test_a_lightning_checkpoint_opens(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    torch.save(lightning_checkpoint(generator()), path)
    bundle = opened(path)
    lines = dict(card_lines(bundle))
    assert lines["Network"] == "fno_vanilla · width 5 · 7 frequencies an axis · input none"
    assert len(layer_rows(bundle.state, ())) == 6


def test_a_tensorflow_bundle_opens_to_be_looked_at(tmp_path: Path) -> None:
    bundle = opened(write_tensorflow_bundle(tmp_path / "wts.h5.zip"))
    lines = dict(card_lines(bundle))
    assert (lines["Release family"], lines["Patch side N"]) == ("TensorFlow", "128 px")
    assert len(layer_rows(bundle.state, ())) == 2
    assert [cells[0].text for cells in parameter_rows(bundle_parameters(bundle))][: len(PARAMS)] == list(PARAMS)


@pytest.mark.parametrize("kind", ["lightning", "tensorflow"])
def test_the_panel_shows_their_layers_digests_and_safety(qtbot: QtBot, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "wts.h5.zip"
    if kind == "tensorflow":
        write_tensorflow_bundle(path)
    else:
        torch.save(lightning_checkpoint(generator()), path)
    bundle, session = opened(path), Session()
    controller, panel = Controller(session, tmp_path, EngineVerbs()), BundlePanel(session)
    qtbot.addWidget(panel)
    connect_intents(panel, intents_of(controller, RunQueue(session, controller.train)))
    panel.show()
    session.apply(BundleLoaded(bundle))
    qtbot.waitUntil(lambda: not controller.runner.reading, timeout=20_000)
    rows = {row[0]: row for row in panel.layer_view.table.shown_rows()}
    assert set(rows) == set(bundle.state)
    assert all("…" not in row for row in rows.values())
    assert hashlib.sha256(path.read_bytes()).hexdigest() in panel.archive.text()
    assert panel.safety.table.shown_rows()
    pictures = panel.layer_view.kernels
    if kind == "tensorflow":
        name = next(name for name, array in bundle.state.items() if np.array_equal(array, KERNEL))
        panel.layer_view.choose(name)
        shown = pictures.view.values
        assert shown is not None
        assert shown[:3, :3].tolist() == KERNEL[:, :, 0, 0].tolist()
    else:
        panel.layer_view.choose("model.generator.blocks.0.spectral.weights")
        assert pictures.geometry_of_cells.n == 25
        assert pictures.view.quantity == "modulus of the weight"
