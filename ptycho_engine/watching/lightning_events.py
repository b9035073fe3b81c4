"""Rows of PtychoPINN's ``metrics.csv`` as events.

Its columns are called ``poisson_train_loss_step``, ``mae_train_loss_epoch``, ``poisson_val_loss``,
``raw_count_nll_train_step`` and so on; with regularisers a word stands between ``train`` and ``loss``.
"""

import math
import re
from collections.abc import Iterator

from ptycho_engine.events import EngineEvent, EpochDone, FiguresLogged, LossMeasured, StepDone
from ptycho_engine.watching.lightning_table import Row

_STEP = (re.compile(r"\w*_train_(\w+_)?loss_step"), re.compile(r"raw_count_nll_train_step"))
_EPOCH = (re.compile(r"\w*_train_(\w+_)?loss_epoch"), re.compile(r"raw_count_nll_train_epoch"))
_VALIDATION = (re.compile(r"\w*_val_(\w+_)?loss"), re.compile(r"raw_count_nll_val"))
_GRADIENT = (re.compile(r"grad_norm_preclip(_step)?"), re.compile(r"grad_norm_postclip(_step)?"))
_RATE = (re.compile(r"learning_rate"), re.compile(r"lr-\w+"))
_COUNTERS = ("epoch", "step")


class LightningEvents:
    """Joins the rows of a step, of a validation and of the means of an epoch.

    Parameters
    ----------
    n_epochs
        As far as the settings say; 0 where they do not.
    """

    def __init__(self, n_epochs: int = 0) -> None:
        self.n_epochs = n_epochs
        self.epoch = 0
        self.step = 0
        """Of the newest row."""
        self._rate = math.nan
        self._validation: dict[int, float] = {}
        """The validation losses of epochs whose means have not come."""
        self._means: dict[int, EpochDone] = {}
        self._best = math.inf
        self._steps_per_epoch = 0

    def of(self, row: Row) -> Iterator[EngineEvent]:
        """Yield what one row tells."""
        rest = {name: value for name, value in row.items() if name not in _COUNTERS}
        self.epoch, self.step = (
            _count(row.get(name), old) for name, old in (("epoch", self.epoch), ("step", self.step))
        )
        rate, validation = _taken(rest, _RATE), _taken(rest, _VALIDATION)
        mean, loss, gradient = _taken(rest, _EPOCH), _taken(rest, _STEP), _taken(rest, _GRADIENT)
        self._rate = self._rate if rate is None else rate
        if loss is not None:
            gradient = math.nan if gradient is None else gradient
            yield LossMeasured(self.step, self.epoch, loss, self._rate, gradient, math.nan)
            yield StepDone(self.step + 1, self._n_steps(), self.epoch, self.n_epochs)
        if validation is not None or mean is not None:
            yield from self._epoch_done(mean, validation)
        if rest:
            yield FiguresLogged(self.step, self.epoch, rest)

    def rest(self) -> Iterator[EngineEvent]:
        """Yield the epochs of which only the validation came."""
        for epoch, validation in sorted(self._validation.items()):
            yield EpochDone(epoch, self.n_epochs, self.step, math.nan, validation, self._rate, False)
        self._validation.clear()

    def _epoch_done(self, mean: float | None, validation: float | None) -> Iterator[EngineEvent]:
        before = self._means.get(self.epoch)
        if mean is None and before is None and validation is not None:
            self._validation[self.epoch] = validation
            return
        if validation is None:
            validation = self._validation.pop(self.epoch, before.validation_loss if before is not None else None)
        mean = before.train_loss if mean is None and before is not None else mean
        assert mean is not None  # either the row or the one before holds it
        judged = mean if validation is None else validation
        best = judged < self._best
        self._best = min(self._best, judged) if judged == judged else self._best
        self._steps_per_epoch = max(self._steps_per_epoch, (self.step + 1) // (self.epoch + 1))
        done = EpochDone(self.epoch, self.n_epochs, self.step, mean, validation, self._rate, best)
        self._means = {self.epoch: done}
        yield done

    def _n_steps(self) -> int:
        return max(self._steps_per_epoch * self.n_epochs, self.step + 1)


def _taken(rest: Row, patterns: tuple[re.Pattern[str], ...]) -> float | None:
    """Remove the first column that fits, the plainest name first, and return what it holds."""
    for pattern in patterns:
        fitting = sorted((name for name in rest if pattern.fullmatch(name)), key=lambda name: (len(name), name))
        if fitting:
            return rest.pop(fitting[0])
    return None


def _count(value: float | None, otherwise: int) -> int:
    return int(value) if value is not None and math.isfinite(value) and value >= 0 else otherwise
