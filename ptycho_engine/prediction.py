"""The forward model of a network rebuilt from a bundle, for notebooks and other programs."""

from typing import Any

import torch

from ptycho_engine.errors import ConfigError
from ptycho_engine.models.network import PatchNetwork
from ptycho_engine.physics import forward


def predict_amplitude(model: PatchNetwork, patches: Any, local_offsets: Any, probe: Any) -> torch.Tensor:
    """Predict the normalised amplitude that patches give on the detector.

    Parameters
    ----------
    model
        The network that drew them; its configuration decides how members are merged and the probe is scaled.
    patches
        (B, C, N, N) complex64, network scale; a tensor or an array.
    local_offsets
        (B, C, 2) [px] position minus the centre of its group, ``(y, x)``.
    probe
        (n_modes, N, N) complex64, as stored in the dataset.

    Returns
    -------
    torch.Tensor
        (B, C, N, N) float32, the prediction of what the network was given.

    Raises
    ------
    ConfigError
        If the network predicts intensities.
    """
    if model.config.forward_model != "amplitude":
        raise ConfigError("this network predicts intensities, not amplitudes", "Use predict_intensity.")
    drawn, offsets, light = _tensors(patches, local_offsets, probe)
    return forward.predict_amplitude(drawn, offsets, light, model.config)


def predict_intensity(
    model: PatchNetwork, patches: Any, local_offsets: Any, probe: Any, *, field_scale: float = 1.0
) -> torch.Tensor:
    """Predict the intensities that patches of a network with factors of real and imaginary part give on the detector.

    Parameters
    ----------
    model, patches, local_offsets
        As for :func:`predict_amplitude`; the network's factors are applied here.
    probe
        (n_modes, N, N) complex64; in the scale of the counts for a network that reads counts. The modes add
        incoherently.
    field_scale
        By which the field is multiplied, for a probe in another scale.

    Returns
    -------
    torch.Tensor
        (B, C, N, N) float32: counts, for a network that reads counts.

    Raises
    ------
    ConfigError
        If the network predicts amplitudes.
    """
    if model.config.forward_model == "amplitude":
        raise ConfigError("this network predicts amplitudes, not intensities", "Use predict_amplitude.")
    drawn, offsets, light = _tensors(patches, local_offsets, probe)
    s1, s2 = (scale.detach() for scale in model.scales)
    return forward.predict_intensity_rectangular(drawn, offsets, light, model.config, s1, s2, field_scale)


def _tensors(patches: Any, local_offsets: Any, probe: Any) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    drawn = torch.as_tensor(patches)
    offsets = torch.as_tensor(local_offsets, dtype=torch.float32, device=drawn.device)
    # A copy of an array, because torch warns of arrays that may not be written.
    light = probe if isinstance(probe, torch.Tensor) else torch.tensor(probe)
    return drawn, offsets, light.to(device=drawn.device, dtype=torch.complex64)
