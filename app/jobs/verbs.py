"""The verbs that the controller runs: each a generator of events, imported only in the thread that runs it.

The window starts without torch: nothing of the engine that computes is imported before a job needs it.
"""

import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.jobs.detacher import DetachedTraining, start_detached
from app.jobs.job_thread import asked_to_stop
from app.jobs.run_opener import holds_figures, open_figures, open_run, run_folder_of
from app.jobs.unfinished import marked, offer_unfinished
from app.state.app_events import FiguresOpened, NoticeRaised, RunOpened
from app.state.canvas_readings import ReconstructionOpened
from app.state.preview_history import PreviewHistory, PreviewsRead
from ptycho_engine.assumptions import Candidate
from ptycho_engine.config import InferConfig, TrainConfig
from ptycho_engine.documents import Bundle, Canvas, Dataset, RunRecord
from ptycho_engine.events import (
    BundleLoaded,
    BundleSaved,
    DatasetOpened,
    DiagnosisFound,
    EngineEvent,
    FileWritten,
    MessageLogged,
    Progressed,
)
from ptycho_engine.stoppable_reading import stoppable


@dataclass(frozen=True, slots=True)
class CanvasExport:
    """A stitched object to be written, with what it was made from."""

    canvas: Canvas
    intensity_scale: float
    dataset: str
    bundle: str
    network_canvas: Canvas | None = None
    """As the network drew it, where ``canvas`` was refined."""
    pixel_size_m: float | None = None
    """Side of a pixel [m], where it is known."""
    scan: Dataset | None = None
    """The scan itself, where it is open."""


class EngineVerbs:
    """The engine's verbs as the window uses them; tests put others in their place."""

    def open_file(self, path: Path) -> Iterator[EngineEvent | RunOpened | FiguresOpened | ReconstructionOpened]:
        """Open a scan, a bundle, a reconstruction, a run, a debug dump or patch statistics, told apart by content."""
        if holds_figures(path):
            yield from open_figures(path)
            return
        if holds_a_reconstruction(path):
            from ptycho_engine.artefacts.reconstruction import read_reconstruction

            yield ReconstructionOpened(path, read_reconstruction(path))
        elif path.is_dir() and holds_a_run(path):
            # Of PtychoPINN: what is in it is told by following it, whether it has ended or not.
            yield RunOpened(RunRecord(path, "train", "running"))
        elif holds_a_bundle(path):
            from ptycho_engine.bundles import read_bundle

            yield BundleLoaded(read_bundle(path))
        else:
            from ptycho_engine.formats import read_dataset

            yield DatasetOpened(read_dataset(path))

    def open_named(self, folder: Path) -> Iterator[EngineEvent | RunOpened]:
        """Open the scans that a run of this program names, if there is one in the folder."""
        if run_folder_of(folder) is not None:
            yield from open_run(folder)

    def examine(
        self, document: Dataset | Bundle, bundle: Bundle | None = None
    ) -> Iterator[DiagnosisFound | Progressed]:
        """Tell what is wrong with a document, or why a scan and a bundle do not go together."""
        from ptycho_engine.examination import examine_bundle, examine_dataset, examine_pair

        if isinstance(document, Bundle):
            return examine_bundle(document)
        scan = stoppable(document, asked_to_stop)
        return examine_dataset(scan) if bundle is None else examine_pair(scan, bundle)

    def rank_assumptions(self, dataset: Dataset, bundle: Bundle) -> tuple[Candidate, ...]:
        """Compare the ways to read a network by what they predict of a scan, on the CPU: a job may have the GPU."""
        from ptycho_engine.assumptions import rank_assumptions

        return rank_assumptions(dataset, bundle, "cpu")

    def train(
        self,
        datasets: Sequence[Dataset],
        config: TrainConfig,
        *,
        test_dataset: Dataset | None,
        out: Path,
        resume: bool,
        start_from: Bundle | None,
    ) -> Iterator[EngineEvent]:
        """Train, or go on with the training whose run folder is ``out``."""
        from ptycho_engine.training import train

        scans = [stoppable(one, asked_to_stop) for one in datasets]
        test = None if test_dataset is None else stoppable(test_dataset, asked_to_stop)
        events = train(scans, config, test_dataset=test, out=out, resume=resume, start_from=start_from)
        return marked(events, out)

    def offer_unfinished(self) -> Iterator[EngineEvent | RunOpened | NoticeRaised]:
        """Open the trainings that were cut off, and ask whether to go on."""
        return offer_unfinished()

    def read_previews(self, key: str, folder: Path) -> Iterator[PreviewsRead | MessageLogged]:
        """Read the earlier previews of the run ``key`` from its folder."""
        from ptycho_engine.errors import InputError
        from ptycho_engine.runs.stored_previews import read_previews

        history = PreviewHistory(key)
        for found in read_previews(folder):
            if isinstance(found, InputError):
                yield MessageLogged("warning", f"A preview of {folder.name} cannot be shown: {found}")
            else:
                history = history.with_preview(found)
        yield PreviewsRead(history)

    def detach(self, training: DetachedTraining) -> Iterator[EngineEvent]:
        """Start a training in a process of its own."""
        return start_detached(training)

    def watch(self, folder: Path, wait: Callable[[float], object]) -> Iterator[EngineEvent]:
        """Follow a run that another process writes; ``wait`` is called between two looks."""
        from ptycho_engine.watching.watch import watch

        return watch(folder, wait=wait)

    def interrupt(self, folder: Path) -> Iterator[EngineEvent]:
        """Ask the process of a detached training to stop."""
        from ptycho_engine.runs.detached import interrupt

        yield MessageLogged("info", f"Asked process {interrupt(folder)} to stop; it leaves a checkpoint.")

    def running_runs(self, parent: Path) -> Iterator[RunRecord]:
        """Yield the runs in the folders of ``parent`` that some process still writes."""
        from ptycho_engine.runs.detached import running_runs

        return running_runs(parent)

    def infer(self, dataset: Dataset, bundle: Bundle, config: InferConfig) -> Iterator[EngineEvent]:
        """Infer the whole scan; nothing is written."""
        from ptycho_engine.inference import infer

        return infer(stoppable(dataset, asked_to_stop), bundle, config)

    def refine(
        self, dataset: Dataset, bundle: Bundle, canvas: Canvas, config: InferConfig, *, network_canvas: Canvas
    ) -> Iterator[EngineEvent]:
        """Bring a canvas in line with the patterns; nothing is written."""
        from ptycho_engine.refinement_verb import refine_canvas

        return refine_canvas(stoppable(dataset, asked_to_stop), bundle, canvas, config, network_canvas=network_canvas)

    def simulate(self, path: Path) -> Iterator[EngineEvent]:
        """Simulate a small scan of a procedural object, write it, and open it."""
        from ptycho_engine.formats import read_dataset
        from ptycho_engine.physics.simulate import SimulateConfig, simulate_scan

        yield from simulate_scan(SimulateConfig(n_scan=400, object_kind="cells", seed=7), path)
        yield DatasetOpened(read_dataset(path))

    def save_bundle(self, bundle: Bundle, path: Path) -> Iterator[EngineEvent]:
        """Save a bundle under another name."""
        from ptycho_engine.bundles import save_bundle

        save_bundle(bundle, path)
        yield BundleSaved(path)

    def write_report(self, folder: Path, path: Path) -> Iterator[EngineEvent]:
        """Write the artefact inventory of a run as one HTML file."""
        from ptycho_engine.artefacts.report_html import write_report
        from ptycho_engine.artefacts.run_report import report_run

        write_report(report_run(folder), path)
        yield FileWritten(path)

    def export_canvas(self, export: CanvasExport, path: Path) -> Iterator[EngineEvent]:
        """Write ``reconstruction.npz``, pictures for ``.png``, or what other programs read: CXI, HDF5, float TIFF."""
        from ptycho_engine.artefacts.canvas_exchange import EXCHANGE_SUFFIXES, CanvasFacts, write_canvas_exchange
        from ptycho_engine.artefacts.reconstruction import Reconstruction, write_reconstruction

        if path.suffix.lower() in EXCHANGE_SUFFIXES:
            facts = CanvasFacts(export.scan, export.dataset, export.bundle, export.pixel_size_m)
            yield from map(FileWritten, write_canvas_exchange(export.canvas, facts, path))
            return
        if path.suffix.lower() == ".png":
            yield from _export_pictures(export.canvas, path)
            return
        reconstruction = Reconstruction(
            export.canvas,
            export.network_canvas,
            export.intensity_scale,
            dataset=export.dataset,
            bundle=export.bundle,
            pixel_size_m=export.pixel_size_m,
        )
        write_reconstruction(reconstruction, path)
        yield FileWritten(path)


def _export_pictures(canvas: Canvas, path: Path) -> Iterator[EngineEvent]:
    """Write ``NAME_amplitude.png`` and ``NAME_phase.png`` beside each other."""
    from ptycho_engine.artefacts.figures import write_canvas_pictures

    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".export-") as folder:
        pictures = write_canvas_pictures(canvas, Path(folder))
        for picture, what in zip(pictures, ("amplitude", "phase"), strict=True):
            target = path.with_name(f"{path.stem}_{what}.png")
            picture.replace(target)
            yield FileWritten(target)


def existing(path: Path) -> Path:
    """Return a path that was open at the last start.

    Raises
    ------
    InputError
        If there is nothing any more.
    """
    from ptycho_engine.errors import InputError

    if not path.exists():
        raise InputError("was open at the last start and is gone", "Put it back, or go on without it.", file=path)
    return path


def holds_a_run(folder: Path) -> bool:
    """Tell whether a folder holds a run that can be followed."""
    from ptycho_engine.watching.watch import is_run_folder

    return is_run_folder(folder)


_BUNDLE_MEMBERS = {"manifest.dill", "params.dill", "model.pth", "model.keras", "data.pkl"}


def holds_a_bundle(path: Path) -> bool:
    """Tell whether the file is an archive with the members of a bundle, whatever it is called."""
    return any(name.rsplit("/", 1)[-1] in _BUNDLE_MEMBERS for name in _member_names(path))


def holds_a_reconstruction(path: Path) -> bool:
    """Tell whether the file is an archive with the members of a ``reconstruction.npz``, whatever it is called."""
    return {"canvas.npy", "origin_px.npy"} <= set(_member_names(path))


def _member_names(path: Path) -> Sequence[str]:
    if not path.is_file():
        return ()  # A pipe would block, a folder is none.
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError):
        # Not a readable archive: the readers say what is wrong with it.
        return ()
