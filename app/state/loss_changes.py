"""How the loss curves grow: pure, a part of the reducer."""

from dataclasses import replace

from app.state.app_state import FIT_COLUMNS, Losses
from ptycho_engine import events as engine


def with_loss(losses: Losses, event: engine.LossMeasured | engine.EpochDone | engine.ValidationMeasured) -> Losses:
    """Return the curves with what was measured."""
    # A training that goes on from a checkpoint measures the steps after it again: the new figures replace the old.
    if isinstance(event, engine.ValidationMeasured):
        row = (event.step, event.epoch, *(getattr(event.figures, name) for name in FIT_COLUMNS))
        return replace(losses, fit=losses.fit.before("step", event.step).append(*row))
    if isinstance(event, engine.LossMeasured):
        table = losses.steps.before("step", event.step)
        row = (event.step, event.epoch, event.loss, event.learning_rate, event.gradient_norm, event.patches_per_s)
        epochs, fit = (part.before("step", event.step) for part in (losses.epochs, losses.fit))
        return Losses(table.append(*row), epochs, fit)
    validation = float("nan") if event.validation_loss is None else event.validation_loss
    table = losses.epochs.before("epoch", event.epoch)
    epoch_row = (event.epoch, event.step, event.train_loss, validation, event.learning_rate, float(event.best))
    return replace(losses, epochs=table.append(*epoch_row))
