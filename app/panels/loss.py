"""The loss curves of a training, and its figures."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QVBoxLayout, QWidget

from app.display.curves import SMOOTHING_WINDOWS
from app.display.wording import duration, number
from app.panels.panel import Panel
from app.panels.rest import Rest
from app.state.app_state import AppState
from app.state.session import Session
from app.widgets.content_or_hint import ContentOrHint
from app.widgets.curve_room import LEAST_PX
from app.widgets.elided_label import ElidedLabel

if TYPE_CHECKING:
    from app.widgets.curve_plot import CurvePlot


def headline(state: AppState) -> str:
    """Return the figures of the current or last training in one line."""
    losses = state.losses
    loss = losses.steps.last("loss")
    job = state.training
    watched = state.watched.get(state.shown_run or "")
    if loss is None:
        waiting = job is not None and job.verb == "train" and job.busy
        return "Waiting for the first step" if waiting else "No training yet"
    parts = [] if watched is None else [watched.job.title]
    training = job if job is not None and job.verb == "train" else None
    epoch = int(losses.steps.last("epoch") or 0) + 1
    parts.append(
        f"epoch {epoch}/{training.n_epochs}" if training is not None and training.n_epochs else f"epoch {epoch}"
    )
    parts.append(f"loss {number(loss)}")
    validation = losses.epochs.last("validation")
    if validation is not None and validation == validation:
        parts.append(f"validation {number(validation)}")
    for word, column in (("R", "r_factor"), ("overlap", "overlap_consistency"), ("object", "complex_correlation")):
        value = losses.fit.last(column)
        if value is not None and value == value:
            parts.append(f"{word} {number(value, 3)}")
    parts.append(f"rate {number(losses.steps.last('learning_rate'), 3)}")
    parts.append(f"gradient {number(losses.steps.last('gradient_norm'), 3)}")
    parts.append(f"{number(losses.steps.last('patches_per_s'), 3)} patches/s")
    if training is not None and training.held:
        parts.append("paused" if training.state == "paused" else "pausing")
    elif training is not None and training.busy and training.seconds_left is not None:
        parts.append(f"{duration(training.seconds_left)} left")
    if watched is not None and watched.minutes_without_news is not None:
        parts.append(f"no news for {watched.minutes_without_news} min")
    return " · ".join(parts)


FIRST_AXIS = ("training, each step", "training, epoch", "validation")
STEP_FIGURES = {"learning rate": "learning_rate", "gradient norm": "gradient_norm", "patches/s": "patches_per_s"}
"""What is measured at each step beside the loss."""
SECOND_AXIS = {
    "loss alone": (),
    **dict.fromkeys(STEP_FIGURES, ()),
    "R-factor": ("r_factor",),
    "overlap": ("overlap_consistency",),
    "deviance": ("poisson_deviance",),
    "correlation": ("amplitude_correlation", "phase_correlation", "complex_correlation"),
}
"""What can be drawn at the right: its name, and the figures of fit that belong to it."""


class LossPanel(Panel):
    """Training and validation loss on one axis, on another if wanted how fast and how well it goes."""

    title = "Loss"
    panel_id = "loss"
    help_text = "Loss of each step and each epoch. The menu of the plot smooths, saves and changes the axis."

    export_asked = Signal(object)
    """``Export`` of the curves, to be written to a file."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        # On a line of its own: beside the choices, a narrow panel would wrap it over the whole height of the plot.
        self.figures = ElidedLabel(parent=self)
        self._plot: CurvePlot | None = None
        self.log_axis = QCheckBox("Log", self)
        self.log_axis.setToolTip("Logarithmic axis")
        self.log_axis.setChecked(True)
        self.log_axis.toggled.connect(self._change_axis)
        self.second = QComboBox(self)
        self.second.setAccessibleName("Second axis")
        self.second.setToolTip(
            "What to draw at the right: the learning rate, the gradient norm, the patches computed in a second,\n"
            "or how good the network is on a fixed sample\n"
            "R-factor: sum |predicted - measured| / sum measured, 0 is perfect\n"
            "overlap: whether neighbouring patches show the same, 1 is perfect, 0 is chance\n"
            "deviance: Poisson deviance per pixel, about 1 where only noise is left\n"
            "correlation: of amplitude, phase and both with the known object, where the file holds one"
        )
        self.second.addItems(list(SECOND_AXIS))
        self.second.currentTextChanged.connect(self._draw)
        self.second_log = QCheckBox("Log", self)
        self.second_log.setAccessibleName("Logarithmic axis at the right")
        self.second_log.setToolTip("Logarithmic axis at the right")
        self.second_log.toggled.connect(self._change_second_axis)
        self.smoothing = QComboBox(self)
        self.smoothing.setAccessibleName("Smoothing")
        self.smoothing.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.smoothing.setMinimumContentsLength(4)
        self.smoothing.setToolTip("Mean over neighbouring points; the curve itself stays, faint")
        for window in SMOOTHING_WINDOWS:
            self.smoothing.addItem("raw" if window == 1 else f"mean {window}", window)
        self.smoothing.currentIndexChanged.connect(self._smooth)
        top = QHBoxLayout()
        top.setSpacing(4)
        for widget in (self.log_axis, self.smoothing, self.second, self.second_log):
            top.addWidget(widget)
        for choice in (self.smoothing, self.second):
            # A narrow panel cuts the words of a choice rather than the plot.
            choice.setMinimumWidth(66)
        self.second_log.hide()
        top.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 4, 6, 0)
        layout.addLayout(top)
        layout.addWidget(self.figures)
        self.pages = ContentOrHint(None, self)
        # The room of the plot: the window must not grow when that is built.
        self.pages.setMinimumSize(*LEAST_PX)
        self.pages.show_hint("The loss of each training step is drawn here.")
        layout.addWidget(self.pages, 1)
        self.take_keys(self.log_axis, self.smoothing, self.second, self.second_log)
        self._rest = Rest(self._draw, self)
        self.watch(session.losses_changed)
        self.watch(session.job_changed)

    @property
    def plot(self) -> "CurvePlot":
        """The curves; built when they are first asked for."""
        if self._plot is None:
            # Imported here: what curves are drawn with takes longer to import than all the rest of the first window.
            from app.widgets.curve_plot import CurvePlot

            self._plot = plot = CurvePlot("Loss", x_label="step", y_label="loss", log=True, parent=self)
            plot.export_asked.connect(self.export_asked)
            plot.smoothing_changed.connect(self._show_smoothing)
            plot.log_changed.connect(self.log_axis.setChecked)
            self.pages.put(plot)
            QWidget.setTabOrder(self.second_log, plot)
        return self._plot

    def prepare(self) -> None:
        """Build the plot."""
        _ = self.plot

    def refresh(self) -> None:
        """Tell the figures, and draw the curves: at most once in a while as long as they grow."""
        for paint in self.portions():
            paint()

    def portions(self) -> tuple[Callable[[], None], ...]:
        """Return what paints: the figures, and the curves by themselves."""
        return (self._tell, self._follow)

    def _tell(self) -> None:
        self.figures.setText(headline(self.session.state))

    def _follow(self) -> None:
        state = self.session.state
        self._rest.ask(growing=state.training is not None and state.training.busy and len(state.losses.steps) > 1)

    def _draw(self) -> None:
        state = self.session.state
        steps, epochs = state.losses.steps, state.losses.epochs
        self.second_log.setVisible(self.second.currentIndex() > 0)
        if not len(steps):
            # Empty axes are left between two trainings: a sentence would come and go.
            if self._plot is not None:
                self._plot.clear_series()
            return
        self.plot.set_series("training, each step", steps.column("step"), steps.column("loss"))
        if len(epochs):
            self.plot.set_series("training, epoch", epochs.column("step"), epochs.column("train"))
            validation = epochs.column("validation")
            if (validation == validation).any():
                self.plot.set_series("validation", epochs.column("step"), validation)
            else:
                self.plot.remove_series("validation")
        else:
            self.plot.remove_series("training, epoch")
            self.plot.remove_series("validation")
        self._draw_second()
        self.plot.settle()
        self.pages.show_content()

    def _draw_second(self) -> None:
        chosen = self.second.currentText()
        losses = self.session.state.losses
        curves = {chosen: losses.steps} if chosen in STEP_FIGURES else {}
        columns = dict(STEP_FIGURES)
        for column in SECOND_AXIS[chosen]:
            name = chosen if chosen != "correlation" else column.removesuffix("_correlation")
            values = losses.fit.column(column)
            if (values == values).any():
                curves[name], columns[name] = losses.fit, column
        for name in self.plot.series_names:
            if name not in (*FIRST_AXIS, *curves):
                self.plot.remove_series(name)
        self.plot.secondary_label = chosen
        for name, table in curves.items():
            self.plot.set_series(name, table.column("step"), table.column(columns[name]), secondary=True)

    def _change_axis(self, log: bool) -> None:
        if log != self.plot.log:
            self.plot.set_log(log)

    def _change_second_axis(self, log: bool) -> None:
        self.plot.set_secondary_log(log)

    def _smooth(self, row: int) -> None:
        window = self.smoothing.itemData(row)
        if window != self.plot.smoothing:
            self.plot.set_smoothing(window)

    def _show_smoothing(self, window: int) -> None:
        self.smoothing.setCurrentIndex(max(0, self.smoothing.findData(window)))
