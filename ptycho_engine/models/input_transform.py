"""What is done to a normalised pattern before the first layer."""

from torch import Tensor
from torch.nn import functional


def transform_input(images: Tensor, transform: str) -> Tensor:
    """Return what the first layer sees of normalised patterns.

    Parameters
    ----------
    images
        ``(B, channels, N, N)`` normalised amplitude, not negative.
    transform
        ``ModelConfig.input_transform``; ``"instancenorm"`` takes off the mean of each pattern and divides by its
        standard deviation.
    """
    match transform:
        case "sqrt":
            return images.clamp_min(0.0).sqrt()
        case "log1p":
            return images.clamp_min(0.0).log1p()
        case "instancenorm":
            return functional.instance_norm(images)
    return images
