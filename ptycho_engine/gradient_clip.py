"""Clipping of gradients relative to what is usual, without reading anything from the device."""

import torch

from ptycho_engine.arrays import FloatArray, frozen_array

WINDOW = 64
"""Steps whose gradient norms say what is usual."""


class GradientClip:
    """Scale down the gradients of a step whose norm is far above the median of the last steps.

    The Poisson loss of a scan with 1e9 photons is some 1e10, that of a dim scan a thousand: no fixed threshold fits
    both. A multiple of the running median does not change when the loss is multiplied by a constant, and neither does
    Adam.

    Parameters
    ----------
    factor
        Greatest norm allowed, in medians; ``None`` only measures.
    device
        Where the gradients are.
    """

    def __init__(self, factor: float | None, device: torch.device) -> None:
        self.factor = factor
        self._norms = torch.full((WINDOW,), torch.nan, device=device)
        self._count = 0

    def apply(self, parameters: list[torch.nn.Parameter]) -> torch.Tensor:
        """Clip the gradients in place; return their norm before that, a scalar on the device."""
        gradients = [one.grad for one in parameters if one.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        if self.factor is not None:
            # The first step has no history: it is measured against itself and passes.
            limit = self.factor * torch.nanmedian(self._norms) if self._count else self.factor * norm
            # Kept as it was, not as clipped: a level that has really changed becomes usual after half a window.
            self._norms[self._count % WINDOW] = norm
            factor = torch.clamp(limit / (norm + torch.finfo(norm.dtype).tiny), max=1.0)
            torch._foreach_mul_(gradients, factor)
        self._count += 1
        return norm

    def state(self) -> tuple[FloatArray, int]:
        """Return the last norms and the number of steps, for a checkpoint."""
        return frozen_array(self._norms.cpu().numpy(), "float32"), self._count

    def restore(self, norms: FloatArray, count: int) -> None:
        """Continue from a checkpoint's state."""
        self._norms = torch.tensor(norms, dtype=torch.float32, device=self._norms.device)
        self._count = count
