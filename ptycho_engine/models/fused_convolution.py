"""A convolution and its ReLU in one pass over the memory, where nothing is trained and the CPU's library has one.

The second pass of a ReLU, and the memory for its result, are six to twelve percent of an inference on a CPU. The
numbers are the same bits.
"""

from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional


def convolve_relu(convolution: nn.Conv2d, features: Tensor) -> Tensor:
    """Return ``relu(convolution(features))``, fused under ``torch.inference_mode`` on a CPU that oneDNN serves.

    Parameters
    ----------
    convolution
        Padded with zeros.
    features
        ``(B, inputs, H, W)``.
    """
    if torch.compiler.is_compiling():
        # The compiler fuses them by itself, and does not see through what is asked below.
        return functional.relu(convolution(features))
    kind = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else features.dtype
    fuses = torch.is_inference_mode_enabled() and features.device.type == "cpu" and len(features) > 0
    if not (fuses and torch.backends.mkldnn.enabled and kind in fused_kinds()):
        return functional.relu(convolution(features))
    fused: Tensor = torch.ops.mkldnn._convolution_pointwise(
        features.to(kind),
        convolution.weight.to(kind),
        None if convolution.bias is None else convolution.bias.to(kind),
        convolution.padding,
        convolution.stride,
        convolution.dilation,
        convolution.groups,
        "relu",
        [],
        "",
    )
    return fused


@cache
def fused_kinds() -> frozenset[torch.dtype]:
    """Return the kinds of numbers whose convolutions this installation of torch fuses on this CPU."""
    # What torch's own compiler uses. It has no public name, so it is looked for, and not counted on.
    operations = torch.ops.mkldnn
    available = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if not (available and hasattr(operations, "_convolution_pointwise")):
        return frozenset()
    half = hasattr(operations, "_is_mkldnn_bf16_supported") and operations._is_mkldnn_bf16_supported()
    return frozenset((torch.float32, torch.bfloat16) if half else (torch.float32,))
