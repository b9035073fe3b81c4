"""How our recipes draw the first weights of a network.

Torch's own start of a convolution (uniform, a = sqrt 5) lets the signal shrink by sqrt 3 at each ReLU layer, and two
attention gates that begin at one half quarter it again at each block: the deep features hardly depend on the input, and
the first hundreds of steps only wake them. He's normal start keeps the signal's size through ReLU layers (He et al.,
ICCV 2015, equation 10), and gates that begin nearly open do not undo it.

Most of a pattern is the light of the probe: it is smooth, and the same in all patterns. Kernels that sum to nearly zero
hardly see what is even, and of simulated weak scans they let through ten to thirty times less of the mean pattern,
beside half of what patterns differ by. A network that reads patterns as they are then starts with features that tell
one pattern from another. A little of the even light is left to it: without any, a strong object was learned less well.
"""

import torch
from torch import nn

from ptycho_engine.models.blocks import ChannelGate, SpatialGate

_OPEN_GATE_BIAS = 1.0
"""The channel gate adds the outcome for mean and maximum, so it begins at sigmoid(2) = 0.88."""

_DIFFERENCE_GAIN = 2.0
"""Of normalised patterns, kernels of He's draw that sum to zero give a variance of 0.015 to 0.07 where they give 0.5
otherwise. The exact factor does not matter: two to eleven times as much trained equally well."""
_EVEN_PART = 0.15
"""What is left of a kernel's mean."""


def draw_open_he(module: nn.Module) -> None:
    """Draw all convolutions of ``module`` anew by He's normal rule, biases zero, and open its channel gates.

    The draw comes from torch's global generator on the CPU, so a seed set before decides it.
    """
    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, ChannelGate):
                # Features are never negative, so positive weights keep the few hidden units alive.
                part.mlp[1].weight.abs_()  # type: ignore[operator]
                nn.init.constant_(part.mlp[3].bias, _OPEN_GATE_BIAS)  # type: ignore[arg-type]
            if isinstance(part, nn.Conv2d) and not _is_gate(module, part):
                nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
                if part.bias is not None:
                    nn.init.zeros_(part.bias)


def draw_differences(layer: nn.Conv2d) -> None:
    """Take most of its mean off each kernel of a first layer, as drawn before, and make up for what is lost."""
    with torch.no_grad():
        kernels = layer.weight
        mean = kernels.mean(dim=(-2, -1), keepdim=True)
        kernels.sub_((1 - _EVEN_PART) * mean).mul_(_DIFFERENCE_GAIN)


def _is_gate(module: nn.Module, layer: nn.Conv2d) -> bool:
    return any(isinstance(part, SpatialGate) and part.compress is layer for part in module.modules())
