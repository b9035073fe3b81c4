"""Measure what a very long scan takes: ``python -m tests.benchmarks.million_positions [POSITIONS …] [--no-ramp]``.

The patterns are 128 px, a few of them over and over as they are asked for, so that a scan of a million takes no
disk; in the place of the network stands one that costs nothing, so that all the rest is measured. Prints the peak of
the resident memory, patches a second of CPU time, and how well the time left was told until everything is written.
Several numbers are measured in processes of their own, followed by the exponents with which time and memory grow.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import torch

from ptycho_engine import inference, inference_job
from ptycho_engine.arrays import FloatArray, IndexArray
from ptycho_engine.config import InferConfig, ModelConfig
from ptycho_engine.documents import Bundle, Dataset
from ptycho_engine.events import InferenceCompleted, Progressed
from ptycho_engine.models.pinn import build_network, state_of
from ptycho_engine.physics.simulate import make_probe, scan_raster
from ptycho_engine.working_time import WorkingTime

N = 128
STEP_PX = 4.0
_KINDS = 16
FIRST_MINUTE_S = 60.0
_CANVASES = 3
"""Held at once: the sums, the picture told last and the one that is being made."""


@dataclass(frozen=True)
class ComputedFrames:
    """A few patterns over and over, each time rolled a little."""

    some: FloatArray
    count: int
    stored_dtype: str = "float32"

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.count, N, N

    def read(self, indices: IndexArray | slice) -> FloatArray:
        numbers = np.arange(self.count)[indices] if isinstance(indices, slice) else np.asarray(indices)
        return self.some[numbers % _KINDS]


class _NoNetwork(torch.nn.Module):
    """Draws a patch of amplitude one whose phase follows the pattern."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.polar(torch.ones_like(images), 0.01 * images)


def long_scan(count: int) -> Dataset:
    rng = np.random.default_rng(0)
    some = np.sqrt(rng.poisson(20.0, (_KINDS, N, N))).astype(np.float32)
    positions = scan_raster(count, STEP_PX, (N / 2 + 4.0, N / 2 + 4.0), 1)
    return Dataset("long", None, ComputedFrames(some, count), positions, make_probe(N), n_photons=1e5)


def measure(count: int, *, fit_ramp: bool) -> dict[str, float]:
    """Infer and return the figures."""
    # On a busy machine only the time of this process tells whether the time left is told well.
    inference.WorkingTime = partial(WorkingTime, time.process_time)  # type: ignore[assignment, attr-defined]
    inference_job.build_model = lambda *_: _NoNetwork()  # type: ignore[assignment, attr-defined]
    model = ModelConfig(n=N, gridsize=1, architecture="full_patch_cnn")
    bundle = Bundle("none", None, model.release, model, state_of(build_network(model)), 9.9, "made up")
    process = psutil.Process()
    config = InferConfig(accelerator="cpu", batch_size=64, fit_ramp=fit_ramp)
    before = process.memory_info().rss
    guess = (0.0, 0.0)
    begun, cpu = time.monotonic(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        for event in inference.infer(long_scan(count), bundle, config, out=Path(folder) / "run"):
            if isinstance(event, Progressed) and event.seconds_left is not None:
                now = time.process_time() - cpu
                if not guess[0] and (now > FIRST_MINUTE_S or event.n_done * 5 > event.n_total):
                    guess = (now, event.seconds_left)
            if isinstance(event, InferenceCompleted):
                canvas, rate = event.canvas, event.patches_per_s
    seconds, wall = time.process_time() - cpu, time.monotonic() - begun
    left = seconds - guess[0]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    canvas_bytes = canvas.object_.nbytes + canvas.weight.nbytes
    return {
        "positions": count,
        "side_of_canvas_px": canvas.object_.shape[0],
        "patches_MB": count * N * N * 8 / 1e6,
        "memory_before_MB": before / 1e6,
        "peak_memory_MB": peak / 1e6,
        "canvas_MB": canvas_bytes / 1e6,
        "memory_without_canvases_MB": (peak - before - _CANVASES * canvas_bytes) / 1e6,
        "patches_per_s": rate,
        "cpu_s": seconds,
        "wall_s": wall,
        "time_left_told_after_s": guess[0],
        "time_left_told_s": guess[1],
        "time_left_was_s": left,
        "wrong_by": abs(guess[1] - left) / left if left > 0 else 0.0,
    }


def growth(counts: list[int], words: list[str]) -> Iterator[dict[str, float]]:
    """Yield the figures of several sizes, each of a process of its own, and the exponents."""
    found = []
    for count in counts:
        command = [sys.executable, "-m", "tests.benchmarks.million_positions", str(count), *words]
        found.append(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))
        yield found[-1]
    names = ("cpu_s", "memory_without_canvases_MB")
    sizes = np.log(counts)
    yield {f"exponent_of_{name}": np.polyfit(sizes, np.log([one[name] for one in found]), 1)[0] for name in names}


def main(words: list[str]) -> None:
    """Measure and print."""
    flags = [word for word in words if word.startswith("-")]
    counts = [int(float(word)) for word in words if not word.startswith("-")] or [1_000_000]
    several = growth(counts, flags) if len(counts) > 1 else [measure(counts[0], fit_ramp="--no-ramp" not in flags)]
    for found in several:
        sys.stdout.write(json.dumps({name: round(float(value), 3) for name, value in found.items()}, indent=2) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
