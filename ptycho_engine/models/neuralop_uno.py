"""The generator ``neuralop_uno`` of PtychoPINN: the U-shaped neural operator of the package neuraloperator (MIT)."""

import contextlib
import io
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from ptycho_engine.config import ModelConfig
from ptycho_engine.errors import ConfigError
from ptycho_engine.models.blocks import channel_count
from ptycho_engine.models.generator import START_GAIN, Generator
from ptycho_engine.models.input_transform import transform_input

_SIDE = 128
_LIFTING = 128
"""Hidden channels of the first and the last pointwise layers."""
_CHANNELS = (1, 2, 2, 1)
"""Channels of the levels, in widths."""
_SCALINGS = (1.0, 0.5, 1.0, 2.0)
"""By how much each level changes the side. Tensors do not tell; these are those of the package's own example."""


class NeuralopUno(Generator):
    """Spectral levels at the full and at half the side, joined by skips.

    Parameters
    ----------
    model
        Its configuration: patterns of 128 px, one at a time, real and imaginary part, as in PtychoPINN.

    Raises
    ------
    ConfigError
        If the package is not installed, or the configuration is another.
    """

    def __init__(self, model: ModelConfig) -> None:
        super().__init__(model)
        if model.n != _SIDE or channel_count(model) != 1:
            raise ConfigError(
                f"the network 'neuralop_uno' takes single patterns of {_SIDE} px, "
                f"not groups of {channel_count(model)} of {model.n} px",
                "Choose gridsize 1 and a scan of that side, or the network fno.",
            )
        self.transform = model.input_transform
        width, levels = model.fno_width, len(_CHANNELS)
        # The package prints its settings.
        with contextlib.redirect_stdout(io.StringIO()):
            self.uno: nn.Module = _operator()(
                in_channels=1,
                out_channels=2,
                hidden_channels=width,
                lifting_channels=_LIFTING,
                projection_channels=_LIFTING,
                n_layers=levels,
                uno_out_channels=[width * factor for factor in _CHANNELS],
                uno_n_modes=[[model.fno_modes] * 2] * levels,
                uno_scalings=[[factor] * 2 for factor in _SCALINGS],
                positional_embedding="grid",
                channel_mlp_skip="linear",
            )

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return real and imaginary part of ``images``, all ``(B, 1, N, N)``."""
        both = self.uno(transform_input(images, self.transform))
        return both[:, :1], both[:, 1:]

    def start_transparent(self, amplitude: float) -> None:
        """Set the last layer to start at this amplitude and at phase zero."""
        last: Any = self.uno.get_submodule("projection.fcs")[-1]  # type: ignore[index]
        with torch.no_grad():
            last.weight.mul_(START_GAIN)
            last.bias.copy_(torch.tensor([amplitude, 0.0]))


def _operator() -> Any:
    try:
        return import_module("neuralop.models").UNO
    except ImportError as error:
        raise ConfigError(
            f"the network 'neuralop_uno' needs the package neuraloperator ({error})",
            "Install it (pip install neuraloperator), or choose the network fno.",
        ) from error
