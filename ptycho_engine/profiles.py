"""The profiles of a training: normalised amplitudes, or counts. What is predicted, compared, and shown of it.

Both are shown as amplitudes whose square, times the square of the intensity scale S, is photons: a network that reads
counts is described by the same figures as one that reads amplitudes.
"""

from collections.abc import Callable
from typing import Protocol

import torch

from ptycho_engine.config import ModelConfig
from ptycho_engine.documents import CountStatistics
from ptycho_engine.models.losses import count_loss, mae_loss, mean_measured, poisson_loss
from ptycho_engine.models.network import PatchNetwork
from ptycho_engine.physics.forward import predict_amplitude, predict_intensity_rectangular
from ptycho_engine.physics.scaling import intensity_scale

LOSSES: dict[str, Callable[[torch.Tensor, torch.Tensor, float], torch.Tensor]] = {
    "poisson": poisson_loss,
    "mae": mae_loss,
}


class Profile(Protocol):
    """What a network is compared by."""

    def predict(
        self,
        network: PatchNetwork,
        patches: torch.Tensor,
        local_offsets: torch.Tensor,
        probe: torch.Tensor,
        model: ModelConfig,
    ) -> torch.Tensor:
        """Return (B, C, N, N) what is compared with the measurement.

        Parameters
        ----------
        network
            Whose factors of real and imaginary part are used, where it has them.
        patches
            (B, C, N, N) complex64 as it drew them.
        local_offsets
            (B, C, 2) float32 [px] ``(dy, dx)``.
        probe
            (n_modes, N, N) complex64.
        model
            How the members of a group are merged, and the rest of the forward model.
        """
        ...

    def loss(self, predicted: torch.Tensor, images: torch.Tensor, intensity_scale: float) -> torch.Tensor:
        """Return the loss, a scalar.

        Parameters
        ----------
        predicted
            From :meth:`predict`.
        images
            What the network read.
        intensity_scale
            S of the scan, root photons for the amplitudes that are shown.
        """
        ...

    def divisor(self, images: torch.Tensor) -> torch.Tensor:
        """Return what :meth:`loss` divides the mean over the groups by, a scalar."""
        ...

    def predicted_amplitude(self, predicted: torch.Tensor) -> torch.Tensor:
        """Return predictions as they are shown."""
        ...

    def measured_amplitude(self, images: torch.Tensor) -> torch.Tensor:
        """Return ``images``, what the network read, as they are shown."""
        ...


class AmplitudeProfile:
    """Normalised amplitudes, of probe modes that add coherently.

    Parameters
    ----------
    loss
        ``"poisson"`` or ``"mae"``.
    """

    def __init__(self, loss: str) -> None:
        self._loss = LOSSES[loss]

    def predict(
        self,
        network: PatchNetwork,
        patches: torch.Tensor,
        local_offsets: torch.Tensor,
        probe: torch.Tensor,
        model: ModelConfig,
    ) -> torch.Tensor:
        """Return the predicted amplitude."""
        return predict_amplitude(patches, local_offsets, probe, model)

    def loss(self, predicted: torch.Tensor, images: torch.Tensor, intensity_scale: float) -> torch.Tensor:
        """Return the loss of predicted amplitudes."""
        return self._loss(predicted, images, intensity_scale)

    def divisor(self, images: torch.Tensor) -> torch.Tensor:
        """Return the mean measured amplitude."""
        return mean_measured(images)

    def predicted_amplitude(self, predicted: torch.Tensor) -> torch.Tensor:
        """Return what is an amplitude already."""
        return predicted

    def measured_amplitude(self, images: torch.Tensor) -> torch.Tensor:
        """Return what is an amplitude already."""
        return images


class CountProfile:
    """Counts, of probe modes that add incoherently, with a factor for each part of the object.

    Parameters
    ----------
    statistics
        Of the training counts.
    n
        Side N of a pattern [px].
    """

    def __init__(self, statistics: CountStatistics, n: int) -> None:
        self.statistics = statistics
        self.intensity_scale = intensity_scale(statistics.mean_measured_intensity * n**2, n)
        """S of the training counts."""

    def predict(
        self,
        network: PatchNetwork,
        patches: torch.Tensor,
        local_offsets: torch.Tensor,
        probe: torch.Tensor,
        model: ModelConfig,
    ) -> torch.Tensor:
        """Return the predicted counts."""
        return predict_intensity_rectangular(patches, local_offsets, probe, model, *network.scales)

    def loss(self, predicted: torch.Tensor, images: torch.Tensor, intensity_scale: float) -> torch.Tensor:
        """Return the loss of predicted counts, float64; they need no scale."""
        return count_loss(predicted, self.counts(images), self.statistics.mean_measured_intensity)

    def divisor(self, images: torch.Tensor) -> torch.Tensor:
        """Return the mean count of a pixel, the same for all images."""
        return torch.tensor(self.statistics.mean_measured_intensity, dtype=torch.float64, device=images.device)

    def counts(self, images: torch.Tensor) -> torch.Tensor:
        """Return the counts that the network read as ``images``."""
        return images / self.statistics.rms_input_scale

    def predicted_amplitude(self, predicted: torch.Tensor) -> torch.Tensor:
        """Return the root of the predicted counts over S."""
        return predicted.sqrt() / self.intensity_scale

    def measured_amplitude(self, images: torch.Tensor) -> torch.Tensor:
        """Return the root of the counts over S."""
        return self.counts(images).sqrt() / self.intensity_scale
