"""Four numbers for a rectangle of the detector, for those who know it in pixels or use no mouse."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QGridLayout, QLabel, QSpinBox, QWidget

from ptycho_engine.documents import Rectangle

_FIELDS = (
    ("&Row", "First row of the rectangle", "row"),
    ("Co&lumn", "First column of the rectangle", "column"),
    ("&Height", "Rows of the rectangle", "height"),
    ("&Width", "Columns of the rectangle", "width"),
)


class RegionFields(QWidget):
    """Row, column, height and width, kept inside the picture."""

    edited = Signal(object)
    """``Rectangle`` as the person typed it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._side = 1
        self.boxes: dict[str, QSpinBox] = {}
        grid = QGridLayout(self)
        grid.setContentsMargins(4, 0, 4, 0)
        grid.setSpacing(4)
        for place, (text, name, key) in enumerate(_FIELDS):
            box = QSpinBox(self)
            box.setAccessibleName(name)
            box.setToolTip(f"{name} [px]")
            # A number typed digit by digit is meant as a whole.
            box.setKeyboardTracking(False)
            box.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            box.valueChanged.connect(self._edited)
            label = QLabel(text, self)
            label.setBuddy(box)
            # Two by two: four in a line are wider than a narrow window has room for.
            grid.addWidget(label, place // 2, 2 * (place % 2))
            grid.addWidget(box, place // 2, 2 * (place % 2) + 1)
            self.boxes[key] = box
        grid.setColumnStretch(4, 1)

    @property
    def rectangle(self) -> Rectangle:
        """The rectangle, cut at the edge of the picture."""
        row, column, height, width = (self.boxes[key].value() for _, _, key in _FIELDS)
        return Rectangle(row, column, min(height, self._side - row), min(width, self._side - column))

    def show_rectangle(self, rectangle: Rectangle, side: int) -> None:
        """Show a rectangle of a picture of ``side`` pixels; tells nobody."""
        self._side = side
        values = (rectangle.row, rectangle.column, rectangle.height, rectangle.width)
        for (_, _, key), value in zip(_FIELDS, values, strict=True):
            box = self.boxes[key]
            box.blockSignals(True)
            box.setRange(*((0, side - 1) if key in ("row", "column") else (1, side)))
            box.setValue(value)
            box.blockSignals(False)

    def _edited(self, *_: object) -> None:
        rectangle = self.rectangle
        self.show_rectangle(rectangle, self._side)
        self.edited.emit(rectangle)
