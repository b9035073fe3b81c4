"""The side of a pixel of the object, entered by hand."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QDoubleSpinBox, QFormLayout, QLabel, QWidget


class PixelSizeDialog(QDialog):
    """Asks for a length in nanometres; does not stop the window.

    Parameters
    ----------
    pixel_size_m
        The present one [m], ``None`` if it is not known.
    parent
        The widget that it belongs to.
    """

    chosen = Signal(object)
    """The side of a pixel [m], ``None`` to forget what was entered."""

    def __init__(self, pixel_size_m: float | None, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Pixel size of the object")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.side = QDoubleSpinBox(self)
        self.side.setDecimals(4)
        self.side.setRange(0.0001, 1e6)
        self.side.setSuffix(" nm")
        self.side.setValue(10.0 if pixel_size_m is None else pixel_size_m * 1e9)
        self.side.setAccessibleName("Side of a pixel of the object")
        hint = QLabel(
            "Wavelength × distance ÷ (N × side of a detector pixel). It sets scale bar, ruler and resolution; "
            "nothing is computed with it.",
            self,
        )
        hint.setWordWrap(True)
        buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok
            | QDialogButtonBox.StandardButton.Cancel
            | QDialogButtonBox.StandardButton.Reset,
            self,
        )
        buttons.button(QDialogButtonBox.StandardButton.Reset).setText("&Forget")
        buttons.button(QDialogButtonBox.StandardButton.Reset).clicked.connect(self._forget)
        buttons.accepted.connect(self._take)
        buttons.rejected.connect(self.reject)
        form = QFormLayout(self)
        form.addRow("&Side of a pixel", self.side)
        form.addRow(hint)
        form.addRow(buttons)

    def _take(self) -> None:
        self.chosen.emit(self.side.value() * 1e-9)
        self.accept()

    def _forget(self) -> None:
        self.chosen.emit(None)
        self.accept()
