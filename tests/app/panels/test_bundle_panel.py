"""The Bundle panel: what a bundle leaves open can be chosen, and only that."""

from dataclasses import replace
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from app.controller import Controller
from app.panels.bundle import BundlePanel
from app.run_queue import RunQueue
from app.state.app_events import DocumentClosed
from app.state.session import Session
from app.widgets.assumption_form import BY_THE_PATTERNS
from app.wiring import connect_intents, intents_of
from ptycho_engine.events import BundleLoaded, DatasetOpened
from tests.app.fake_verbs import FakeVerbs
from tests.app.samples import make_bundle, make_dataset


class Bench:
    """The panel, wired as in the window."""

    def __init__(self, qtbot: QtBot, folder: Path) -> None:
        self.qtbot = qtbot
        self.session = Session()
        self.verbs = FakeVerbs()
        self.controller = Controller(self.session, folder, self.verbs)
        self.panel = BundlePanel(self.session)
        qtbot.addWidget(self.panel)
        queue = RunQueue(self.session, self.controller.train)
        connect_intents(self.panel, intents_of(self.controller, queue), without=("reveal_asked",))
        self.panel.show()

    def open(self, *assumed: str) -> None:
        self.session.apply(DatasetOpened(make_dataset()), BundleLoaded(replace(make_bundle(), assumed=assumed)))

    def choose(self, name: str, word: str) -> None:
        box = self.panel.open_settings.boxes[name]
        box.choose(word)
        box.activated.emit(box.currentIndex())


@pytest.fixture
def bench(qtbot: QtBot, tmp_path: Path) -> Bench:
    return Bench(qtbot, tmp_path)


def test_a_complete_bundle_offers_no_choice(bench: Bench) -> None:
    assert not bench.panel.open_settings.isVisible()
    bench.open()
    assert not bench.panel.open_settings.isVisible()


def test_only_what_is_open_can_be_chosen(bench: Bench) -> None:
    bench.open("output", "probe_big")
    boxes = bench.panel.open_settings.boxes
    assert [name for name, box in boxes.items() if box.isVisible()] == ["output", "probe_big"]
    assert boxes["output"].currentText() == BY_THE_PATTERNS


def test_what_is_chosen_is_what_an_inference_takes(bench: Bench) -> None:
    bench.open("output", "probe_big")
    bench.choose("output", "real_imag")
    bench.controller.infer()
    bench.qtbot.waitUntil(lambda: not bench.controller.runner.busy, timeout=5000)
    _, bundle, _ = next(values for verb, values in bench.verbs.calls if verb == "infer")
    assert (bundle.model.output, bundle.assumed) == ("real_imag", ("probe_big",))
    assert bench.session.state.bundle is not None
    assert bench.session.state.bundle.assumed == ("output", "probe_big")
    bench.choose("output", "")
    assert bench.session.state.bundle_as_read == bench.session.state.bundle


def test_a_closed_bundle_is_forgotten(bench: Bench) -> None:
    bench.open("output")
    bench.choose("output", "real_imag")
    key = bench.session.state.bundle_id
    assert key is not None
    bench.session.apply(DocumentClosed(key))
    assert not bench.session.state.assumptions
    bench.open("output")
    assert bench.panel.open_settings.boxes["output"].currentText() == BY_THE_PATTERNS
