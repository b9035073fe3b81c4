from PySide6.QtWidgets import QApplication

from app.panels.panel import Panel
from app.state import app_events as app
from app.state.app_state import AppState, JobState
from app.state.session import SLICES, Session
from ptycho_engine.events import DatasetOpened, MessageLogged
from tests.app.samples import canvas_updated, loss_measured, make_dataset, step_done


def listen(session: Session) -> list[str]:
    heard: list[str] = []
    for name in (*SLICES, "settled"):
        getattr(session, name).connect(lambda name=name: heard.append(name))
    return heard


def test_every_field_of_the_state_belongs_to_a_slice(qapp: QApplication) -> None:
    told = {field for fields in SLICES.values() for field in fields}
    # These change only together with a field that is told.
    silent = {"preview_dataset_id", "damage", "canvas_metrics", "canvas_datasets"}
    silent |= {"canvas_bundles", "canvas_refinements", "canvas_makers", "own_view", "stats_bundles"}
    assert told | silent == set(AppState.__dataclass_fields__)


def test_each_changed_slice_is_told_once_a_delivery(qapp: QApplication) -> None:
    session = Session()
    session.apply(app.JobBegan(JobState("train-1", "train", "Training")))
    heard = listen(session)
    session.deliver("train-1", [loss_measured(0), loss_measured(1), step_done(1), step_done(2)])
    assert heard == ["job_changed", "losses_changed", "settled"]


def test_events_of_a_job_that_is_no_longer_current_are_dropped(qapp: QApplication) -> None:
    session = Session()
    session.apply(app.JobBegan(JobState("train-1", "train", "Training")))
    session.apply(app.JobBegan(JobState("train-2", "train", "Training")))
    heard = listen(session)
    session.deliver("train-1", [loss_measured(0), canvas_updated(1), MessageLogged("info", "late")])
    assert heard == []
    assert session.state.canvas is None


def test_the_lane_of_files_does_not_touch_the_computing_job(qapp: QApplication) -> None:
    session = Session()
    session.apply(app.JobBegan(JobState("train-1", "train", "Training")))
    session.apply(app.JobBegan(JobState("open-1", "open", "Opening"), "files"))
    session.deliver("open-1", [step_done(5), DatasetOpened(make_dataset())])
    assert session.state.job is not None
    assert session.state.job.n_done == 0
    assert session.state.dataset is not None


class Counting(Panel):
    title, panel_id = "Counting", "counting"

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.painted = 0
        self.watch(session.job_changed)
        self.watch(session.losses_changed)

    def refresh(self) -> None:
        self.painted += 1


def test_a_panel_paints_once_a_delivery_and_only_while_seen(qapp: QApplication) -> None:
    session = Session()
    panel = Counting(session)
    session.apply(app.JobBegan(JobState("train-1", "train", "Training")))
    assert panel.painted == 0
    panel.show()
    assert panel.painted == 1
    session.deliver("train-1", [loss_measured(0), step_done(1)])
    assert panel.painted == 2
    session.apply(MessageLogged("info", "not watched"))
    assert panel.painted == 2
    panel.hide()
    session.deliver("train-1", [loss_measured(1)])
    session.deliver("train-1", [loss_measured(2)])
    assert panel.painted == 2
    panel.show()
    assert panel.painted == 3
    panel.close()


def test_what_comes_from_jobs_and_watched_runs_is_told_apart_from_what_the_person_does(qapp: QApplication) -> None:
    session = Session()
    heard: list[bool] = []
    session.settled.connect(lambda: heard.append(session.delivering))
    session.apply(app.JobBegan(JobState("train-1", "train", "Training")))
    session.deliver("train-1", [loss_measured(0)])
    session.tell([loss_measured(1)])
    session.apply(loss_measured(2))
    assert heard == [False, True, True, False]
