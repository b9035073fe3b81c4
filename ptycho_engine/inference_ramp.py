"""The phase ramp over a whole canvas that the patterns of a scan ask for.

A ramp of phase on the object shifts all its patterns. Patches that each carry their part of it, but not the constant
phases that belong to it (no pattern shows those), are stitched to a canvas without the ramp. The slope that brings the
patterns of the stitched canvas and the measured ones together best is a fit of two numbers to many patterns: Gauss and
Newton's, on amplitudes because their photon noise is the same everywhere.

Constants that are taken from the overlaps of patches find the ramp too, and were given up for this: whatever all
patches have wrong alike, and whatever a network has not learned yet, they add up over the canvas.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from ptycho_engine.arrays import PositionArray
from ptycho_engine.config import ModelConfig
from ptycho_engine.documents import Canvas
from ptycho_engine.geometry.position_list import PositionList
from ptycho_engine.physics.forward import light_on_object, modes_on_object
from ptycho_engine.ranks import ALONE, Ranks
from ptycho_engine.refinement_field import ObjectField

SAMPLE_BYTES = 128 << 20
"""Memory that the measured patterns of the fit may take."""
SAMPLE_PATTERNS = 1024
"""Two numbers need no more."""
PASSES = 5
"""At most; each pass brings the slope several times nearer to where it settles."""
_SETTLED = 2e-6
"""Change of the slope that ends the fit [rad/px]: a hundredth of a radian over a canvas of 5000 px."""
_PIECE = 32
_LIT = 0.9
"""Part of a pattern's light that must fall on the canvas: beyond it nothing is known of the object."""
_SINGULAR = 1e-9
"""Part of its trace that is added to the normal matrix: patterns that cannot tell a slope give none."""


class CanvasRamp:
    """Keeps an even sample of what was measured, and fits the slope of a canvas to it.

    Parameters
    ----------
    probe
        (n_modes, N, N) complex64 of the scan.
    model
        The network's configuration: how its probe shines.
    n_groups
        How many groups will come in all; the first member of every second, third … is kept.
    ranks
        The processes that draw them.
    n_before
        Groups that the processes before this one draw.
    """

    def __init__(
        self, probe: torch.Tensor, model: ModelConfig, n_groups: int, ranks: Ranks = ALONE, n_before: int = 0
    ) -> None:
        coherent = model.forward_model == "amplitude"
        self._lights = light_on_object(probe, model)[None] if coherent else modes_on_object(probe, model)
        self._ranks = ranks
        n = probe.shape[-1]
        steps = torch.arange(n, device=probe.device, dtype=torch.float32) - n / 2
        self._axes = torch.stack([steps[:, None].expand(n, n), steps[None, :].expand(n, n)])
        room = min(SAMPLE_PATTERNS, max(1, SAMPLE_BYTES // (4 * n * n)))
        self._every = max(1, -(-n_groups // room))
        self._n_seen, self._n_kept = n_before, 0
        # Taken at once: single patterns that stay among arrays that come and go would break up the memory.
        self._measured = torch.empty((-(-n_groups // self._every), n, n), device=probe.device)
        self._positions = PositionList(len(self._measured))
        self._seconds_of_piece = 0.0

    def take(self, measured: torch.Tensor, positions: PositionArray) -> None:
        """Take in a batch; nothing is read from the device.

        Parameters
        ----------
        measured
            (B, C, N, N) float32 amplitude, on any scale.
        positions
            (B, C, 2) [px] ``(y, x)``.
        """
        chosen = slice(-self._n_seen % self._every, None, self._every)
        self._n_seen += len(measured)
        # Whoever draws the same groups again has nothing new to tell.
        some = measured[chosen, 0][: len(self._measured) - self._n_kept]
        if len(some):
            self._measured[self._n_kept : self._n_kept + len(some)] = some
            self._n_kept += len(some)
            self._positions.extend(np.asarray(positions, np.float64)[chosen, 0][: len(some)])

    @property
    def n_pieces(self) -> int:
        """In how many pieces the fit is done at most, each of which ``fit`` yields after."""
        return PASSES * -(-self._n_kept // _PIECE)

    def seconds_of_fit(self, clock: Callable[[], float]) -> float:
        """Return how long the fit will take at most [s], from one piece of it, computed once for this; 0 before that.

        Parameters
        ----------
        clock
            Seconds from any origin.
        """
        if not self._seconds_of_piece and self._n_kept >= _PIECE:
            begun = clock()
            seen = torch.ones_like(self._measured[:_PIECE], dtype=torch.complex64)
            nothing = torch.zeros(2, dtype=torch.float64, device=seen.device)
            # Read, so that a device that works through a queue has done it.
            self._products(seen, self._measured[:_PIECE], nothing).cpu()
            self._seconds_of_piece = clock() - begun
        return self._seconds_of_piece * PASSES * -(-len(self._measured) // _PIECE)

    def fit(self, canvas: Canvas) -> Iterator[NDArray[np.float64]]:
        """Yield the slope ``(y, x)`` by which the phase of a canvas should rise more [rad/px], again and again.

        The last one is the result; those before are where whoever waits may look whether it should go on. (0, 0) where
        the patterns cannot tell, or the canvas is not finite.
        """
        device = self._lights.device
        n = self._lights.shape[-1]
        positions = self._positions.so_far
        known = canvas.covered & np.isfinite(canvas.object_) & (canvas.object_ != 0)
        if not known.any():
            yield np.zeros(2)
            return
        lit = self._lit(known, canvas.origin_px, positions) >= _LIT
        if not any(self._ranks.all(bool(lit.any()))):
            lit[:] = True
        field = None if not lit.any() else ObjectField.around(canvas, positions[lit], n, 1.0, device)
        measured = self._measured[: self._n_kept][torch.from_numpy(lit)] if field is not None else torch.zeros(0, n, n)
        if not any(self._ranks.all(len(measured))):
            yield np.zeros(2)
            return
        slope = torch.zeros(2, dtype=torch.float64, device=device)
        for _ in range(PASSES):
            products = torch.zeros(4, 4, dtype=torch.float64, device=device)
            for first in range(0, len(measured), _PIECE):
                piece = slice(first, first + _PIECE)
                assert field is not None
                seen = field.cut(field.places(positions[lit][piece], n))
                products += self._products(seen, measured[piece], slope)
                yield torch.nan_to_num(slope, posinf=0.0, neginf=0.0).cpu().numpy()
            self._ranks.add_up(products)
            step = _step(products)
            slope = slope + step
            if float(step.abs().max()) < _SETTLED:
                break
        yield torch.nan_to_num(slope, posinf=0.0, neginf=0.0).cpu().numpy()

    def _lit(
        self, known: NDArray[np.bool_], origin_px: tuple[int, int], positions: PositionArray
    ) -> NDArray[np.float64]:
        """Return (k,) the part of the light on each position that falls on what is known."""
        light = self._lights.abs().square().sum(dim=0).cpu().numpy().astype(np.float64)
        total, n = light.sum(), light.shape[-1]
        padded = np.pad(known, n)
        found = np.zeros(len(positions))
        corners = np.round(positions).astype(np.int64) - n // 2 - np.array(origin_px) + n
        for number, (row, column) in enumerate(np.clip(corners, 0, np.array(padded.shape) - n)):
            found[number] = light[padded[row : row + n, column : column + n]].sum()
        return found / total if total > 0 else found

    def _products(self, seen: torch.Tensor, measured: torch.Tensor, slope: torch.Tensor) -> torch.Tensor:
        """Return (4, 4) the products, summed over all pixels of some patterns, that a pass needs.

        They are those of four pictures with each other: the derivatives of the predicted amplitude by both slopes, the
        predicted amplitude, and the measured one.
        """
        phase = torch.einsum("i,iyx->yx", slope.float(), self._axes)
        # A ramp over the object and one over each patch differ by a constant for each patch, which no pattern shows.
        waves = seen[:, None] * self._lights * torch.polar(torch.ones_like(phase), phase)
        fields = torch.fft.fft2(waves, norm="ortho")
        slopes = torch.fft.fft2(waves * (1j * self._axes[:, None, None]), norm="ortho")
        amplitude = torch.view_as_real(fields).square().sum(dim=(1, -1)).sqrt()
        shares = fields.conj() / amplitude.clamp(min=torch.finfo(amplitude.dtype).tiny)[:, None]
        change = (shares * slopes).real.sum(dim=2)
        pattern = torch.fft.ifftshift(measured, dim=(-2, -1))
        pictures = torch.cat([change, amplitude[None], pattern[None]]).flatten(1)
        return (pictures @ pictures.T).double()


def _step(products: torch.Tensor) -> torch.Tensor:
    """Return the change of the slope that one linear fit asks for."""
    normal, level = products[:2, :2], products[2, 2] / products[2, 3]
    # An object that is too bright as a whole is no reason for a slope: measured and predicted are brought level.
    lacking = products[:2, 3] * level - products[:2, 2]
    held = _SINGULAR * normal.diagonal().sum() + torch.finfo(torch.float64).tiny
    step: torch.Tensor = torch.linalg.solve(normal + held * torch.eye(2).to(normal), lacking)
    return step
