"""The verb that refines a canvas that is there already, without the network."""

from collections.abc import Generator

import torch

from ptycho_engine.config import InferConfig
from ptycho_engine.device import compute_settings, describe_device, device_choice, device_errors, free_device
from ptycho_engine.diagnostics.metrics import compare_with_object
from ptycho_engine.documents import Bundle, Canvas, Dataset
from ptycho_engine.errors import ConfigError
from ptycho_engine.events import EngineEvent, InferenceCompleted, JobStarted, MetricsMeasured, RefinementBegan
from ptycho_engine.inference_job import GroundTruth, known_object
from ptycho_engine.refinement import Refinement
from ptycho_engine.refinement_task import prepare_refinement
from ptycho_engine.stoppable_reading import go_on_of
from ptycho_engine.working_time import WorkingTime


def refine_canvas(
    dataset: Dataset,
    bundle: Bundle,
    canvas: Canvas,
    config: InferConfig,
    *,
    network_canvas: Canvas | None = None,
    ground_truth: GroundTruth = "auto",
) -> Generator[EngineEvent, None, None]:
    """Bring a canvas in line with the measured patterns; the last event, ``InferenceCompleted``, carries it.

    Closing the generator cancels; the canvas that was sent last stays as it is. Nothing is written.

    Parameters
    ----------
    dataset, bundle
        What the canvas was made from; of the bundle only the forward model is used.
    canvas
        Where to start.
    config
        ``refine`` passes, at least 1; ``refine_probe``, and the settings of the inference.
    network_canvas
        What to compare with, if not ``canvas``: that of the network where ``canvas`` was refined before.
    ground_truth
        As for :func:`~ptycho_engine.inference.infer`.

    Raises
    ------
    EngineError
        ``BundleError``, ``ConfigError`` or ``DatasetError`` for inputs that do not fit together; ``DeviceError`` for
        want of a device or of its memory.
    """
    if config.refine < 1:
        raise ConfigError("there are no passes to refine with", "Ask for one or more.")
    with compute_settings(deterministic=config.deterministic):
        device = device_choice(config.accelerator, config.deterministic).device
        try:
            with device_errors(device):
                working, compared = WorkingTime(), network_canvas or canvas
                yield from working.without_waits(
                    _run(dataset, bundle, canvas, config, compared, ground_truth, device, working)
                )
        finally:
            free_device(device)


def _run(
    dataset: Dataset,
    bundle: Bundle,
    canvas: Canvas,
    config: InferConfig,
    network_canvas: Canvas,
    ground_truth: GroundTruth,
    device: torch.device,
    working: WorkingTime,
) -> Generator[EngineEvent, None, None]:
    task = prepare_refinement(dataset, bundle, canvas, config, device)
    yield JobStarted("refine", describe_device(device), (task.n_passes + 2) * task.n_patterns, "patterns")
    refinement = Refinement(task, canvas, working)
    yield RefinementBegan(network_canvas, task.n_passes, task.n_patterns)
    yield from refinement.run()
    refined, truth = refinement.canvas(), known_object(dataset, ground_truth)
    metrics = None if truth is None else compare_with_object(refined, truth, go_on_of(dataset))
    if metrics is not None:
        yield MetricsMeasured(metrics)
    seconds = refinement.seconds
    rate = task.n_passes * task.n_patterns / seconds if seconds > 0 else 0.0
    yield InferenceCompleted(refined, metrics, None, seconds, rate)
