"""The forward model of a network rebuilt from a bundle, for notebooks and other programs."""

from typing import Any

import torch

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
    """
    drawn = torch.as_tensor(patches)
    offsets = torch.as_tensor(local_offsets, dtype=torch.float32, device=drawn.device)
    # A copy of an array, because torch warns of arrays that may not be written.
    light = probe if isinstance(probe, torch.Tensor) else torch.tensor(probe)
    light = light.to(device=drawn.device, dtype=torch.complex64)
    return forward.predict_amplitude(drawn, offsets, light, model.config)
