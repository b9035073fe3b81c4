from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from app.jobs.verbs import EngineVerbs
from app.panels.patches import PatchesPanel
from app.state import preview_history
from app.state.app_events import DocumentClosed, JobBegan, RunOpened
from app.state.app_state import JobState
from app.state.preview_history import PreviewHistory, PreviewsRead
from app.state.session import Session
from ptycho_engine.documents import RunRecord
from ptycho_engine.events import MessageLogged
from ptycho_engine.runs.stored_previews import write_preview
from tests.app.samples import preview
from tests.app.window import Shown


def filled(steps: range, side: int = 16) -> PreviewHistory:
    history = PreviewHistory("job")
    for step in steps:
        history = history.with_preview(preview(step, side=side))
    return history


def steps_of(history: PreviewHistory) -> list[int]:
    return [one.step for one in history.items]


def test_a_long_history_keeps_both_ends_and_evenly_spread_steps() -> None:
    steps = steps_of(filled(range(0, 20_000, 10)))
    assert len(steps) == preview_history.MAX_PREVIEWS
    assert (steps[0], steps[-1]) == (0, 19_990)
    gaps = np.diff(steps)
    assert gaps.max() <= 4 * 20_000 / preview_history.MAX_PREVIEWS


def test_memory_is_bounded_whatever_the_size_of_a_preview(monkeypatch: pytest.MonkeyPatch) -> None:
    one = preview(0, side=32)
    assert one.predicted is not None
    monkeypatch.setattr(preview_history, "MAX_BYTES", 6 * (one.patches.nbytes + one.predicted.nbytes))
    history = filled(range(50), side=32)
    arrays = {id(array): array for item in history.items for array in (item.patches, item.measured, item.predicted)}
    assert sum(array.nbytes for array in arrays.values() if array is not None) <= preview_history.MAX_BYTES
    assert len(history) >= 5
    # The patterns are the same at each step: once is enough.
    assert len({id(item.measured) for item in history.items}) == 1


def test_what_is_drawn_again_after_a_resume_takes_the_place_of_the_earlier() -> None:
    history = filled(range(10)).with_preview(preview(4))
    assert steps_of(history) == [0, 1, 2, 3, 4]
    assert history.nearest(100) == 4
    assert PreviewHistory().nearest(1) is None


def begun(job_id: str = "train-1") -> JobBegan:
    return JobBegan(JobState(job_id, "train", "Training"))


def panel_with(qtbot: QtBot, n: int) -> tuple[Session, PatchesPanel]:
    session = Session()
    session.apply(begun(), *(preview(step) for step in range(n)))
    panel = PatchesPanel(session)
    qtbot.addWidget(panel)
    panel.resize(900, 600)
    panel.show()
    qtbot.waitExposed(panel)
    return session, panel


def shown_mean(panel: PatchesPanel) -> float:
    """The mean of the patches that are drawn: step plus one."""
    return float(panel.numbers.item(0, 1).text())  # type: ignore[union-attr]


def test_going_back_shows_the_earlier_patches_until_live(qtbot: QtBot) -> None:
    session, panel = panel_with(qtbot, 5)
    assert shown_mean(panel) == 5
    panel.history.slider.setValue(1)
    assert shown_mean(panel) == 2
    session.apply(preview(5))
    assert shown_mean(panel) == 2
    assert panel.history.place.text() == "step 1 of 5 · 2/6"
    assert panel.caption.text().endswith("earlier")
    panel.history.live.click()
    assert shown_mean(panel) == 6
    assert not panel.history.live.isEnabled()


def test_a_new_job_is_followed_from_its_start(qtbot: QtBot) -> None:
    session, panel = panel_with(qtbot, 5)
    panel.history.slider.setValue(1)
    session.apply(begun("train-2"), preview(0))
    assert shown_mean(panel) == 1
    assert panel.history.isHidden()


def test_previews_of_an_opened_run_are_gone_through_and_left_for_the_live_ones(qtbot: QtBot) -> None:
    session, panel = panel_with(qtbot, 3)
    stored = PreviewHistory("run:/runs/old")
    for step in (10, 20, 30):
        kept = preview(step)
        stored = stored.with_preview(replace(kept, measured=kept.measured[:0], predicted=None))
    session.apply(RunOpened(RunRecord(Path("/runs/old"), "train", "completed", 0, 1)), PreviewsRead(stored))
    assert shown_mean(panel) == 31
    assert "not kept" in panel.measured.title
    panel.history.slider.setValue(0)
    assert shown_mean(panel) == 11
    panel.history.live.click()
    assert shown_mean(panel) == 3
    session.apply(DocumentClosed("run:/runs/old"))
    assert shown_mean(panel) == 3


def test_the_current_run_s_previews_are_read_once(shown: Shown) -> None:
    shown.verbs.stored_steps = (0, 7)
    run = RunRecord(Path("/runs/old"), "train", "completed", 0, 1)
    shown.session.apply(RunOpened(run))
    shown.session.apply(RunOpened(run))
    shown.settle()
    assert [call for call in shown.verbs.calls if call[0] == "previews"] == [("previews", run.path)]
    assert steps_of(shown.state.stored_previews) == [0, 7]


def test_a_run_folder_s_previews_come_back_and_a_broken_one_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "previews"
    folder.mkdir()
    for step in (100, 20):
        write_preview(preview(step), folder / f"step-{step:06d}.npz")
    (folder / "step-000050.npz").write_bytes(b"PK\x03\x04 not whole")
    np.savez(folder / "step-000060.npz", patches=np.ones((2, 4, 4)), frame_indices=np.arange(3))
    told = list(EngineVerbs().read_previews("run:x", tmp_path))
    assert [type(one) for one in told] == [MessageLogged, MessageLogged, PreviewsRead]
    assert isinstance(told[-1], PreviewsRead)
    assert steps_of(told[-1].history) == [20, 100]
    kept = told[-1].history.items[1]
    assert np.array_equal(kept.patches, preview(100).patches)
    assert np.array_equal(kept.scan_positions, preview(100).scan_positions)
