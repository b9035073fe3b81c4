"""How far predicted patterns are from measured ones, and how far noise alone would put them."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from scipy.special import gammaln, xlogy

from ptycho_engine.refinement_task import RefinementTask

_LEAST_RATE = 1e-6
"""Photons in a pixel that a prediction counts for at least, where it is held against photons that came."""
_TABLE_FIRST = float(np.log(_LEAST_RATE))
_TABLE_STEP = 0.1
_TABLE_LENGTH = 185
"""Up to 98 photons, where the mean deviance is 1 within two thousandths."""


@dataclass(slots=True)
class Misfit:
    """Sums over predicted and measured patterns, on the device; nothing here waits for it."""

    task: RefinementTask
    sums: torch.Tensor
    """(7,) float64: distance, measured, measured², predicted², deviance, that of noise alone, pixels."""

    @classmethod
    def of(cls, task: RefinementTask) -> "Misfit":
        """Return the misfit of no pattern."""
        return cls(task, torch.zeros(7, dtype=torch.float64, device=task.batches.device))

    def take(self, predicted: torch.Tensor, measured: torch.Tensor) -> None:
        """Add (k, 1, N, N) normalised amplitudes."""
        deviance = expected = torch.zeros((), device=measured.device)
        if self.task.photon_scale is not None:
            count = (self.task.photon_scale * measured).square()
            rate = (self.task.photon_scale * predicted).square().clamp(min=_LEAST_RATE)
            deviance = 2 * (torch.xlogy(count, count / rate) - count + rate).sum()
            expected = noise_deviance(rate).sum()
        terms = ((predicted - measured).abs().sum(), measured.sum(), measured.square().sum(), predicted.square().sum())
        self.sums += torch.stack((*terms, deviance, expected, torch.full_like(deviance, measured.numel()))).double()

    @property
    def r_factor(self) -> float:
        """Sum of |predicted - measured| over the sum of measured amplitudes."""
        distance, measured = self.sums[:2].tolist()
        return float(distance / measured) if measured > 0 else float("nan")

    @property
    def deviance(self) -> float | None:
        """Mean Poisson deviance of a pixel, 2 (I log(I/μ) - I + μ); ``None`` where photons are not known."""
        return self._of_pixel(4)

    @property
    def noise(self) -> float | None:
        """What :attr:`deviance` would be if the predictions were right and the rest were noise."""
        return self._of_pixel(5)

    @property
    def excess(self) -> float | None:
        """Deviance of a pixel beyond that of noise; ``None`` where photons are not known."""
        deviance, noise = self.deviance, self.noise
        return None if deviance is None or noise is None else deviance - noise

    @property
    def factor(self) -> float:
        """The likeliest common factor of the predicted amplitudes: what brings the total light to the measured one."""
        measured, predicted = self.sums[2:4].tolist()
        return float(np.sqrt(measured / predicted)) if predicted > 0 and measured > 0 else 1.0

    def _of_pixel(self, place: int) -> float | None:
        if self.task.photon_scale is None:
            return None
        values = self.sums.tolist()
        return float(values[place] / values[6]) if values[6] else float("nan")


def noise_deviance(rate: torch.Tensor) -> torch.Tensor:
    """Return the mean Poisson deviance of counts that come at a rate, of the shape of the rates.

    The mean of 2 (n log(n/μ) - n + μ) over n: about -2 μ log μ for few photons, greatest near one, and 1 + 1/(6 μ) for
    many; from a table in log μ.
    """
    table = _noise_table().to(rate.device)
    place = ((rate.clamp(min=_LEAST_RATE).log() - _TABLE_FIRST) / _TABLE_STEP).clamp(0, len(table) - 1.001)
    whole = place.long()
    return torch.lerp(table[whole], table[whole + 1], place - whole)


@lru_cache(maxsize=1)
def _noise_table() -> torch.Tensor:
    rates = np.exp(_TABLE_FIRST + _TABLE_STEP * np.arange(_TABLE_LENGTH))[:, None]
    counts = np.arange(400)[None, :]
    likelihoods = np.exp(xlogy(counts, rates) - rates - gammaln(counts + 1.0))
    deviances = 2 * (xlogy(counts, counts / rates) - counts + rates)
    return torch.from_numpy((likelihoods * deviances).sum(axis=1).astype(np.float32))
