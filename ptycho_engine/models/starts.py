"""How our recipes draw the first weights of a network.

Torch's own start of a convolution (uniform, a = sqrt 5) lets the signal shrink by sqrt 3 at each ReLU layer, and two
attention gates that begin at one half quarter it again at each block: the deep features hardly depend on the input, and
the first hundreds of steps only wake them. He's normal start keeps the signal's size through ReLU layers (He et al.,
ICCV 2015, equation 10), and gates that begin nearly open do not undo it.
"""

import torch
from torch import nn

from ptycho_engine.models.blocks import ChannelGate, SpatialGate

_OPEN_GATE_BIAS = 1.0
"""The channel gate adds the outcome for mean and maximum, so it begins at sigmoid(2) = 0.88."""


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


def _is_gate(module: nn.Module, layer: nn.Conv2d) -> bool:
    return any(isinstance(part, SpatialGate) and part.compress is layer for part in module.modules())
