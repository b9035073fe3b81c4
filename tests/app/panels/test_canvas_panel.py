"""The canvas panel: pictures, scale, overlays, metrics, selection."""

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from app.jobs.canvas_reader import prepare_phase
from app.panels.canvas import CanvasPanel
from app.panels.explorer import entries
from app.state.app_events import DocumentClosed, FrameSelected, JobBegan, JobEnded
from app.state.app_state import JobState
from app.state.canvas_readings import PixelSizeGiven
from app.state.requests import RefineRequest
from app.state.session import Session
from ptycho_engine.arrays import frozen_array
from ptycho_engine.documents import Canvas, ReconstructionMetrics
from ptycho_engine.events import BundleLoaded, InferenceCompleted, MetricsMeasured, MisfitMeasured, RefinementBegan
from tests.app.panels.scan_samples import DATASET_ID, NETWORK_PER_PHYSICAL, letter_session, show_canvas
from tests.app.samples import make_bundle
from tests.app.widgets.screen import click_at, looks_like, move_to, painted_brightness, show


def _panel(qtbot: QtBot) -> tuple[Session, CanvasPanel]:
    session = letter_session()
    panel = CanvasPanel(session)
    show(qtbot, panel, 500, 800)
    return session, panel


def test_before_an_inference_it_says_what_to_do(qtbot: QtBot) -> None:
    _, panel = _panel(qtbot)
    assert panel.pages.hint.startswith("No canvas yet. Run an inference")
    panel.prepare()
    assert panel.pages.hint.startswith("No canvas yet. Run an inference")


def test_an_f_in_the_object_is_upright_on_the_canvas(qtbot: QtBot) -> None:
    session, panel = _panel(qtbot)
    canvas = show_canvas(session)
    for view in panel.views:
        view.set_colour_map("gray")
    expected = np.abs(canvas.object_)
    assert looks_like(painted_brightness(panel.views[0], expected.shape), expected)
    assert looks_like(painted_brightness(panel.views[1], expected.shape), np.angle(canvas.object_))
    panel.shows[1].choose("true amplitude")
    panel.views[1].set_colour_map("gray")
    assert looks_like(painted_brightness(panel.views[1], expected.shape), expected)


def test_the_scale_is_named_and_applied(qtbot: QtBot) -> None:
    session, panel = _panel(qtbot)
    show_canvas(session)
    values = panel.views[0].values
    assert values is not None
    assert values.max() == pytest.approx(0.9 * NETWORK_PER_PHYSICAL, rel=1e-5)
    panel.scale.choose("physical")
    values = panel.views[0].values
    assert values is not None
    assert values.max() == pytest.approx(0.9, rel=1e-5)
    assert panel.views[0].colour_bar.label == "physical amplitude (transmission)"


def test_the_lines_below_tell_progress_agreement_and_offsets(qtbot: QtBot) -> None:
    session, panel = _panel(qtbot)
    show_canvas(session)
    assert panel.content.progress.text() == "7/9 patches · 84 × 90 px from y 20, x 15 · crop 32"
    assert panel.content.agreement.text() == "Correlation: amp 0.987, phase 0.876, complex 0.765"
    assert panel.content.quality.text() == "PSNR 21.5 dB · SSIM 0.654 · 4321 px of the known object"
    assert panel.content.placing.text().startswith("Offsets: dx 0 ± 12.2, max 15.0")
    assert not panel.content.warning.isVisible()


def test_a_correlation_with_a_constant_is_none(qtbot: QtBot) -> None:
    session, panel = _panel(qtbot)
    show_canvas(session)
    metrics = session.state.metrics
    assert metrics is not None
    session.apply(MetricsMeasured(replace(metrics, phase_correlation=float("nan"))))
    assert panel.content.agreement.text() == "Correlation: amp 0.987, phase none, complex 0.765"


def test_a_compatibility_mode_is_named(qtbot: QtBot) -> None:
    session, panel = _panel(qtbot)
    show_canvas(session, mode="2025-11")
    assert panel.content.warning.isVisible()
    assert "Compatibility mode 2025-11" in panel.content.warning.text()
    assert "only the first patch" in panel.content.warning.text()
    assert all(view.title.startswith("PtychoPINN 2025-11 · ") for view in panel.views)
    show_canvas(session)
    assert not any("PtychoPINN" in view.title for view in panel.views)


def test_the_explorer_names_the_mode_of_a_canvas(qtbot: QtBot) -> None:
    session, _ = _panel(qtbot)
    _with_bundle(session)
    canvas = show_canvas(session, mode="2026-07")
    session.apply(InferenceCompleted(canvas, None, None, 1.0, 2.0))
    assert [entry.facts for entry in entries(session.state) if entry.icon == "canvas"] == ["inference as 2026-07 · 9"]


def test_the_box_of_the_selected_frame_lies_at_its_position(qtbot: QtBot) -> None:
    session, panel = _panel(qtbot)
    show_canvas(session)
    session.apply(FrameSelected(5))
    for view in panel.views:
        stitched, whole = view.overlay.mark, view.overlay.hover
        assert stitched is not None
        assert whole is not None
        # Position 5 is y 60, x 75; the canvas begins at y 20, x 15.
        assert (stitched.center().y(), stitched.center().x()) == (40, 60)
        assert (stitched.height(), whole.height()) == (32, 64)
    session.apply(FrameSelected(None))
    assert panel.views[0].overlay.mark is None


def test_a_click_selects_the_nearest_position(qtbot: QtBot) -> None:
    session, panel = _panel(qtbot)
    show_canvas(session)
    with qtbot.waitSignal(panel.frame_asked) as caught:
        click_at(panel.views[0], 31, 58)
    assert caught.args == [2]


def test_the_read_out_counts_pixels_of_the_object(qtbot: QtBot) -> None:
    session, panel = _panel(qtbot)
    show_canvas(session)
    with qtbot.waitSignal(panel.readout_changed) as caught:
        move_to(panel.views[0], 0, 0)
    assert caught.args == ["row 20, column 15: 0.12 · network amplitude"]


@pytest.mark.parametrize("view", ["complex", "coverage", "amplitude difference", "phase difference", "true phase"])
def test_every_picture_can_be_shown_with_all_overlays(qtbot: QtBot, view: str) -> None:
    session, panel = _panel(qtbot)
    show_canvas(session)
    panel.boxes.setChecked(True)
    panel.offsets.setChecked(True)
    panel.shows[0].choose(view)  # type: ignore[arg-type]
    assert panel.views[0].values is not None
    assert panel.views[0].colour_bar.label
    panel.grab()
    panel.resize(900, 400)
    panel.grab()


def test_without_the_dataset_there_is_no_known_object(qtbot: QtBot) -> None:
    session, panel = _panel(qtbot)
    show_canvas(session)
    panel.shows[1].choose("true amplitude")
    session.apply(DocumentClosed(DATASET_ID))
    assert panel.views[1].values is None
    assert "no object" in panel.views[1].title


def test_what_the_user_chose_outlasts_the_next_update(qtbot: QtBot) -> None:
    session, panel = _panel(qtbot)
    show_canvas(session)
    panel.views[0].set_colour_map("cividis")
    panel.views[0].choose_range((0.0, 1.0))
    show_canvas(session)
    assert panel.views[0].colour_map == "cividis"
    assert panel.views[0].levels == (0.0, 1.0)


def _refined(session: Session, network: Canvas) -> Canvas:
    """Let a refinement of the canvas end: twice as strong in one corner, turned by half a radian there."""
    values = network.object_.copy()
    values[:20, :20] *= 2 * np.exp(0.5j)
    canvas = replace(network, object_=frozen_array(values, np.complex64))
    job = JobState("refine-1", "refine", "Refining", dataset_id=DATASET_ID, bundle_id=session.state.bundle_id)
    session.apply(JobBegan(job), RefinementBegan(network, 4, 9))
    session.apply(MisfitMeasured(0, 4, 0.4, 12.0, 0.8, 0.97, 0.1), MisfitMeasured(4, 4, 0.1, 0.9, 0.85, 0.97, 1.0))
    metrics = ReconstructionMetrics(0.99, 0.98, 0.97, 31.5, 0.954, 4321)
    session.apply(InferenceCompleted(canvas, metrics, None, 1.0, 2.0), JobEnded("refine-1", "completed"))
    return canvas


def _with_bundle(session: Session) -> Canvas:
    """Show a canvas whose scan and bundle are open."""
    session.apply(BundleLoaded(make_bundle()))
    canvas = show_canvas(session)
    job = JobState("infer", "infer", "infer", dataset_id=DATASET_ID, bundle_id=session.state.bundle_id)
    metrics = session.state.metrics
    session.apply(JobBegan(job), InferenceCompleted(canvas, metrics, None, 1.0, 2.0), JobEnded("infer", "completed"))
    return canvas


def test_the_button_asks_for_a_refinement_with_its_settings(qtbot: QtBot) -> None:
    session, panel = _panel(qtbot)
    asked: list[RefineRequest] = []
    panel.refine_asked.connect(asked.append)
    bar = panel.refine_bar
    assert not bar.button.isEnabled()
    assert "there is no canvas yet" in bar.button.toolTip()
    show_canvas(session)
    assert not bar.button.isEnabled()
    _with_bundle(session)
    assert bar.button.isEnabled()
    bar.passes.setValue(13)
    bar.probe.setChecked(True)
    bar.button.setFocus()
    QTest.keyClick(bar.button, Qt.Key.Key_Space)
    assert asked == [RefineRequest(13, refine_probe=True)]
    for widget in (bar.button, bar.passes, bar.probe, bar.shown):
        assert widget.accessibleName()
        assert widget.toolTip()
        assert widget.focusPolicy() & Qt.FocusPolicy.TabFocus
    session.apply(JobBegan(JobState("train", "train", "Training")))
    assert not bar.button.isEnabled()
    assert "another job is running" in bar.button.toolTip()


def test_a_canvas_of_a_compatibility_mode_is_not_refined(qtbot: QtBot) -> None:
    session, panel = _panel(qtbot)
    _with_bundle(session)
    show_canvas(session, mode="2026-07")
    session.apply(JobEnded("infer", "completed"))
    assert not panel.refine_bar.button.isEnabled()
    assert "compatibility" in panel.refine_bar.button.toolTip()


def test_refined_network_and_difference_can_be_looked_at(qtbot: QtBot) -> None:
    session, panel = _panel(qtbot)
    network = _with_bundle(session)
    assert panel.refine_bar.shown.isHidden()
    refined = _refined(session, network)
    shown = panel.refine_bar.shown
    assert not shown.isHidden()
    assert panel.content.misfit.text().startswith(
        "Misfit: R 0.400 → 0.100, pass 4/4 · deviance 12 → 0.9 a pixel (noise 0.85)"
    )
    assert "complex 0.970" in panel.content.agreement.text()
    choices: tuple[Literal["refined", "network"], ...] = ("refined", "network")
    for choice, expected in zip(choices, (refined, network), strict=True):
        shown.choose(choice)
        values = panel.views[0].values
        assert values is not None
        np.testing.assert_allclose(values, np.abs(expected.object_), rtol=1e-5)
    assert "complex 0.765" in panel.content.agreement.text()
    shown.choose("difference")
    amplitude, phase = panel.views[0].values, panel.views[1].values
    assert amplitude is not None
    assert phase is not None
    corner, rest = (slice(0, 20), slice(0, 20)), (slice(40, None), slice(40, None))
    assert amplitude[corner].mean() > 0.5 * np.abs(network.object_[corner]).mean()
    # The best common factor and phase are taken out first: what differs in one corner is seen there alone.
    assert phase[corner].mean() - phase[rest].mean() == pytest.approx(0.5, abs=1e-3)
    assert panel.views[0].title.startswith("Refined − network")
    panel.shows[1].choose("coverage")
    assert panel.views[1].title.startswith("Coverage")


def test_a_new_inference_shows_itself_again(qtbot: QtBot) -> None:
    session, panel = _panel(qtbot)
    _refined(session, _with_bundle(session))
    panel.refine_bar.shown.choose("network")
    _with_bundle(session)
    assert panel.refine_bar.shown.choice == "refined"
    assert panel.refine_bar.shown.isHidden()
    assert not panel.content.misfit.isVisible()


def test_a_phase_without_ramp_or_jumps_is_asked_for_once_and_shown_when_it_comes(qtbot: QtBot) -> None:
    session, panel = _panel(qtbot)
    canvas = show_canvas(session)
    asked: list[tuple[object, bool]] = []
    panel.phase_asked.connect(lambda canvas, unwrap: asked.append((canvas, unwrap)))
    panel.shows[1].choose("phase without ramp")
    panel.shows[0].choose("unwrapped phase")
    assert asked == [(canvas, False), (canvas, True)]
    assert panel.views[0].title == "Phase, unwrapped · is being worked out…"
    session.apply(*prepare_phase(canvas, True))
    assert panel.views[0].title == "Unwrapped phase · p1–p99"
    assert panel.views[1].title.startswith("Phase · cyclic, −π to π · ramp y ")
    assert panel.views[1].levels == pytest.approx((-np.pi, np.pi))
    panel.shows[0].choose("unwrapped phase without ramp")
    assert panel.views[0].quantity == "unwrapped phase [rad]"
    assert len(asked) == 2


def test_the_line_shows_a_profile_and_the_pixel_size_a_scale_bar(qtbot: QtBot) -> None:
    session, panel = _panel(qtbot)
    show_canvas(session)
    panel.line.setChecked(True)
    assert panel.measure.isVisible()
    assert panel.measure.plot.series_names == ("Amplitude", "Phase")
    with qtbot.waitSignal(panel.pixel_size_given) as caught:
        panel._give_pixel_size(2e-8)
    assert caught.args == [DATASET_ID, 2e-8]
    session.apply(PixelSizeGiven(DATASET_ID, 2e-8))
    assert all(view.scale_bar.isVisible() for view in panel.views)
    assert panel.measure.plot.x_label.startswith("distance [nm]")
    panel.line.setChecked(False)
    assert not panel.measure.isVisible()
