"""The actions that are about runs of other processes, and the questions that they need."""

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QFileDialog

from app.main_window import MainWindow


class WatchActions(QObject):
    """Tells what the person asks for.

    Parameters
    ----------
    window
        The window whose actions they are; it owns this.
    """

    watch_asked = Signal(object)
    """``str``: the folder whose run should be followed."""
    stop_watching_asked = Signal(object)
    """``None``: the run that is shown should be followed no more."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
        actions = window.actions_by_id
        actions["watch"].triggered.connect(self._ask_for_folder)
        actions["stop_watching"].triggered.connect(lambda: self.stop_watching_asked.emit(None))

    def _ask_for_folder(self) -> None:
        settings = self._window.settings.settings
        dialog = QFileDialog(self._window, "Watch the run in a folder", settings.last_folder)
        dialog.setObjectName("watch_folder")
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setOption(QFileDialog.Option.ShowDirsOnly, False)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(self._chosen)
        dialog.open()

    def _chosen(self, folder: str) -> None:
        self.watch_asked.emit(folder)
