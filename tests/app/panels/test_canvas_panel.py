"""The canvas panel: pictures, scale, overlays, metrics, selection."""

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from app.panels.canvas import CanvasPanel
from app.state.app_events import DocumentClosed, FrameSelected
from app.state.session import Session
from tests.app.panels.scan_samples import DATASET_ID, NETWORK_PER_PHYSICAL, letter_session, show_canvas
from tests.app.widgets.screen import click_at, looks_like, move_to, painted_brightness, show


def _panel(qtbot: QtBot) -> tuple[Session, CanvasPanel]:
    session = letter_session()
    panel = CanvasPanel(session)
    show(qtbot, panel, 500, 800)
    return session, panel


def test_before_an_inference_it_says_what_to_do(qtbot: QtBot) -> None:
    _, panel = _panel(qtbot)
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
    assert panel.progress.text() == "7/9 patches · 84 × 90 px from y 20, x 15 · crop 32"
    assert panel.agreement.text() == "Correlation: amp 0.987, phase 0.876, complex 0.765"
    assert panel.quality.text() == "PSNR 21.5 dB · SSIM 0.654 · 4321 px of the known object"
    assert panel.placing.text().startswith("Offsets: dx 0 ± 12.2, max 15.0")
    assert not panel.warning.isVisible()


def test_a_compatibility_mode_is_named(qtbot: QtBot) -> None:
    session, panel = _panel(qtbot)
    show_canvas(session, mode="2025-11")
    assert panel.warning.isVisible()
    assert "Compatibility mode 2025-11" in panel.warning.text()


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
    assert caught.args == ["row 20, column 15: 0.12 network amplitude"]


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
