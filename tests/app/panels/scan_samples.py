"""A scan of an upright F, a preview and a canvas of it, for the panels that show pictures."""

from collections.abc import Iterator

import numpy as np

from app.jobs.reader import find_groups, read_frame, sum_scan_region, summarise_scan
from app.panels.dataset import DatasetPanel
from app.panels.scan import ScanPanel
from app.state.app_events import JobBegan
from app.state.app_state import JobState, document_id
from app.state.session import Session
from ptycho_engine.arrays import ComplexArray, frozen_array
from ptycho_engine.documents import Canvas, Dataset, ReconstructionMetrics, Rectangle
from ptycho_engine.events import CanvasUpdated, DatasetOpened, MetricsMeasured, PatchPreview
from tests.app.samples import Frames
from tests.app.widgets.screen import letter_f

N = 64
N_SCAN = 9
NETWORK_PER_PHYSICAL = 0.4
INTENSITY_SCALE = 100.0


def letter_object() -> ComplexArray:
    """An object of 120 x 120 pixels with an upright F in the middle, in amplitude and phase."""
    amplitude = 0.3 + 0.6 * letter_f(120, 8)
    return frozen_array(amplitude * np.exp(1j * letter_f(120, 8)), np.complex64)


def letter_dataset() -> Dataset:
    """A scan of 3 x 3 positions; every pattern is an upright F whose brightness tells its number."""
    frames = np.stack([letter_f(N) * (index + 1) for index in range(N_SCAN)])
    y, x = np.meshgrid([50.0, 60.0, 70.0], [45.0, 60.0, 75.0], indexing="ij")
    return Dataset(
        name="letter",
        path=None,
        frames=Frames(frames),
        scan_positions=frozen_array(np.stack([y.ravel(), x.ravel()], axis=1), np.float64),
        probe=frozen_array(np.stack([letter_f(N) + 0.1, 1j * letter_f(N)]), np.complex64),
        object_=letter_object(),
    )


DATASET_ID = document_id("dataset", "letter", None)


def letter_session() -> Session:
    """A session with the scan open."""
    session = Session()
    session.apply(DatasetOpened(letter_dataset()))
    return session


def true_patches(dataset: Dataset) -> ComplexArray:
    """The object seen at each position."""
    assert dataset.object_ is not None
    corners = (dataset.scan_positions - N / 2).astype(int)
    return np.stack([dataset.object_[y : y + N, x : x + N] for y, x in corners])


def letter_preview(dataset: Dataset, step: int = 5) -> PatchPreview:
    """The true patches in network scale, in reverse order of their frames."""
    order = np.arange(dataset.n_scan)[::-1]
    measured = dataset.diffraction(slice(None))[order]
    return PatchPreview(
        phase="train",
        step=step,
        patches=frozen_array(true_patches(dataset)[order] * NETWORK_PER_PHYSICAL, np.complex64),
        measured=frozen_array(measured, np.float32),
        predicted=frozen_array(measured * 1.1, np.float32),
        frame_indices=frozen_array(order, np.int64),
        scan_positions=frozen_array(dataset.scan_positions[order], np.float64),
        network_per_physical=NETWORK_PER_PHYSICAL,
        intensity_scale=INTENSITY_SCALE,
    )


def letter_canvas(dataset: Dataset, mode: str = "none") -> Canvas:
    """The object from pixel (20, 15) on, stitched without a fault but for a factor."""
    assert dataset.object_ is not None
    part = dataset.object_[20:104, 15:105] * NETWORK_PER_PHYSICAL
    return Canvas(
        object_=frozen_array(part, np.complex64),
        weight=frozen_array(np.ones(part.shape), np.float32),
        origin_px=(20, 15),
        scan_positions=dataset.scan_positions,
        patch_side=N,
        crop=32,
        network_per_physical=NETWORK_PER_PHYSICAL,
        mode=mode,
    )


def begin(session: Session, verb: str) -> None:
    """Begin a job on the scan, so that what it tells belongs to it."""
    session.apply(JobBegan(JobState(verb, verb, verb, dataset_id=DATASET_ID)))


def show_preview(session: Session, step: int = 5) -> PatchPreview:
    """Let a training tell a preview."""
    dataset = session.state.datasets[DATASET_ID]
    if session.state.job is None:
        begin(session, "train")
    preview = letter_preview(dataset, step)
    session.apply(preview)
    return preview


def show_canvas(session: Session, mode: str = "none") -> Canvas:
    """Let an inference tell its canvas and how well it fits."""
    begin(session, "infer")
    canvas = letter_canvas(session.state.datasets[DATASET_ID], mode)
    metrics = ReconstructionMetrics(0.987, 0.876, 0.765, 21.5, 0.654, 4321)
    session.apply(CanvasUpdated(canvas, Rectangle(0, 0, 84, 90), 7, 9), MetricsMeasured(metrics))
    return canvas


class Answering:
    """Does at once what the controller does beside the window: reads what a panel asks for."""

    def __init__(self, session: Session, panel: DatasetPanel | ScanPanel) -> None:
        self._session = session
        self.asked: list[tuple[object, ...]] = []
        panel.summary_asked.connect(self._summary)
        panel.frame_asked.connect(lambda index: self.asked.append(("select", index)))
        if isinstance(panel, DatasetPanel):
            panel.frame_data_asked.connect(self._frame)
            panel.region_asked.connect(self._region)
        else:
            panel.groups_asked.connect(self._groups)

    def _frame(self, dataset_id: str, index: int) -> None:
        self.asked.append(("frame", index))
        self._apply(read_frame(dataset_id, self._session.state.datasets[dataset_id], index))

    def _summary(self, dataset_id: str) -> None:
        self.asked.append(("summary",))
        self._apply(summarise_scan(dataset_id, self._session.state.datasets[dataset_id], whole=True))

    def _region(self, dataset_id: str, rectangle: Rectangle, whole: bool) -> None:
        self.asked.append(("region", rectangle, whole))
        self._apply(sum_scan_region(dataset_id, self._session.state.datasets[dataset_id], rectangle, whole=whole))

    def _groups(self, dataset_id: str, gridsize: int, neighbor_count: int) -> None:
        self.asked.append(("groups", gridsize, neighbor_count))
        self._apply(find_groups(dataset_id, self._session.state.datasets[dataset_id], gridsize, neighbor_count))

    def _apply(self, events: Iterator[object]) -> None:
        for event in events:
            self._session.apply(event)  # type: ignore[arg-type]
