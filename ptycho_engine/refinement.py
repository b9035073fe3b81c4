"""Refine a stitched object against the measured patterns: the forward model and likelihood of training, on pixels."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ptycho_engine.arrays import ComplexArray, IndexArray, frozen_array
from ptycho_engine.documents import Canvas, Rectangle
from ptycho_engine.events import CanvasUpdated, MisfitMeasured, Progressed
from ptycho_engine.preview import RateLimit
from ptycho_engine.refinement_descent import Descent, step_size
from ptycho_engine.refinement_field import ObjectField
from ptycho_engine.refinement_misfit import Misfit
from ptycho_engine.refinement_task import RefinementTask

SCALE_PATTERNS = 256
"""Patterns, evenly spread over the scan, from which the factor of the canvas is taken."""
PROBE_AFTER = 0.1
"""Part of the passes before the probe moves too: an object far off would push its own faults into the probe."""

RefinementEvent = Progressed | CanvasUpdated | MisfitMeasured


class Refinement:
    """Brings a canvas in line with the patterns, pass by pass.

    First one factor is fitted, as a network may draw too bright or too dark as a whole. Every pass then goes once over
    all patterns in a new order that only the seed decides, a few of them in a step. Iterate over :meth:`run`; whenever
    it has yielded, :meth:`canvas` and :attr:`misfits` say what was reached.

    Parameters
    ----------
    task
        The patterns.
    canvas
        Where to start, at network or physical scale.
    clock
        Seconds from any origin.
    """

    def __init__(self, task: RefinementTask, canvas: Canvas, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.task = task
        self.start = canvas
        per_physical = task.network_per_physical
        level = per_physical if canvas.scale == "physical" else per_physical / canvas.network_per_physical
        every = task.batches.all_groups()
        self._field = ObjectField.around(canvas, task.positions(every), task.model.n, level, task.batches.device)
        self._descent = Descent(task, self._field)
        self._limit = RateLimit(task.preview_interval_s)
        self._began = clock()
        self._n_done = 0
        # The patterns are looked at once before the first and once after the last pass.
        self._n_total = (task.n_passes + 2) * task.n_patterns
        self.factor = 1.0
        """By which the canvas was multiplied before the first pass."""
        self.misfits: tuple[MisfitMeasured, ...] = ()
        """Before the first pass, during each, and after the last."""

    @property
    def seconds(self) -> float:
        """Time since the beginning [s]."""
        return self._clock() - self._began

    def run(self) -> Iterator[RefinementEvent]:
        """Refine.

        Yields
        ------
        RefinementEvent
            ``Progressed`` after each piece of a step, which is the point to cancel; ``MisfitMeasured`` before the
            first pass, after each pass and at the end; ``CanvasUpdated`` as often as is due, and at the end.
        """
        task, descent = self.task, self._descent
        for _ in descent.looked_at(_spread_evenly(task.n_patterns), level := Misfit.of(task)):
            yield self._progress(0)
        self.factor = level.factor
        self._field.pixels *= self.factor
        misfit = Misfit.of(task)
        yield from self._measure(0, misfit)
        descent.trust_the_start(misfit)
        for number in range(task.n_passes):
            order, misfit = task.batches.order(task.seed, number), Misfit.of(task)
            for first in range(0, len(order), descent.n_together):
                part = (number + first / len(order)) / task.n_passes
                patterns = order[first : first + descent.n_together]
                with_probe = task.refine_probe and part >= PROBE_AFTER
                for count in descent.stepped(patterns, step_size(part), misfit, with_probe=with_probe):
                    yield self._progress(count)
                    yield from self._preview()
            if task.refine_probe:
                descent.fix_probe()
            descent.follow_slow_change()
            if number + 1 < task.n_passes:
                yield self._measured(number + 1, misfit)
        descent.settle()
        yield from self._measure(task.n_passes, Misfit.of(task))
        yield self._update()

    def canvas(self) -> Canvas:
        """Return the canvas as far as it is refined, at network scale, turned to the mean phase of where it started."""
        start = self.start
        object_ = np.where(start.covered, self._field.inside(start.object_.shape), 0)
        turned = np.vdot(object_[start.covered], start.object_[start.covered])
        if np.isfinite(turned) and abs(turned) > 0:
            object_ = object_ * (turned / abs(turned))
        per_physical = self.task.network_per_physical
        frozen = frozen_array(object_, np.complex64)
        return replace(start, object_=frozen, network_per_physical=per_physical, scale="network")

    def report(self) -> dict[str, Any]:
        """Return passes, patterns, time and misfits as plain data; visits count the looks before and after, too."""
        names = ("n_passes_done", "r_factor", "deviance", "noise_deviance", "seconds")
        return {
            "n_passes": self.task.n_passes,
            "n_patterns": self.task.n_patterns,
            "pattern_visits": self._n_done,
            "seconds": self.misfits[-1].seconds if self.misfits else self.seconds,
            "factor": self.factor,
            "refine_probe": self.task.refine_probe,
            "misfits": [{name: getattr(misfit, name) for name in names} for misfit in self.misfits],
        }

    def probe(self) -> ComplexArray | None:
        """Return the refined light on the object, (N, N) complex64 in units of the scan's probe, if it was refined."""
        if not self.task.refine_probe:
            return None
        return frozen_array(self._descent.illumination.cpu().numpy() * self.task.probe_scale, np.complex64)

    def _measure(self, n_passes_done: int, misfit: Misfit) -> Iterator[RefinementEvent]:
        for count in self._descent.looked_at(self.task.batches.all_groups(), misfit):
            yield self._progress(count)
        yield self._measured(n_passes_done, misfit)

    def _measured(self, n_passes_done: int, misfit: Misfit) -> MisfitMeasured:
        measured = MisfitMeasured(
            n_passes_done, self.task.n_passes, misfit.r_factor, misfit.deviance, misfit.noise, self.factor, self.seconds
        )
        self.misfits = (*self.misfits, measured)
        return measured

    def _progress(self, count: int) -> Progressed:
        self._n_done += count
        left = None if not self._n_done else self.seconds / self._n_done * (self._n_total - self._n_done)
        return Progressed(self._n_done, self._n_total, "patterns", left)

    def _preview(self) -> Iterator[CanvasUpdated]:
        if self._limit.due():
            self._limit.begin()
            update = self._update()
            self._limit.end()
            yield update

    def _update(self) -> CanvasUpdated:
        canvas = self.canvas()
        height, width = canvas.object_.shape
        return CanvasUpdated(canvas, Rectangle(0, 0, height, width), self._n_done, self._n_total)


def _spread_evenly(n_patterns: int) -> IndexArray:
    return np.unique(np.linspace(0, n_patterns - 1, min(n_patterns, SCALE_PATTERNS)).astype(np.int64))
