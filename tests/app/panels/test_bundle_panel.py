"""The Bundle panel: what a bundle leaves open can be chosen; layers, digests, safety and comparison are told."""

import hashlib
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtWidgets import QMenu, QWidget
from pytestqt.qtbot import QtBot

from app.controller import Controller
from app.panels.bundle import BundlePanel
from app.panels.explorer import ExplorerPanel
from app.run_queue import RunQueue
from app.state.app_events import DocumentClosed
from app.state.session import Session
from app.widgets.assumption_form import BY_THE_PATTERNS
from app.widgets.safety_view import SafetyView
from app.wiring import connect_intents, intents_of
from ptycho_engine.bundles import read_bundle
from ptycho_engine.bundles.safety import safety_report
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

    def settle(self) -> None:
        runner = self.controller.runner
        self.qtbot.waitUntil(lambda: not runner.busy and not runner.reading, timeout=60_000)


@pytest.fixture
def bench(qtbot: QtBot, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(qtbot, tmp_path)
    yield made
    made.settle()


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
    bench.settle()
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


@pytest.mark.parametrize(
    ("scan", "words"),
    [
        (
            "scan",
            "patterns of scan fit best: network draws real and imaginary part (deviance 10, R-factor 0.25). Next: ",
        ),
        (
            "vague",
            "patterns of vague do not decide, so the usual is assumed. Best: network draws real and imaginary part",
        ),
        ("dark", "its patterns are dark"),
    ],
)
def test_the_likeliest_reading_is_found_with_an_open_scan(bench: Bench, scan: str, words: str) -> None:
    bench.session.apply(BundleLoaded(replace(make_bundle(), assumed=("output",))))
    bench.settle()
    assert not bench.panel.open_settings.found.isVisible()
    bench.session.apply(DatasetOpened(make_dataset(scan)))
    bench.settle()
    assert words in bench.panel.open_settings.found.text()
    assert bench.panel.open_settings.found.isVisible()
    bench.choose("output", "amp_phase")
    bench.settle()
    assert [name for name, _ in bench.verbs.calls] == ["rank"]
    bench.session.apply(DatasetOpened(make_dataset("another")))
    bench.settle()
    assert [name for name, _ in bench.verbs.calls] == ["rank", "rank"]
    key = bench.session.state.bundle_id
    assert key is not None
    bench.session.apply(DocumentClosed(key))
    assert not bench.session.state.rankings


DEMO = Path(__file__).resolve().parents[3] / "resources" / "demo" / "wts.h5.zip"


def tab(panel: BundlePanel, page: QWidget) -> None:
    panel.tables.setCurrentWidget(page)


def test_the_layers_are_described_in_the_background(bench: Bench) -> None:
    bundle = read_bundle(DEMO)
    bench.session.apply(BundleLoaded(bundle))
    tab(bench.panel, bench.panel.layer_view)
    assert [row[4] for row in bench.panel.layer_view.table.shown_rows()][:1] == ["…"]
    bench.settle()
    rows = {row[0]: row for row in bench.panel.layer_view.table.shown_rows()}
    name, tensor = next((name, array) for name, array in bundle.state.items() if array.ndim == 4)
    assert rows[name][4] == f"{tensor.astype(float).mean():.4g}"
    assert rows[name][5] == f"{tensor.astype(float).std():.4g}"
    assert bench.panel.layer_view.chosen == name
    assert bench.panel.layer_view.histogram.series_names == ("",)
    picture = bench.panel.layer_view.kernels.view.values
    assert picture is not None
    assert picture[: tensor.shape[2], : tensor.shape[3]].tolist() == tensor[0, 0].tolist()


def test_another_layer_is_drawn_when_it_is_selected(bench: Bench) -> None:
    bench.session.apply(BundleLoaded(read_bundle(DEMO)))
    view = bench.panel.layer_view
    name = view.table.shown_rows()[3][0]
    view.choose(name)
    assert (view.chosen, view.kernels.view.title.split(" · ")[0]) == (name, name)
    bench.settle()
    assert view.chosen == name


def test_digests_and_safety_report_come_from_the_file(bench: Bench) -> None:
    bench.session.apply(BundleLoaded(read_bundle(DEMO)))
    bench.settle()
    assert hashlib.sha256(DEMO.read_bytes()).hexdigest() in bench.panel.archive.text()
    with zipfile.ZipFile(DEMO) as archive:
        sha1 = hashlib.sha1(archive.read("manifest.dill"), usedforsecurity=False).hexdigest()
    assert bench.panel.members.shown_rows()[0][2] == sha1
    assert "plain data only" in bench.panel.safety.verdict.text()
    rows = bench.panel.safety.table.shown_rows()
    assert ("diffraction_to_obj/model.pth: model/data.pkl", "torch.FloatStorage", "read as plain data") in [
        row[:3] for row in rows
    ]
    bench.panel.safety.table.selectRow(0)
    assert "manifest.dill" in bench.panel.safety.listing.toPlainText()


def test_a_bundle_without_a_file_says_so(bench: Bench) -> None:
    bench.session.apply(BundleLoaded(make_bundle()))
    bench.settle()
    assert "/nowhere/net.h5.zip" in bench.panel.archive.text()
    assert bench.panel.safety.verdict.text() == bench.panel.archive.text()


def test_what_would_have_been_run_is_listed(qtbot: QtBot, tmp_path: Path) -> None:
    path = tmp_path / "evil.pkl"
    path.write_bytes(b"\x80\x04cposix\nsystem\n(X\x04\x00\x00\x00echotR.")
    view = SafetyView()
    qtbot.addWidget(view)
    view.show_report(safety_report(path))
    assert "nothing was run" in view.verdict.text()
    words = [row[2] for row in view.table.shown_rows()]
    assert words[0] == "unknown: never imported"
    assert "would have been run: posix.system" in words[1]


def test_only_unusual_parameters_can_be_shown(bench: Bench) -> None:
    bench.session.apply(BundleLoaded(read_bundle(DEMO)))
    table = bench.panel.parameter_view.table
    n_all = len(table.shown_rows())
    bench.panel.parameter_view.only_unusual.click()
    rows = table.shown_rows()
    assert 0 < len(rows) < n_all
    assert ("nphotons", "100000", "1e+09") in [row[:3] for row in rows]
    bench.panel.search.setText("photons in an average")
    assert [row[0] for row in table.shown_rows()] == ["nphotons"]


def test_two_bundles_are_compared_worst_first(bench: Bench) -> None:
    first = make_bundle("first")
    changed = {**first.state, "model.autoencoder.encoder.blocks.0.conv.bias": np.full(4, 2.0, np.float32)}
    second = replace(make_bundle("second"), path=None, state=changed, n_photons=1.1e9)
    tab(bench.panel, bench.panel.comparison)
    bench.session.apply(BundleLoaded(replace(first, path=None)))
    assert "Open another bundle" in bench.panel.comparison.pages.hint
    bench.session.apply(BundleLoaded(second))
    bench.settle()
    rows = bench.panel.comparison.table.shown_rows()
    assert (rows[0][0], rows[0][1], rows[0][4]) == ("tensors", "model.autoencoder.encoder.blocks.0.conv.bias", "1")
    assert ("scales", "n_photons", "1.1e+09", "1e+09") in [(row[0], row[1], row[2], row[3]) for row in rows]
    bench.panel.comparison.part.choose("scales")
    bench.panel.comparison._fill()
    assert {row[0] for row in bench.panel.comparison.table.shown_rows()} == {"scales"}
    bench.session.apply(DocumentClosed("bundle:first"))
    assert bench.session.state.compared is None


def test_a_comparison_that_was_asked_for_in_the_explorer_comes_to_the_front(bench: Bench) -> None:
    first, second, third = (replace(make_bundle(name), path=None) for name in ("first", "second", "third"))
    bench.session.apply(*(BundleLoaded(bundle) for bundle in (first, second, third)))
    bench.settle()
    explorer = ExplorerPanel(bench.session)
    bench.qtbot.addWidget(explorer)
    queue = RunQueue(bench.session, bench.controller.train)
    connect_intents(explorer, intents_of(bench.controller, queue), without=("reveal_asked", "panel_asked"))
    explorer.show()
    menu = explorer.menu_for("bundle:first")
    compare = next(action.menu() for action in menu.actions() if action.text() == "&Compare with")
    assert isinstance(compare, QMenu)
    assert [action.text() for action in compare.actions()] == ["second", "third"]
    compare.actions()[0].trigger()
    bench.settle()
    panel = bench.panel
    assert bench.session.state.bundle_id == "bundle:first"
    assert panel.tables.currentWidget() is panel.comparison
    assert panel.comparison.other.choice == "bundle:second"
    assert "No difference" in panel.comparison.summary.text()
    menu.close()


def test_what_was_computed_of_a_file_that_was_opened_anew_is_dropped(bench: Bench) -> None:
    bench.open()
    bench.settle()
    key, old = bench.session.state.bundle_id or "", bench.session.state.studies
    assert old[key].done
    bench.open()
    assert bench.session.state.studies.get(key) is not old[key]
    bench.session.apply(old[key])
    assert bench.session.state.studies.get(key) is not old[key]
    bench.settle()
    assert bench.session.state.studies[key].bundle is bench.session.state.bundle


def test_no_line_of_the_summary_is_cut(bench: Bench) -> None:
    notes = tuple(f"Note {number} of this bundle, {'which is long, ' * number}and is shown." for number in range(5))
    bench.session.apply(BundleLoaded(replace(make_bundle(), notes=notes)))
    bench.panel.resize(700, 900)
    texts = bench.panel.card.texts
    bench.qtbot.waitUntil(lambda: all(text.height() >= text.heightForWidth(text.width()) > 0 for text in texts))
    assert bench.panel.card.texts[-1].text() == "\n".join(notes)
