"""What ``--demo`` shows: the scan, the shipped bundle, an inference, and a training that only needs to be started."""

from PySide6.QtCore import QObject

from app.controller import Controller
from app.main_window import MainWindow
from app.panels.training import TrainingPanel
from app.state.session import Session

EPOCHS = 10


class Demo(QObject):
    """Starts an inference as soon as a scan and a bundle are open, once."""

    def __init__(self, session: Session, controller: Controller, window: MainWindow) -> None:
        super().__init__(window)
        self._session = session
        self._controller = controller
        self._window = window
        self.begun = False
        """Whether it did its part, or could not: a file was missing."""
        window.use_layout("train")
        session.settled.connect(self._look)
        controller.runner.idle.connect(self._give_up)

    def _look(self) -> None:
        state = self._session.state
        if self.begun or state.dataset is None or state.bundle is None or state.busy:
            return
        self.begun = True
        training = self._window.panels.get("training")
        if isinstance(training, TrainingPanel):
            n_groups = min(512, state.dataset.n_scan)
            training.show_config({"gridsize": state.bundle.model.gridsize, "n_groups": n_groups, "epochs": EPOCHS})
        # Opening the bundle brought its summary to the front; what the inference draws is seen among the patches.
        self._window.show_panel("patches")
        self._controller.infer()

    def _give_up(self) -> None:
        self.begun = True
