"""How much memory a network and its forward model hold for one group of patterns while it is trained."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch

from ptycho_engine.config import ModelConfig
from ptycho_engine.models.losses import poisson_loss
from ptycho_engine.models.pinn import build_network
from ptycho_engine.physics.forward import predict_amplitude, predict_intensity_rectangular
from ptycho_engine.physics.shared_object import see_shared_object

_RUN_PIXELS = 16 * 64**2
"""Pixels of a group, times filters, up to which the network is run: some hundredths of a second and tens of MB. Larger
ones are followed without numbers, for which torch first imports its compiler: more than a second."""


@dataclass(frozen=True, slots=True)
class ActivationMemory:
    """Bytes that do not depend on the batch, and that each group adds."""

    parameters: int
    """Of the trained tensors, once."""
    fixed: int
    per_group: int

    def of(self, n_groups: int) -> int:
        """Return what is held for the gradients of a batch."""
        return self.fixed + n_groups * self.per_group


@lru_cache(maxsize=32)
def activation_memory(model: ModelConfig, n_modes: int, shared_object: bool) -> ActivationMemory:
    """Return what is kept of a forward pass until its gradients are computed, from two passes of one and two groups.

    Parameters
    ----------
    model
        The network.
    n_modes
        Modes of the probe.
    shared_object
        Whether patterns are predicted from one object into which all patches of a batch are merged.

    Raises
    ------
    ConfigError
        If there is no such network.
    """
    device = torch.device("cpu" if model.channels * model.n**2 * model.n_filters_scale <= _RUN_PIXELS else "meta")
    with torch.random.fork_rng(devices=[]):
        network = build_network(model)
    parameters = sum(one.numel() * one.element_size() for one in network.parameters())
    network = network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    one, two = (_saved_bytes(network, model, n_modes, shared_object, count, device) for count in (1, 2))
    return ActivationMemory(parameters, max(0, 2 * one - two), two - one)


def _saved_bytes(
    network: torch.nn.Module, model: ModelConfig, n_modes: int, shared_object: bool, count: int, device: torch.device
) -> int:
    n, channels = model.n, model.channels
    images = torch.ones((count, channels, n, n), device=device).contiguous(memory_format=torch.channels_last)
    offsets = torch.zeros((count, channels, 2), device=device)
    probe = torch.ones((n_modes, n, n), dtype=torch.complex64, device=device)
    with torch.enable_grad(), _counted(network) as kept:
        seen: torch.Tensor = network(images)
        forward = model
        if shared_object:
            # As in a batch of neighbours; where exactly they lie hardly matters.
            positions = np.random.default_rng(0).uniform(0.0, 1.5 * n, (count, channels, 2))
            seen, forward = see_shared_object(seen, positions, probe), replace(model, object_big=False)
        if model.forward_model == "amplitude":
            predicted = predict_amplitude(seen, offsets, probe, forward)
        else:
            predicted = predict_intensity_rectangular(seen, offsets, probe, forward)
        poisson_loss(predicted, images, 1.0)
    return sum(one.nbytes() for one in kept.values())


@contextmanager
def _counted(network: torch.nn.Module) -> Iterator[dict[int, torch.UntypedStorage]]:
    """Gather the memory that is kept for gradients, each piece once, without that of the network itself."""
    own = {one.untyped_storage()._cdata for one in network.parameters()}
    # Held, so that no address is used twice.
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        yield kept
