"""The forward model and the translation under it, against reference values and against plain numpy."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import gammaln

from ptycho_engine.config import ModelConfig
from ptycho_engine.geometry.translate import shift_matrices, translate
from ptycho_engine.models.losses import poisson_loss
from ptycho_engine.physics.forward import (
    merge_by_probe,
    merge_group,
    merge_unweighted,
    predict_amplitude,
    predict_intensity_rectangular,
    region_side,
    seen_patches,
)
from ptycho_engine.physics.probe import soft_disk

ALONE = torch.zeros(1, 1, 2)


def tensor(values: NDArray[Any]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values))


def offsets_of(coords_relative: NDArray[Any]) -> torch.Tensor:
    """Return (B, C, 2) (dy, dx) from upstream's (B, C, 1, [x, y]) of the opposite sign."""
    return tensor(-coords_relative[:, :, 0, ::-1])


@pytest.fixture(scope="module")
def golden(golden_dir: Path) -> dict[str, NDArray[Any]]:
    return dict(np.load(golden_dir / "vectors" / "forward_model.npz"))


def test_amplitude_of_one_patch(golden: dict[str, NDArray[Any]]) -> None:
    patch, probe = tensor(golden["patch"])[None, None], tensor(golden["probe"])[None]
    plain = predict_amplitude(patch, ALONE, probe, ModelConfig(64, 1))
    np.testing.assert_allclose(plain[0, 0], golden["amp_pred"], atol=1e-6)
    assert float(plain.sum()) == pytest.approx(434.8377, rel=1e-6)
    masked = predict_amplitude(patch, ALONE, probe, ModelConfig(64, 1, probe_mask=True))
    np.testing.assert_allclose(masked[0, 0], golden["amp_pred_probe_mask"], atol=1e-6)


def test_rectangular_intensity_of_one_patch(golden: dict[str, NDArray[Any]]) -> None:
    patch, probe = tensor(golden["patch"])[None, None], tensor(golden["probe"])[None]
    intensity = predict_intensity_rectangular(patch, ALONE, probe, ModelConfig(64, 1))
    np.testing.assert_allclose(intensity[0, 0], golden["rect_intensity_pred"], atol=1e-5)


def test_intensity_of_what_a_real_and_imaginary_network_drew(golden_dir: Path) -> None:
    """The group merged, cut out again, and the field times the factor that the reference recorded."""
    io = np.load(golden_dir / "ci_rect_realimag_gs2_untrained" / "model_io.npz")
    intensity = predict_intensity_rectangular(
        tensor(io["patches"]),
        offsets_of(io["coords_relative"]),
        tensor(io["probe"])[None],
        ModelConfig(64, 2),
        field_scale=float(io["output_scale"].flat[0]),
    )
    np.testing.assert_allclose(intensity, io["pred"], atol=1e-5 * io["pred"].max())
    # Recorded was the factor of normalised amplitudes: 1/sqrt(intensity scale), for a probe that was not normalised.
    assert float(io["output_scale"].flat[0]) == pytest.approx(float(io["physics_scaling_constant"].flat[0]) ** -0.5)


@pytest.mark.parametrize("masked", [False, True])
def test_intensities_of_modes_add(masked: bool) -> None:
    """Against numpy, with different factors of the two parts: no wave of one mode meets that of another."""
    random = np.random.default_rng(1)
    patches = random.standard_normal((2, 3, 64, 64)) + 1j * random.standard_normal((2, 3, 64, 64))
    probe = random.standard_normal((4, 64, 64)) + 1j * random.standard_normal((4, 64, 64))
    model = ModelConfig(64, 2, object_big=False, probe_mask=masked, probe_scale=4.0)
    light = probe * soft_disk(64) if masked else probe
    scaled = 1.3 * patches.real - 0.7j * patches.imag
    expected = np.zeros((2, 3, 64, 64))
    for mode in light:
        expected += np.abs(np.fft.fftshift(np.fft.fft2(scaled * mode), axes=(-2, -1)) / 64 * 2.5) ** 2
    found = predict_intensity_rectangular(
        tensor(patches.astype(np.complex64)),
        torch.zeros(2, 3, 2),
        tensor(probe.astype(np.complex64)),
        model,
        torch.tensor([1.3]),
        torch.tensor([-0.7]),
        field_scale=2.5,
    )
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * expected.max())


def test_amplitude_of_a_merged_group(golden: dict[str, NDArray[Any]], run1084_dir: Path) -> None:
    object_ = np.load(run1084_dir / "run1084_train.npz")["objectGuess"]
    corners = golden["c4_coords_xy"].astype(int) - 32
    patches = np.stack([object_[y : y + 64, x : x + 64] for x, y in corners])
    offsets = tensor(-golden["c4_rel_offsets"][None, :, ::-1])
    model = ModelConfig(64, 2)
    probe = tensor(golden["probe"])[None]
    merged = predict_amplitude(tensor(patches)[None], offsets, probe, model)[0].numpy()
    np.testing.assert_allclose(merged, golden["c4_amp_pred_object_big_f16"], atol=2e-4)  # stored as float16
    alone = predict_amplitude(tensor(patches)[None], offsets, probe, ModelConfig(64, 2, object_big=False))[0].numpy()
    ratios = merged.mean(axis=(1, 2)) / alone.mean(axis=(1, 2))
    np.testing.assert_allclose(ratios, golden["c4_amp_ratio_mean"], rtol=1e-5)


@pytest.mark.parametrize("gridsize", [1, 2])
def test_amplitude_of_what_a_trained_network_drew(gridsize: int, golden_dir: Path) -> None:
    io = np.load(golden_dir / f"gs{gridsize}" / "model_io_first8.npz")
    model = ModelConfig(64, gridsize)
    predicted = predict_amplitude(
        tensor(io["patches"]), offsets_of(io["coords_relative"]), tensor(io["probe"])[None], model
    )
    np.testing.assert_allclose(predicted, io["pred_amplitude"], atol=1e-5)


def test_merge_and_cut_of_what_a_trained_network_drew(golden_dir: Path) -> None:
    io = np.load(golden_dir / "gs2" / "model_io_first8.npz")
    patches, offsets = tensor(io["patches"]), offsets_of(io["coords_relative"])
    side = region_side(ModelConfig(64, 2))
    assert side == 68
    merged, weight = merge_group(patches, *shift_matrices(offsets.reshape(-1, 2), side, 64, 2))
    scale = np.abs(io["merged"]).max()
    np.testing.assert_allclose(merged, io["merged"], atol=1e-5 * scale)
    np.testing.assert_array_equal(weight > 1e-6, io["merged_mask"])
    np.testing.assert_allclose(
        seen_patches(patches, offsets, tensor(io["probe"])[None], ModelConfig(64, 2)),
        io["extracted"],
        atol=1e-5 * scale,
    )


def test_training_merge_of_six_patches(golden_dir: Path) -> None:
    golden = np.load(golden_dir / "vectors" / "reassembly_6patches.npz")
    model = _small_model()
    patches = tensor(golden["patches"][:4])[None]
    offsets = tensor(-golden["train_rel_offsets"][None, :, ::-1])
    side = int(golden["train_merge_M"])
    assert region_side(model) == side
    merged, _ = merge_group(patches, *shift_matrices(offsets[0], side, 16, 2))
    np.testing.assert_allclose(merged[0], golden["train_merge_canvas"], atol=1e-5)
    np.testing.assert_allclose(
        seen_patches(patches, offsets, tensor(golden["probe"])[None], model)[0], golden["train_extracted"], atol=1e-5
    )


def test_translation_is_upstreams(golden_dir: Path) -> None:
    golden = np.load(golden_dir / "vectors" / "reassembly_6patches.npz")
    moved = translate(tensor(golden["patches"]), tensor(golden["offsets_xy_centered"][:, ::-1]))
    np.testing.assert_allclose(moved, golden["translate_plus_offset"], atol=1e-5)


def test_an_impulse_moves_down_by_dy_and_right_by_dx() -> None:
    image = torch.zeros(1, 9, 9, dtype=torch.complex64)
    image[0, 4, 4] = torch.tensor(1 + 2j)
    moved = translate(image, torch.tensor([[1.0, 2.0]]))
    assert moved[0, 5, 6] == 1 + 2j
    assert int((moved != 0).sum()) == 1
    split = translate(image, torch.tensor([[0.25, -3.0]]))
    assert split[0, 4, 1] == 0.75 * (1 + 2j)
    assert split[0, 5, 1] == 0.25 * (1 + 2j)


@settings(max_examples=20, deadline=None)
@given(dy=st.floats(-12, 12), dx=st.floats(-12, 12))
def test_translation_agrees_with_four_whole_shifts(dy: float, dx: float) -> None:
    image = np.random.default_rng(0).standard_normal((8, 8)) + 1j
    row, column = int(np.floor(dy)), int(np.floor(dx))
    fy, fx = dy - row, dx - column
    wide = np.zeros((48, 48), complex)
    for down, right, weight in (
        (0, 0, (1 - fy) * (1 - fx)),
        (1, 0, fy * (1 - fx)),
        (0, 1, (1 - fy) * fx),
        (1, 1, fy * fx),
    ):
        top, left = 20 + row + down, 20 + column + right
        wide[top : top + 8, left : left + 8] += weight * image
    moved = translate(tensor(image[None].astype(np.complex64)), torch.tensor([[dy, dx]], dtype=torch.float32))
    np.testing.assert_allclose(moved[0], wide[20:28, 20:28], atol=2e-5)


def test_amplitude_agrees_with_numpy_for_several_modes() -> None:
    random = np.random.default_rng(0)
    patch = random.standard_normal((64, 64)) + 1j * random.standard_normal((64, 64))
    probe = random.standard_normal((3, 64, 64)) + 1j * random.standard_normal((3, 64, 64))
    expected = np.abs(np.fft.fftshift(np.fft.fft2(patch * probe.sum(axis=0) / 4))) / 64
    predicted = predict_amplitude(
        tensor(patch.astype(np.complex64))[None, None], ALONE, tensor(probe.astype(np.complex64)), ModelConfig(64, 1)
    )
    np.testing.assert_allclose(predicted[0, 0], expected, atol=1e-4)


def test_gradients_reach_patches_and_offsets() -> None:
    torch.manual_seed(0)
    patches = torch.randn(2, 4, 64, 64, dtype=torch.complex64, requires_grad=True)
    offsets = (torch.rand(2, 4, 2) * 3 - 1.5).requires_grad_()
    probe = torch.randn(1, 64, 64, dtype=torch.complex64)
    loss = predict_amplitude(patches, offsets, probe, ModelConfig(64, 2)).square().sum()
    loss.backward()  # type: ignore[no-untyped-call]
    assert patches.grad is not None
    assert offsets.grad is not None
    assert torch.isfinite(torch.view_as_real(patches.grad)).all()
    assert float(offsets.grad.abs().max()) > 0
    step = 1e-2 * patches.grad / patches.grad.abs().max()
    lower = predict_amplitude(patches - step, offsets, probe, ModelConfig(64, 2)).square().sum()
    assert lower.item() < loss.item()


def _small_model() -> ModelConfig:
    """Return settings for patches of 16 px, which no network has but the reference merge does."""
    model = ModelConfig(64, 2)
    object.__setattr__(model, "n", 16)
    return model


def test_central_merge_of_six_patches_on_a_wide_region(golden_dir: Path) -> None:
    golden = np.load(golden_dir / "vectors" / "reassembly_6patches.npz")
    side = int(golden["central_mask_M"])
    mirrored = tensor(-golden["offsets_xy_centered"][:, ::-1])
    merged, _ = merge_group(tensor(golden["patches"])[None], *shift_matrices(mirrored, side, 16, (side - 16) // 2))
    np.testing.assert_allclose(merged[0], golden["central_mask_padded_canvas"], atol=1e-5)


def test_merge_by_probe_of_six_patches(golden_dir: Path) -> None:
    golden = np.load(golden_dir / "vectors" / "reassembly_6patches.npz")
    side = int(golden["probe_helper_M"])
    mirrored = tensor(-golden["offsets_xy_centered"][:, ::-1])
    places = shift_matrices(mirrored, side, 16, (side - 16) // 2)
    merged, _ = merge_by_probe(tensor(golden["patches"])[None], *places, tensor(golden["probe"])[None])
    np.testing.assert_allclose(merged[0], golden["probe_weight_canvas"], atol=1e-5)


def test_a_group_merged_by_its_probe_diffracts_as_its_members_alone() -> None:
    """Whole steps and one object: every member is cut out of the merged region as it was put in."""
    random = np.random.default_rng(0)
    object_ = tensor((random.random((72, 72)) * np.exp(1j * random.random((72, 72)))).astype(np.complex64))
    corners = torch.tensor([[3.0, 3.0], [3.0, 5.0], [5.0, 3.0], [5.0, 5.0]])
    patches = torch.stack([object_[int(y) : int(y) + 64, int(x) : int(x) + 64] for y, x in corners.tolist()])[None]
    offsets = (corners - corners.mean(dim=0))[None]
    across = np.linspace(-1, 1, 64)
    # Bright to its very rim, where the weight of central windows is zero.
    probe = tensor((np.exp(-(across[:, None] ** 2 + across[None, :] ** 2)) + 0.2j).astype(np.complex64))[None]
    alone = predict_amplitude(patches, offsets, probe, ModelConfig(64, 2, object_big=False))
    by_probe = predict_amplitude(patches, offsets, probe, ModelConfig(64, 2, merge_weights="probe"))
    by_centre = predict_amplitude(patches, offsets, probe, ModelConfig(64, 2))
    np.testing.assert_allclose(by_probe, alone, atol=1e-4)
    assert float((by_centre - alone).abs().max()) > 0.1


def test_november_merges_groups_by_its_own_rule(golden_dir: Path) -> None:
    golden = np.load(golden_dir / "vectors" / "nov2025_reassembly_forward.npz")
    patches = np.load(golden_dir / "vectors" / "reassembly_6patches.npz")
    offsets = tensor(patches["offsets_xy_centered"][:, ::-1])
    rows, columns = shift_matrices(offsets, int(golden["M"]), 16, 4)
    merged, weight = merge_unweighted(tensor(patches["patches"])[None], rows, columns)
    np.testing.assert_allclose(merged[0], golden["canvas_all6"], atol=1e-5 * np.abs(golden["canvas_all6"]).max())
    np.testing.assert_array_equal(weight[0] > 1e-6, golden["mask_all6"])


def test_november_sees_a_group_mirrored() -> None:
    """Against plain numpy at whole pixels: moved by the mean minus the position, summed whole, cut out again."""
    rng = np.random.default_rng(0)
    patches = (rng.normal(size=(1, 4, 64, 64)) + 1j * rng.normal(size=(1, 4, 64, 64))).astype(np.complex64)
    offsets = np.array([[1, 2], [-1, 0], [2, -2], [-2, 0]])
    total, count = np.zeros((68, 68), complex), np.zeros((68, 68))
    for patch, (dy, dx) in zip(patches[0], offsets, strict=True):
        total[2 - dy : 66 - dy, 2 - dx : 66 - dx] += patch
        count[18 - dy : 50 - dy, 18 - dx : 50 - dx] += 1
    merged = np.where(count > 0, total / np.maximum(count, 1), 0)
    expected = [merged[2 - dy : 66 - dy, 2 - dx : 66 - dx] for dy, dx in offsets]
    moved = tensor(offsets[None].astype(np.float32))
    model = ModelConfig(gridsize=2, merge_weights="2025-11")
    seen = seen_patches(tensor(patches), moved, torch.ones(1, 64, 64), model)
    np.testing.assert_allclose(seen[0], expected, atol=1e-5)


def test_november_divides_its_amplitude_by_its_scale(golden: dict[str, NDArray[Any]], golden_dir: Path) -> None:
    scale = 9.882118
    patch, probe = tensor(golden["patch"])[None, None], tensor(golden["probe"])[None]
    november = ModelConfig(64, 1, release="2025-11", merge_weights="2025-11", probe_scale=4.0)
    predicted = predict_amplitude(patch, ALONE, probe, november) / scale
    expected = np.load(golden_dir / "vectors" / "nov2025_reassembly_forward.npz")["amp_pred_output_scale_9882118"]
    np.testing.assert_allclose(predicted[0, 0], expected, atol=1e-5 * expected.max())
    counts = tensor(golden["amp_pred"])[None, None] / scale
    rate, count = expected.astype(float) ** 2, counts[0, 0].double().numpy() ** 2
    terms = rate - np.where(count > 0, count * np.log(np.where(rate > 0, rate, 1)), 0) + gammaln(count + 1)
    loss = poisson_loss(predicted, counts, 1.0).item()
    assert loss == pytest.approx(terms.sum() / counts.mean().item(), rel=1e-5)
