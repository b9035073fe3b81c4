"""How closely the reference networks are reproduced: ``python -m tests.benchmarks.golden_agreement [DRAWS]``.

For each reference bundle and quantity the largest absolute difference in parts of the largest recorded value, and the
relative difference of the loss; for the canvases of older releases the largest absolute difference.

The groups of one canvas, gs2's of the barycentric route, were drawn at random and not recorded. With DRAWS (about 25
seconds each, 6 say) as many canvases are made with other groups, and it is told how far the recorded one lies from
their mean, in parts of how far they lie apart: about 1 if it is another draw of the same.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ptycho_engine.bundles import read_bundle
from ptycho_engine.config import InferConfig
from ptycho_engine.events import InferenceCompleted
from ptycho_engine.formats import read_dataset
from ptycho_engine.geometry.translate import shift_matrices
from ptycho_engine.inference import infer
from ptycho_engine.models.losses import poisson_loss
from ptycho_engine.models.pinn import build_model
from ptycho_engine.physics.forward import (
    merge_group,
    predict_amplitude,
    predict_intensity_rectangular,
    region_side,
    seen_patches,
)

SHARED = Path(os.environ.get("PTYCHOSCOPE_SHARED") or Path(__file__).resolve().parents[3] / "shared")
GOLDEN, DATA = SHARED / "golden", SHARED / "data"
Row = tuple[str, str, float, float]
"""Bundle, quantity, difference, the limit."""
LIMIT = 1e-5


def _difference(found: torch.Tensor, recorded: NDArray[np.generic]) -> float:
    return float(np.abs(found.detach().numpy() - recorded).max() / np.abs(recorded).max())


def _batch(io: np.lib.npyio.NpzFile) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return images, local offsets ``(y, x)`` and probe; upstream stores ``(x, y)`` of centre minus position."""
    offsets = -io["coords_relative"][:, :, 0, ::-1].copy()
    return torch.from_numpy(io["images"]), torch.from_numpy(offsets), torch.from_numpy(io["probe"])[None]


def trained(name: str) -> Iterator[Row]:
    """Yield the rows of a trained network."""
    bundle = read_bundle(GOLDEN / name / "wts.h5.zip")
    network = build_model(bundle)
    with np.load(GOLDEN / name / "model_io_first8.npz") as io, torch.inference_mode():
        images, offsets, probe = _batch(io)
        patches = network(images)
        amplitude, phase = network.autoencoder(images)
        predicted = predict_amplitude(patches, offsets, probe, bundle.model)
        yield name, "patches", _difference(patches, io["patches"]), LIMIT
        yield name, "amplitude of the patches", _difference(amplitude, io["amp"]), LIMIT
        yield name, "phase of the patches", _difference(phase, io["phase"]), LIMIT
        if "merged" in io.files:
            side = region_side(bundle.model)
            places = shift_matrices(offsets.reshape(-1, 2), side, bundle.model.n, (side - bundle.model.n) // 2)
            yield name, "merged region of a group", _difference(merge_group(patches, *places)[0], io["merged"]), LIMIT
            seen = seen_patches(patches, offsets, probe, bundle.model)
            yield name, "patches cut out of it", _difference(seen, io["extracted"]), LIMIT
        yield name, "predicted amplitude", _difference(predicted, io["pred_amplitude"]), LIMIT
        loss = poisson_loss(predicted, images, torch.from_numpy(io["physics_scaling_constant"])).item()
        yield name, "loss", abs(loss / float(io["loss"]) - 1), LIMIT


def november() -> Iterator[Row]:
    """Yield the row of the network of November 2025; nothing but its patches was recorded."""
    folder = GOLDEN / "era_nov2025_gs2_untrained"
    network = build_model(read_bundle(folder / "wts.h5.zip"))
    with np.load(folder / "nov_model_io.npz") as io, torch.inference_mode():
        yield folder.name, "patches", _difference(network(torch.from_numpy(io["images"])), io["patches"]), LIMIT


def rectangular() -> Iterator[Row]:
    """Yield the rows of the network of real and imaginary parts; the loss recorded with it is NaN."""
    folder = GOLDEN / "ci_rect_realimag_gs2_untrained"
    bundle = read_bundle(folder / "wts.h5.zip")
    network = build_model(bundle)
    with np.load(folder / "model_io.npz") as io, torch.inference_mode():
        images, offsets, probe = _batch(io)
        patches = network(images)
        yield folder.name, "patches", _difference(patches, io["patches"]), LIMIT
        yield folder.name, "amplitude of the patches", _difference(patches.abs(), io["branch1"]), LIMIT
        yield folder.name, "phase of the patches", _difference(patches.angle(), io["branch2"]), LIMIT
        factor = float(io["output_scale"].ravel()[0])
        drawn = network.object_of(patches)
        intensity = predict_intensity_rectangular(drawn, offsets, probe, bundle.model, field_scale=factor)
        yield folder.name, "predicted intensity", _difference(intensity, io["pred"]), LIMIT


def canvases() -> Iterator[Row]:
    """Yield the rows of whole canvases of July 2026."""
    dataset = read_dataset(DATA / "run1084_test.npz")
    for name, mode, record in (
        ("gs1", "2026-07", "inference_uniform"),
        ("gs2", "2026-07", "inference_uniform"),
        ("gs1", "2026-07-barycentric", "inference_barycentric"),
    ):
        config = InferConfig(accelerator="cpu", compatibility=mode, preview_interval_s=3600.0)
        *_, completed = infer(dataset, read_bundle(GOLDEN / name / "wts.h5.zip"), config)
        assert isinstance(completed, InferenceCompleted)
        with np.load(GOLDEN / name / f"{record}.npz") as recorded:
            worst = float(np.abs(completed.canvas.object_ - recorded["canvas"]).max())
        yield name, f"canvas of {mode} (absolute)", worst, 1e-4


def drawn_anew(count: int) -> tuple[float, list[float]]:
    """Return how far the recorded barycentric canvas of gs2 lies from others, and each of these from the rest.

    In parts of what is expected of one more draw, root mean square over the pixels.
    """
    dataset, bundle = read_dataset(DATA / "run1084_test.npz"), read_bundle(GOLDEN / "gs2" / "wts.h5.zip")
    canvases = []
    for seed in range(count):
        config = InferConfig(
            accelerator="cpu", compatibility="2026-07-barycentric", preview_interval_s=3600.0, seed=seed
        )
        *_, completed = infer(dataset, bundle, config)
        assert isinstance(completed, InferenceCompleted)
        canvases.append(completed.canvas.object_)
    draws = np.array(canvases)

    def distance(one: NDArray[np.complex64], others: NDArray[np.complex64]) -> float:
        mean = others.mean(axis=0)
        variance = np.square(np.abs(others - mean)).sum(axis=0).mean() / (len(others) - 1)
        return float(np.sqrt(np.square(np.abs(one - mean)).mean() / (variance * (1 + 1 / len(others)))))

    with np.load(GOLDEN / "gs2" / "inference_barycentric.npz") as recorded:
        found = distance(recorded["canvas"], draws)
    return found, [distance(draws[number], np.delete(draws, number, axis=0)) for number in range(count)]


def main() -> None:
    """Print the table."""
    if len(sys.argv) > 1:
        found, among = drawn_anew(int(sys.argv[1]))
        sys.stdout.write(f"recorded canvas: {found:.2f}; draws: {', '.join(f'{one:.2f}' for one in among)}\n")
    rows = [*trained("gs1"), *trained("gs2"), *november(), *rectangular(), *canvases()]
    for name, quantity, difference, limit in rows:
        verdict = "" if difference <= limit else "   beyond the limit"
        sys.stdout.write(f"{name:32} {quantity:42} {difference:9.2e}  (limit {limit:g}){verdict}\n")
    sys.exit(any(row[2] > row[3] for row in rows))


if __name__ == "__main__":
    main()
