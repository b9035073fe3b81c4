"""The inference verb: patches of a whole scan, stitched while they come."""

import math
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ptycho_engine.assumptions import settle
from ptycho_engine.compiled_network import COMPILING, forget_compiled
from ptycho_engine.config import InferConfig
from ptycho_engine.device import compute_settings, describe_device, device_choice, device_errors, free_device
from ptycho_engine.diagnostics.metrics import compare_with_object
from ptycho_engine.documents import Bundle, Canvas, Dataset, ReconstructionMetrics, Rectangle
from ptycho_engine.errors import ConfigError, Stopped
from ptycho_engine.events import (
    CanvasUpdated,
    DiagnosisFound,
    EngineEvent,
    InferenceCompleted,
    JobStarted,
    MessageLogged,
    MetricsMeasured,
    Progressed,
    RefinementBegan,
)
from ptycho_engine.examination import examine_pair
from ptycho_engine.going_on import GoOn, always
from ptycho_engine.inference_files import InferenceFiles
from ptycho_engine.inference_job import GroundTruth, InferenceJob, known_object, prepare_inference, require_fitting
from ptycho_engine.inference_preview import InferencePreview
from ptycho_engine.inference_sample import InferenceSample
from ptycho_engine.inference_settings import NEEDS_TWO_PARTS, without_meaning
from ptycho_engine.inference_stats import InferenceStats
from ptycho_engine.inference_stitch import CompatibleStitch, LiveStitch, Stitch
from ptycho_engine.inference_varpro import SolvedFactors
from ptycho_engine.preview import RateLimit
from ptycho_engine.ranks import ALONE, Ranks
from ptycho_engine.refinement import Refinement
from ptycho_engine.refinement_task import prepare_refinement
from ptycho_engine.runs.event_record import bundle_summary, dataset_summary
from ptycho_engine.runs.recorder import record
from ptycho_engine.runs.run_folder import RunFolder
from ptycho_engine.time_left import TimeLeft
from ptycho_engine.working_time import WorkingTime


def infer(
    dataset: Dataset,
    bundle: Bundle,
    config: InferConfig,
    *,
    ground_truth: GroundTruth = "auto",
    out: str | Path | None = None,
    debug_dump: str | Path | None = None,
    ranks: Ranks = ALONE,
) -> Generator[EngineEvent, None, None]:
    """Reconstruct the object of a scan; the last event, ``InferenceCompleted``, carries the canvas.

    Amplitudes are normalised by the scan's own input scale, counts by that of the training. Each position is the first
    member of one group; all members of all groups are stitched, each at its own position, so that a pixel is a mean
    over several groups. The canvas is at network scale, and says by what to divide for the object's transmission.
    Memory does not depend on the number of patterns. Closing the generator cancels; the canvas that was sent last stays
    as it is.

    Parameters
    ----------
    dataset
        The scan.
    bundle
        The trained network. Settings that it leaves open (``Bundle.assumed``) are taken as they fit the patterns best.
    config
        The settings.
    ground_truth
        The object to compare with, on the grid of the positions; ``"auto"`` takes the scan's own unless it is constant.
    out
        The folder for results; ``None`` writes nothing.
    debug_dump
        A folder for the debug dump; ``None`` writes none.
    ranks
        The processes that infer together, each of which calls this with the same arguments and draws its share of the
        groups. Their canvases are added up, so that all yield the whole one; the first writes the results.

    Raises
    ------
    EngineError
        ``BundleError``, ``DatasetError``, ``ConfigError`` or ``GroupingError`` for inputs that do not fit;
        ``DeviceError`` for want of a device or of its memory; ``OutputError`` if a result cannot be written.
    """
    if debug_dump is not None and not ranks.alone:
        raise ConfigError("several processes cannot share a debug dump", "Leave it out, or use one process.")
    folder = None if out is None or not ranks.first else Path(out)
    files = InferenceFiles(folder, None if debug_dump is None else Path(debug_dump))
    events = _infer(dataset, bundle, config, ground_truth, files, ranks)
    if folder is not None:
        events = record(events, RunFolder(folder, "infer", _description(dataset, bundle, config)))
    yield from events


def _infer(
    dataset: Dataset,
    bundle: Bundle,
    config: InferConfig,
    ground_truth: GroundTruth,
    files: InferenceFiles,
    ranks: Ranks,
) -> Generator[EngineEvent, None, None]:
    with compute_settings(deterministic=config.deterministic):
        choice = device_choice(config.accelerator, config.deterministic)
        if choice.reason and config.accelerator == "auto":
            yield MessageLogged("info", choice.reason)
        # Told before the inputs are refused for it.
        yield from examine_pair(dataset, bundle)
        try:
            with device_errors(choice.device):
                require_fitting(dataset, bundle)
                settled = yield from settle(dataset, bundle, choice.device)
                # The job lives in the frame of _run alone: with that, its tensors are gone before the device is freed.
                working = WorkingTime()
                yield from working.without_waits(
                    _run(
                        prepare_inference(dataset, settled, config, choice.device, ranks),
                        known_object(dataset, ground_truth),
                        files,
                        working,
                    )
                )
        finally:
            if config.compiled:
                forget_compiled()
            free_device(choice.device)


def _run(
    job: InferenceJob, truth: Any, files: InferenceFiles, working: WorkingTime
) -> Generator[EngineEvent, None, None]:
    yield JobStarted("infer", describe_device(job.device), job.n_patches, "patches", files.folder)
    yield from _opening_notes(job)
    if job.config.compiled and len(job.own_groups()):
        yield COMPILING
        yield job.compile()
    started = working()
    stitch: Stitch = LiveStitch(job) if job.mode is None else CompatibleStitch(job, job.mode)
    stats, sample = InferenceStats(job.config, job.mode), InferenceSample(job)
    yield from _stitched(job, stitch, stats, sample, files, working)
    factors = None
    if job.varpro is not None:
        factors = job.varpro.solve()
        stitch.rescale(factors.s1, factors.s2)
        yield MessageLogged("info", factors.text())
    sample.gather()
    stitch.gather()
    yield from _ramp_fitted(job, stitch, working)
    seconds = working() - started
    canvas = stitch.canvas()
    yield _whole(canvas, job.n_patches)
    described = stats.finish(canvas)
    if described is not None:
        yield described
    for finding in sample.findings(canvas):
        yield DiagnosisFound(finding)
    if job.config.refine:
        canvas = yield from _refined(job, canvas, truth, files, factors, working)
        metrics = _compared(canvas, truth, job.go_on)
    else:
        metrics = _compared(canvas, truth, job.go_on)
        files.write(job, canvas, None, metrics, None, factors=factors)
    if metrics is not None:
        yield MetricsMeasured(metrics)
    rate = sum(job.ranks.all(job.n_patches)) / seconds if seconds > 0 else 0.0
    yield InferenceCompleted(canvas, metrics, files.folder, seconds, rate)


def _ramp_fitted(job: InferenceJob, stitch: Stitch, working: WorkingTime) -> Generator[EngineEvent, None, None]:
    """Turn the canvas by the phase ramp that the patterns ask for, and tell of it."""
    if job.ramp is None:
        return
    slope, n_pieces, time_left = np.zeros(2), job.ramp.n_pieces, TimeLeft(clock=working)
    for number, reached in enumerate(job.ramp.fit(stitch.canvas())):
        slope = reached
        # Here the consumer may close the generator.
        left = time_left.seconds(number, max(number, n_pieces))
        yield Progressed(job.n_patches, job.n_patches, "patches", left)
    if np.abs(slope).max() > math.pi / job.bundle.model.n:
        # Half a pixel on the detector: no network that learned from such patterns is that far off.
        text = "The patterns lie half a pixel or more beside the predicted ones: is their centre right?"
        yield MessageLogged("warning", text)
        return
    stitch.turn(slope)
    described = f"{slope[0]:.2g} rad/px down, {slope[1]:.2g} rad/px right"
    yield MessageLogged("info", f"The patterns asked for a phase ramp of {described}: the canvas was turned by it")


def _refined(
    job: InferenceJob,
    drawn: Canvas,
    truth: Any,
    files: InferenceFiles,
    factors: SolvedFactors | None,
    working: WorkingTime,
) -> Generator[EngineEvent, None, Canvas]:
    """Refine what the network drew and write both; whoever stops in between keeps what was reached."""

    def write() -> Canvas:
        # Whole, though somebody may have asked to stop: it is what is kept then.
        canvas = refinement.canvas()
        files.write(job, canvas, drawn, _compared(canvas, truth), _compared(drawn, truth), refinement, factors)
        return canvas

    task = prepare_refinement(job.dataset, job.bundle, drawn, job.config, job.device)
    refinement = Refinement(task, drawn, working)
    yield RefinementBegan(drawn, job.config.refine, refinement.task.n_patterns)
    try:
        yield from refinement.run()
    except (GeneratorExit, Stopped):
        # The consumer has closed the generator to cancel; nothing can be told any more, but it can be kept.
        write()
        raise
    return write()


def _compared(canvas: Canvas, truth: Any, go_on: GoOn = always) -> ReconstructionMetrics | None:
    return None if truth is None else compare_with_object(canvas, truth, go_on)


def _stitched(
    job: InferenceJob,
    stitch: Stitch,
    stats: InferenceStats,
    sample: InferenceSample,
    files: InferenceFiles,
    working: WorkingTime,
) -> Generator[EngineEvent, None, None]:
    """Compute and stitch all patches, telling what there is so far as often as is due."""
    previews = InferencePreview(job)
    limit = RateLimit(job.config.preview_interval_s)
    n_done, time_left = 0, TimeLeft(clock=working)
    for predicted in job.predictions():
        n = predicted.patches.shape[-1]
        patches = predicted.patches.reshape(-1, n, n)
        stitch.add(patches, predicted.positions.reshape(-1, 2))
        files.take(predicted)
        previews.take(predicted)
        sample.take(predicted)
        n_done += len(patches)
        described = stats.take(predicted)
        if described is not None:
            yield described
        while job.remarks:
            yield job.remarks.pop(0)
        left = time_left.seconds(n_done, job.n_patches)
        if left is not None and job.ramp is not None:
            left += job.ramp.seconds_of_fit(working)
        yield Progressed(n_done, job.n_patches, "patches", left)
        if limit.due():
            limit.begin()
            update = CanvasUpdated(stitch.canvas(), stitch.damage(), n_done, job.n_patches)
            shown = previews.event(n_done)
            limit.end()
            yield update
            if shown is not None:
                yield shown
    shown = previews.event(n_done)
    if shown is not None:
        yield shown


def _whole(canvas: Canvas, n_patches: int) -> CanvasUpdated:
    height, width = canvas.object_.shape
    return CanvasUpdated(canvas, Rectangle(0, 0, height, width), n_patches, n_patches)


def _opening_notes(job: InferenceJob) -> Iterator[MessageLogged]:
    n_groups, channels = job.batches.grouping.group_indices.shape
    yield MessageLogged("info", f"{n_groups} groups of {channels}; {job.level.note}")
    yield MessageLogged("info", job.memory_note)
    if job.level.warning:
        yield MessageLogged("warning", job.level.warning)
    if job.varpro is not None and "varpro" in without_meaning(job.config, job.bundle):
        yield MessageLogged("warning", f"VarPro will say little. {NEEDS_TWO_PARTS}")
    if job.mode is not None:
        level = "" if abs(job.input_level - 1) < 0.01 else f"; the network reads {_level(job.input_level)}"
        yield MessageLogged("warning", f"{job.mode.note}{level}. Phases are left as drawn, nothing is refined")
        ignored = job.mode.ignored(job.config)
        if ignored:
            yield MessageLogged("warning", f"Compatibility {job.mode.name} has no use for {', '.join(ignored)}")


def _level(factor: float) -> str:
    return f"patterns {factor:.4g} times as bright as in training"


def _description(dataset: Dataset, bundle: Bundle, config: InferConfig) -> dict[str, Any]:
    return {
        "configuration": config.as_dict(),
        "seed": config.seed,
        "dataset": dataset_summary(dataset),
        "bundle": bundle_summary(bundle),
    }
