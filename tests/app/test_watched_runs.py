from dataclasses import replace
from pathlib import Path

import pytest

from app.panels.explorer import entries
from app.panels.loss import headline
from app.state.app_events import DocumentChosen, DocumentClosed, JobBegan, WatchBegan, WatchStopped, WatchTold
from app.state.app_state import AppState, JobState
from app.state.reduce import reduce
from ptycho_engine import events
from ptycho_engine.documents import Diagnosis, PatchStats, RunRecord
from ptycho_engine.events import EngineEvent
from tests.app.samples import epoch_done, loss_measured, make_bundle, make_dataset, step_done

ONE, TWO = Path("/runs/one"), Path("/runs/two")
KEY, OTHER = "run:/runs/one", "run:/runs/two"
RUN = RunRecord(ONE, "train", "running", 0, 3)
STATS = events.StatsMeasured(0, PatchStats("train", 0, 2, 1.0, 0.5, 0.1, ()))


def _told(state: AppState, *told: EngineEvent, key: str = KEY) -> AppState:
    for event in told:
        state = reduce(state, WatchTold(key, event))
    return state


def _watching(*told: EngineEvent) -> AppState:
    return _told(reduce(AppState(), WatchBegan(ONE)), events.RunFound(RUN, "PtychoPINN"), *told)


def _training() -> AppState:
    """Return the state of a window that trains and has measured one loss of 100."""
    job = JobState("train-1", "train", "Training own", n_epochs=9, run_folder=Path("/runs/own"))
    state = reduce(AppState(), JobBegan(job))
    state = reduce(state, events.JobStarted("train", "CPU", 10, "steps", Path("/runs/own")))
    return reduce(state, replace(loss_measured(0), loss=100.0))


def _losses(state: AppState) -> list[float]:
    return list(state.losses.steps.column("loss"))


def test_a_watched_run_is_shown_like_a_training() -> None:
    state = _watching(loss_measured(0), loss_measured(1), step_done(2, 10), epoch_done(0), STATS)
    assert len(_losses(state)) == 2
    assert len(state.losses.epochs) == 1
    assert state.stats == (STATS,)
    assert (state.run_id, state.shown_run) == (KEY, KEY)
    assert state.training is not None
    assert (state.training.n_done, state.training.n_total) == (2, 10)
    assert not state.busy
    assert headline(state).startswith("one · epoch 1/")


def test_the_own_training_goes_on_behind_a_watched_run() -> None:
    state = _told(reduce(_training(), WatchBegan(ONE)), events.RunFound(RUN, "PtychoPINN"), loss_measured(0))
    assert 100.0 not in _losses(state)
    state = reduce(state, replace(loss_measured(1), loss=50.0))
    assert 50.0 not in _losses(state)
    assert state.busy
    state = reduce(state, DocumentChosen("run:/runs/own"))
    assert _losses(state) == [100.0, 50.0]
    assert state.shown_run is None
    state = _told(state, loss_measured(1))
    assert _losses(state) == [100.0, 50.0]
    assert len(_losses(reduce(state, DocumentChosen(KEY)))) == 2


def test_each_of_several_watched_runs_has_its_own_figures() -> None:
    state = reduce(_watching(loss_measured(0)), WatchBegan(TWO))
    second = events.RunFound(RunRecord(TWO, "train", "running"), "Ptychoscope")
    state = _told(state, second, STATS, step_done(7, 10), key=OTHER)
    state = _told(state, loss_measured(1), step_done(2, 10))
    assert (state.shown_run, _losses(state), state.stats) == (OTHER, [], (STATS,))
    assert state.training is not None
    assert state.training.n_done == 7
    state = reduce(state, DocumentChosen(KEY))
    assert (len(_losses(state)), state.stats) == (2, ())
    state = reduce(state, DocumentClosed(KEY))
    assert KEY not in state.watched
    assert (state.shown_run, _losses(state)) == (None, [])


def test_a_run_found_anew_drops_what_was_told_of_the_one_before() -> None:
    state = _told(_watching(loss_measured(3), STATS), events.RunFound(RUN, "PtychoPINN"))
    assert (_losses(state), state.stats) == ([], ())


def test_the_end_and_what_is_known_of_it_are_told() -> None:
    state = _watching(step_done(2, 10))
    ended = events.RunEnded(RunRecord(ONE, "train", "stopped", 0, 3), died=True, message="its process has gone")
    state = _told(state, ended, loss_measured(9))
    assert state.runs[KEY].state == "stopped"
    assert state.watched[KEY].message == "died: its process has gone"
    assert not state.watched[KEY].watching
    assert "its process has gone" in state.log[-1].text
    assert [notice.message for notice in state.notices] == ["one: died: its process has gone"]
    assert _losses(state) == [], "nothing is taken after the end"


def test_silence_is_told_in_minutes() -> None:
    state = _watching(events.RunObserved(RUN, 200.0, silent=True))
    assert [entry.facts for entry in entries(state)] == ["no news for 3 min"]
    again = _told(state, events.RunObserved(RUN, 210.0, silent=True))
    assert again is state, "nothing that is shown has changed"
    assert entries(_told(state, events.RunObserved(RUN, 0.0)))[0].facts == "1/3 · watched"


def test_a_finding_of_a_watched_run_is_listed_without_a_notice() -> None:
    found = events.DiagnosisFound(Diagnosis("plateau", "warning", "no progress", "wait"))
    state = _watching(found, found)
    assert [one.id for one in state.diagnoses] == ["plateau"]
    assert state.notices == ()
    assert (state.log[-1].source, state.log[-1].level) == ("one", "warning")
    state = _told(state, events.DiagnosisWithdrawn("plateau", 2))
    assert state.diagnoses == ()
    assert (state.log[-1].source, state.log[-1].level) == ("one", "info")


def test_the_frames_of_a_preview_are_those_of_its_scan_where_that_is_open() -> None:
    scan = make_dataset("scan")
    state = reduce(AppState(), events.DatasetOpened(scan))
    state = reduce(state, WatchBegan(ONE))
    state = _told(state, events.RunFound(RUN, "Ptychoscope", scan.path))
    assert state.watched[KEY].job.dataset_id == state.dataset_id == "dataset:/nowhere/scan.npz"


def test_a_bundle_of_a_run_that_is_not_shown_does_not_become_current() -> None:
    state = reduce(AppState(), events.BundleLoaded(make_bundle("mine")))
    mine = state.bundle_id
    state = reduce(reduce(state, WatchBegan(ONE)), WatchBegan(TWO))
    late = make_bundle("wts", "/runs/one")
    state = _told(state, events.BundleLoaded(late))
    assert (state.bundle_id, len(state.bundles)) == (mine, 2)
    assert _told(reduce(state, DocumentChosen(KEY)), events.BundleLoaded(late)).bundle_id == mine
    newer = make_bundle("wts", "/runs/two")
    state = _told(reduce(state, DocumentChosen(OTHER)), events.BundleLoaded(newer), key=OTHER)
    assert state.bundle_id != mine


def test_figures_under_other_names_are_kept() -> None:
    state = _watching(
        events.FiguresLogged(0, 0, {"alpha": 1.0, "beta": 2.0}), events.FiguresLogged(1, 0, {"alpha": 3.0})
    )
    assert dict(state.watched[KEY].figures) == {"alpha": 3.0, "beta": 2.0}
    assert "alpha 3" in entries(state)[0].tool_tip


def test_a_resumed_training_goes_on_with_the_curves_of_the_watched_run() -> None:
    state = reduce(_watching(loss_measured(0), loss_measured(1)), WatchStopped(KEY))
    job = JobState("train-1", "train", "Resuming", run_folder=ONE)
    resumed = reduce(state, JobBegan(job, keeps_losses=True))
    assert (len(_losses(resumed)), resumed.shown_run, dict(resumed.watched)) == (2, None, {})
    assert _losses(reduce(state, JobBegan(job))) == []


@pytest.mark.parametrize("event", [events.RunFound(RUN, "PtychoPINN"), events.RunObserved(RUN, 1.0), loss_measured(0)])
def test_what_comes_after_watching_was_stopped_is_dropped(event: EngineEvent) -> None:
    stopped = reduce(_watching(), WatchStopped(KEY))
    assert _told(stopped, event) is stopped
    assert reduce(stopped, WatchStopped(KEY)) is stopped
    empty = AppState()
    assert _told(empty, event) is empty
