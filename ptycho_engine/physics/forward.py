"""What a detector would measure of the patches that the network draws."""

import math
from functools import lru_cache

import torch

from ptycho_engine.config import ModelConfig
from ptycho_engine.geometry.translate import place, shift_matrices
from ptycho_engine.physics.probe import soft_disk

_MERGE_FLOOR = 1e-3
"""Added to the weight of a merge, so that its rim fades out."""
_MERGE_THRESHOLD = 1e-6
_LEAST_WEIGHT = 1e-12
"""Below this, a merge by the probe divides by this instead of the weight."""


def region_side(model: ModelConfig) -> int:
    """Return the side of the region on which the members of a group are merged [px].

    It is N + (gridsize - 1) times ``max_neighbor_distance``, that rounded up to an even number.
    """
    room = math.ceil(model.max_neighbor_distance)
    return model.n + (model.gridsize - 1) * (room + room % 2)


def predict_amplitude(
    patches: torch.Tensor, local_offsets: torch.Tensor, probe: torch.Tensor, model: ModelConfig
) -> torch.Tensor:
    """Predict the normalised diffraction amplitude of patches.

    Nothing here waits for the device, and gradients flow to patches, offsets and probe.

    Parameters
    ----------
    patches
        (B, C, N, N) complex64, network scale.
    local_offsets
        (B, C, 2) float32 [px] position minus the centre of its group, ``(dy, dx)``.
    probe
        (n_modes, N, N) complex64, as stored; divided by ``probe_scale`` here.
    model
        N, gridsize, ``object_big``, ``merge_weights``, ``probe_scale``, ``max_neighbor_distance``, ``probe_mask``.

    Returns
    -------
    torch.Tensor
        (B, C, N, N) float32, zero frequency in the middle.
    """
    n = patches.shape[-1]
    light = light_on_object(probe, model) * checkerboard(n, probe)
    waves = seen_patches(patches, local_offsets, probe, model) * light
    return _centred(torch.fft.fft2(waves, norm="ortho"), n).abs()


def light_on_object(probe: torch.Tensor, model: ModelConfig) -> torch.Tensor:
    """Return what a patch at network scale is multiplied by before it diffracts.

    Parameters
    ----------
    probe
        (n_modes, N, N) complex64, as stored.
    model
        ``probe_scale``, ``probe_mask``.

    Returns
    -------
    torch.Tensor
        (N, N) complex64.
    """
    # The modes add coherently, so their sum diffracts like one probe.
    light = probe.sum(dim=0) / model.probe_scale
    return light * _mask(probe.shape[-1], probe) if model.probe_mask else light


def predict_intensity_rectangular(
    patches: torch.Tensor,
    local_offsets: torch.Tensor,
    probe: torch.Tensor,
    model: ModelConfig,
    real_scale: torch.Tensor | float = 1.0,
    imaginary_scale: torch.Tensor | float = 1.0,
    field_scale: float = 1.0,
) -> torch.Tensor:
    """Predict diffraction intensity with a scale for each part of the object and modes that add incoherently.

    ``I = sum |F(f P (s1 Re O + i s2 Im O))|²`` over the modes P of the probe, F unitary.

    Parameters
    ----------
    patches, local_offsets, model
        As for :func:`predict_amplitude`.
    probe
        (n_modes, N, N) complex64, in the scale of the measurement; ``probe_scale`` is not applied.
    real_scale, imaginary_scale
        Factors s1, s2 of the real and the imaginary part of the object.
    field_scale
        The factor f of the field. A probe in the scale of the counts needs none; a normalised one needs the inverse of
        what :func:`~ptycho_engine.physics.probe.probe_normalisation` multiplied it by.

    Returns
    -------
    torch.Tensor
        (B, C, N, N) float32, zero frequency in the middle.
    """
    n = patches.shape[-1]
    illumination = modes_on_object(probe, model) * field_scale
    seen = seen_patches(patches, local_offsets, probe, model)
    scaled = torch.complex(real_scale * seen.real, imaginary_scale * seen.imag)
    waves = scaled[:, :, None] * (illumination * checkerboard(n, probe))
    fields = torch.view_as_real(torch.fft.fft2(waves, norm="ortho"))
    return _centred(fields.square().sum(dim=-1).sum(dim=2), n)


def modes_on_object(probe: torch.Tensor, model: ModelConfig) -> torch.Tensor:
    """Return what an object is multiplied by before it diffracts, one mode after the other.

    Parameters
    ----------
    probe
        (n_modes, N, N) complex64, in the scale of the measurement.
    model
        ``probe_mask``.

    Returns
    -------
    torch.Tensor
        (n_modes, N, N) complex64.
    """
    return probe * _mask(probe.shape[-1], probe) if model.probe_mask else probe


def seen_patches(
    patches: torch.Tensor, local_offsets: torch.Tensor, probe: torch.Tensor, model: ModelConfig
) -> torch.Tensor:
    """Return the patches that the probe sees: with ``object_big``, cut from the merged region of their group.

    Parameters
    ----------
    patches, local_offsets, probe, model
        As for :func:`predict_amplitude`; the probe counts only where ``merge_weights`` is ``"probe"``.

    Returns
    -------
    torch.Tensor
        (B, C, N, N) complex64.
    """
    if not model.object_big or patches.shape[1] == 1:
        return patches
    groups, channels, n, _ = patches.shape
    side = region_side(model)
    # In November 2025 members of a group were moved the other way, which mirrors the group.
    moved = -local_offsets if model.merge_weights == "2025-11" else local_offsets
    rows, columns = shift_matrices(moved.reshape(-1, 2), side, n, (side - n) // 2)
    if model.merge_weights == "probe":
        merged, _ = merge_by_probe(patches, rows, columns, probe)
    elif model.merge_weights == "2025-11":
        merged, _ = merge_unweighted(patches, rows, columns)
    else:
        merged, _ = merge_group(patches, rows, columns)
    # To cut the patches out again is the adjoint of placing them: the same matrices, transposed.
    wide = merged[:, None].expand(groups, channels, side, side).reshape(groups * channels, side, side)
    return place(wide, rows.transpose(1, 2), columns.transpose(1, 2)).reshape(patches.shape)


def merge_group(patches: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Merge the members of groups, each weighted by the central half of its patch.

    Parameters
    ----------
    patches
        (B, C, N, N) complex64.
    rows, columns
        (B*C, M, N) float32 where they lie, from :func:`~ptycho_engine.geometry.translate.shift_matrices`.

    Returns
    -------
    tuple of torch.Tensor
        (B, M, M) complex64 merged region, and (B, M, M) float32 sum of the weights.
    """
    n = patches.shape[-1]
    weights = _moved_centres(rows, columns, n)
    total = _summed(weights, patches)
    merged = _summed(place(patches.reshape(-1, n, n), rows, columns) * weights, patches)
    return merged * ((total > _MERGE_THRESHOLD) / (total + _MERGE_FLOOR)), total


def merge_unweighted(
    patches: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Merge the members of groups as in November 2025: whole patches, divided by how many central halves overlap.

    ``[sum T(O)] [W > 1e-6] / max(W, 1)`` with ``W`` the sum of the translated central halves.

    Parameters
    ----------
    patches
        (B, C, N, N) complex64.
    rows, columns
        (B*C, M, N) float32 where they lie, from :func:`~ptycho_engine.geometry.translate.shift_matrices`.

    Returns
    -------
    tuple of torch.Tensor
        (B, M, M) complex64 merged region, and (B, M, M) float32 ``W``.
    """
    n = patches.shape[-1]
    total = _summed(_moved_centres(rows, columns, n), patches)
    merged = _summed(place(patches.reshape(-1, n, n), rows, columns), patches)
    return merged * ((total > _MERGE_THRESHOLD) / total.clamp(min=1.0)), total


def _summed(moved: torch.Tensor, patches: torch.Tensor) -> torch.Tensor:
    """Return (B, M, M) the sums over the members of each group of (B*C, M, M) what they became where they lie."""
    return moved.reshape(*patches.shape[:2], *moved.shape[1:]).sum(dim=1)


def _moved_centres(rows: torch.Tensor, columns: torch.Tensor, n: int) -> torch.Tensor:
    """Return (B*C, M, M) what the central halves of patches become where they lie."""
    # The weight is one on a square, so its translation is the product of two translated segments.
    inside = slice(n // 4, n // 4 + n // 2)
    return rows[:, :, inside].sum(dim=2)[:, :, None] * columns[:, :, inside].sum(dim=2)[:, None, :]


def merge_by_probe(
    patches: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, probe: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Merge the members of groups, each weighted by the light that fell on it.

    Every pixel takes most from the member whose probe was brightest there. Unlike the weight of the central half, this
    one loses nothing that the probe lights: ``sum T(O) T(w) / sum T(w)`` with ``w`` the intensity of the probe summed
    over its modes, wherever the sum is more than a millionth of its greatest value.

    Parameters
    ----------
    patches
        (B, C, N, N) complex64.
    rows, columns
        (B*C, M, N) float32 where they lie, from :func:`~ptycho_engine.geometry.translate.shift_matrices`.
    probe
        (n_modes, N, N) complex64; its scale does not matter.

    Returns
    -------
    tuple of torch.Tensor
        (B, M, M) complex64 merged region, and (B, M, M) float32 sum of the weights.
    """
    n = patches.shape[-1]
    intensity = torch.view_as_real(probe).square().sum(dim=-1).sum(dim=0)
    weights = torch.bmm(torch.matmul(rows, intensity), columns.transpose(1, 2))
    total = _summed(weights, patches)
    merged = _summed(place(patches.reshape(-1, n, n), rows, columns) * weights, patches)
    lit = total > _MERGE_THRESHOLD * total.amax(dim=(1, 2), keepdim=True)
    return merged * (lit / total.clamp(min=_LEAST_WEIGHT)), total


def _mask(n: int, like: torch.Tensor) -> torch.Tensor:
    return _device_mask(n, str(like.device))


@lru_cache(maxsize=8)
def _device_mask(n: int, device: str) -> torch.Tensor:
    # Kept on the device: to copy it there in each step would wait for the device.
    return torch.from_numpy(soft_disk(n)).to(device)


def checkerboard(n: int, like: torch.Tensor) -> torch.Tensor:
    """Return (N, N) of 1 and -1: times this, the spectrum of an even side comes out with zero frequency centred."""
    if n % 2:
        return torch.ones((), device=like.device)
    signs = 1.0 - 2.0 * (torch.arange(n, device=like.device) % 2)
    return signs[:, None] * signs[None, :]


def _centred(spectrum: torch.Tensor, n: int) -> torch.Tensor:
    return torch.fft.fftshift(spectrum, dim=(-2, -1)) if n % 2 else spectrum
