"""A progress bar that keeps still, in the colours of the desktop."""

from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QProgressBar, QWidget

from app.widgets.plot_colours import PALETTE_EVENTS

_STYLE = """
QProgressBar { border: 1px solid palette(mid); border-radius: 2px; background: palette(base); text-align: center; }
QProgressBar::chunk { background: palette(highlight); }
"""
"""The style's own bar glitters: it is painted sixty times a second as long as a job runs."""


class StillBar(QProgressBar):
    """A progress bar of a given name and width."""

    def __init__(self, name: str, width: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(name)
        self.setFixedWidth(width)
        self.setTextVisible(True)
        self._restyling = False
        self._restyle()

    def changeEvent(self, event: QEvent) -> None:  # Qt's name
        """Follow the palette: a style sheet keeps the colours that it was first painted with."""
        super().changeEvent(event)
        if event.type() in PALETTE_EVENTS and not self._restyling:
            self._restyle()

    def _restyle(self) -> None:
        self._restyling = True
        self.setStyleSheet("")
        self.setStyleSheet(_STYLE)
        self._restyling = False
