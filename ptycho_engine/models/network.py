"""What every architecture is to the rest of the engine: patterns in, complex patches out, and a start."""

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor, nn

from ptycho_engine.config import ModelConfig
from ptycho_engine.models.blocks import channel_count
from ptycho_engine.models.releases import RELEASES


class PatchModule(nn.Module):
    """The trained part of a network.

    ``forward`` takes ``(B, channels, N, N)`` and returns two quantities of the same shape: amplitude and phase, or real
    and imaginary part, as ``ModelConfig.output`` says.
    """

    is_generator: ClassVar[bool] = False
    """Whether bundles hold its tensors twice, as ``model.generator`` before they do as ``model.autoencoder``."""

    def set_standard(self, mean: Tensor, deviation: float, light: Tensor) -> None:
        """Set the (N, N) mean pattern and the spread about it that patterns are compared with, and the (N, N) probe.

        Networks with another ``ModelConfig.input_transform`` compare with nothing.
        """

    def start_transparent(self, amplitude: float) -> None:
        """Set the last layers so that every patch starts as a transparent object of this amplitude."""
        raise NotImplementedError


class _Constants(nn.Module):
    """Constants of the forward model that are part of a bundle's state.

    Parameters
    ----------
    names
        Their names; a dot opens a module within.
    count
        Values of each, one for each dataset.
    trained
        Which of them are trained, by their last names.
    """

    def __init__(self, names: tuple[str, ...], count: int, trained: tuple[str, ...] = ()) -> None:
        super().__init__()
        for name in names:
            module, _, inner = name.partition(".")
            if not inner and name in trained:
                self.register_parameter(name, nn.Parameter(torch.ones(count)))
            elif not inner:
                self.register_buffer(name, torch.ones(count))
            elif module not in self._modules:
                within = tuple(one.partition(".")[2] for one in names if one.startswith(f"{module}."))
                self.add_module(module, _Constants(within, count, trained))


class _Inner(nn.Module):
    def __init__(self, model: ModelConfig, autoencoder: PatchModule) -> None:
        super().__init__()
        if autoencoder.is_generator:
            self.generator = autoencoder
        self.autoencoder = autoencoder
        # Without constants the module has no tensors, and leaves no name in the state.
        names = () if model.supervised else RELEASES[model.release].constants
        trained = ("s1", "s2") if model.forward_model == "counts" else ()
        self.forward_model = _Constants(names, model.n_datasets, trained)


class PatchNetwork(nn.Module):
    """A network with all the tensors of a bundle, under the bundle's names.

    Parameters
    ----------
    model
        The configuration it was built from.
    autoencoder
        The trained part.
    """

    def __init__(self, model: ModelConfig, autoencoder: PatchModule) -> None:
        super().__init__()
        self.model = _Inner(model, autoencoder)
        self.config = model
        self.channels = channel_count(model)

    @property
    def autoencoder(self) -> PatchModule:
        """The trained part."""
        return self.model.autoencoder

    @property
    def scales(self) -> tuple[Tensor, Tensor]:
        """(1,) each, the factors s1, s2 of the real and the imaginary part, for the first dataset of the training."""
        state = dict(self.model.forward_model.named_parameters()) | dict(self.model.forward_model.named_buffers())
        return state["rect_scaler.s1"][:1], state["rect_scaler.s2"][:1]

    def object_of(self, patches: Tensor) -> Tensor:
        """Return the object that patches of this network stand for: ``s1 Re + i s2 Im`` where it has these factors.

        Parameters
        ----------
        patches
            ``(..., N, N)`` complex64 as the network drew them.
        """
        if self.config.forward_model == "amplitude":
            return patches
        s1, s2 = self.scales
        return torch.complex(s1 * patches.real, s2 * patches.imag)

    def forward(self, images: Tensor, draw: Callable[[Tensor], tuple[Tensor, Tensor]] | None = None) -> Tensor:
        """Return the patches of normalised patterns.

        Parameters
        ----------
        images
            ``(B, C, N, N)`` float, amplitude times the input scale, or counts times theirs.
        draw
            What computes as the trained part does, in its place: its compiled form.

        Returns
        -------
        Tensor
            ``(B, C, N, N)`` complex64, network scale.
        """
        batch, members, height, width = images.shape
        inputs = images if members == self.channels else images.reshape(-1, self.channels, height, width)
        first, second = (draw or self.model.autoencoder)(inputs)
        # In 32 bits whatever the network computed in: complex numbers of half precision hardly exist.
        first, second = first.float(), second.float()
        if self.config.output == "real_imag":
            patches = torch.complex(first, second)
        else:
            patches = torch.complex(first * torch.cos(second), first * torch.sin(second))
        return patches.reshape(batch, members, height, width)
