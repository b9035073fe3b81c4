"""Inference: the engine's own loop, against the network called plainly."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from ptycho_engine.arrays import ComplexArray
from ptycho_engine.benchmarks.machine import Machine
from ptycho_engine.benchmarks.measuring import in_turns
from ptycho_engine.benchmarks.row import OWN, Limit, Row, at_most, faster
from ptycho_engine.benchmarks.samples import simulated_scan, trained_bundle, untrained_bundle
from ptycho_engine.benchmarks.settings import BenchSettings
from ptycho_engine.config import InferConfig
from ptycho_engine.documents import Bundle, Dataset
from ptycho_engine.inference_job import InferenceJob, prepare_inference
from ptycho_engine.models.pinn import build_model

BATCH = 16
_BATCHES = 2
_PLAIN = "the network, called plainly"
_IN_BF16 = "this program, bf16"
_COMPILED = "this program, compiled"
_CPU = torch.device("cpu")


def inference(settings: BenchSettings, machine: Machine, folder: Path) -> Iterator[Row]:
    """Measure PtychoPINN's own network, and the trained one that comes with the program."""
    dataset = simulated_scan(folder, 256)
    cnn = untrained_bundle()
    yield _patches_per_second("cnn (untrained)", cnn, dataset, settings, machine)
    if not settings.quick:
        yield _patches_per_second(
            "full_patch_cnn (trained)", trained_bundle(), dataset, settings, machine, judged=False
        )
    yield _error_of_bf16(dataset, 64 if settings.quick else 256)


def engine_job(bundle: Bundle, dataset: Dataset, n_groups: int, precision: str = "32") -> InferenceJob:
    """Return an inference of some groups in batches of 16, ready to run."""
    config = InferConfig(n_groups=n_groups, batch_size=BATCH, accelerator="cpu", precision=precision)
    return prepare_inference(dataset, bundle, config, _CPU)


def engine_patches(job: InferenceJob) -> ComplexArray:
    """Return the patches of all groups as the engine's loop yields them, (n, N, N)."""
    return np.concatenate([one.patches[:, 0] for one in job.predictions()])


def plain_patches(network: torch.nn.Module, images: list[torch.Tensor]) -> ComplexArray:
    """Return the patches of batches of patterns by calls of a network as it is, without gradients, (n, N, N)."""
    with torch.no_grad():
        return np.concatenate([network(batch)[:, 0].numpy() for batch in images])


def plain_images(job: InferenceJob) -> list[torch.Tensor]:
    """Return the patterns of an inference as contiguous batches."""
    batches = job.batches
    return [batches.batch(groups).images.contiguous() for groups in batches.slices(batches.all_groups())]


def forward_flops(network: torch.nn.Module, images: torch.Tensor) -> float:
    """Return the floating-point operations of one call."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(images)
    return float(counter.get_total_flops())


def _patches_per_second(
    name: str, bundle: Bundle, dataset: Dataset, settings: BenchSettings, machine: Machine, *, judged: bool = True
) -> Row:
    count = BATCH * _BATCHES
    job, half = (engine_job(bundle, dataset, count, precision) for precision in ("32", "bf16"))
    network, images = build_model(bundle), plain_images(job)
    ways = {
        OWN: lambda: engine_patches(job),
        _PLAIN: lambda: plain_patches(network, images),
        _IN_BF16: lambda: engine_patches(half),
    }
    compiled, note = _compiled_job(bundle, dataset, count, settings)
    if compiled is not None:
        ways[_COMPILED] = lambda: engine_patches(compiled)
    timings = in_turns(ways, settings.rounds)
    own, plain = engine_patches(job), plain_patches(network, images)
    values = {"patches_per_s": count / timings[OWN].median, "patches_per_s_bf16": count / timings[_IN_BF16].median}
    if compiled is not None:
        values["patches_per_s_compiled"] = count / timings[_COMPILED].median
        values["largest_difference_compiled"] = float(np.abs(engine_patches(compiled) - own).max())
    largest = float(np.abs(own - job.level.amplitude_factor * plain).max())
    flops = forward_flops(network, images[0]) * _BATCHES
    return Row(
        "inference",
        f"{name}, {count} patterns of {dataset.n} px in batches of {BATCH}",
        timings,
        (
            faster(">= 1.4x the network called plainly", 1.4, timings[OWN], timings[_PLAIN], applies=judged),
            at_most("largest difference of the patches <= 1e-6", 1e-6, largest),
            faster(
                ">= 4x in bf16 where the CPU has matrix units (AMX)",
                4,
                timings[_IN_BF16],
                timings[_PLAIN],
                applies=judged and machine.matrix_units,
            ),
        ),
        Limit("matrix products in float32", flops / machine.matmul_flops),
        values,
        note,
    )


def _compiled_job(
    bundle: Bundle, dataset: Dataset, count: int, settings: BenchSettings
) -> tuple[InferenceJob | None, str]:
    """Return an inference with a compiled network, and how long that took; none where it is not asked or fails."""
    if settings.quick:
        return None, ""
    job = engine_job(bundle, dataset, count)
    told = job.compile()
    return job if told.level == "info" else None, told.text


def _error_of_bf16(dataset: Dataset, count: int) -> Row:
    """Compare what a trained network draws in bf16 with what it draws in 32 bits."""
    bundle = trained_bundle()
    exact, half = (engine_patches(engine_job(bundle, dataset, count, one)) for one in ("32", "bf16"))
    level = float(np.sqrt(np.mean(np.abs(exact) ** 2)))
    difference = np.abs(half - exact) / level
    phase = np.abs(np.angle(half * exact.conj()))
    return Row(
        "inference",
        f"error of bf16: the trained network, {count} patterns",
        values={
            "rms_of_amplitude": float(np.sqrt(np.mean(difference**2))),
            "largest_of_amplitude": float(difference.max()),
            "rms_phase_rad": float(np.sqrt(np.mean(phase**2))),
        },
        note="Relative to the root mean square of the drawn object; the phase where it is drawn, unweighted.",
    )
