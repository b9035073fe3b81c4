"""What the canvas panel shows once there is a canvas: two linked pictures, the ruler on them, and lines of figures."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QSplitter, QVBoxLayout, QWidget

from app.widgets.elided_label import ElidedLabel
from app.widgets.image_view import ImageView
from app.widgets.line_measure import LineMeasure


class CanvasContent(QWidget):
    """Pictures, ruler and lines, for the panel to fill."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.views = (ImageView("Canvas", parent=self), ImageView("Canvas, second picture", parent=self))
        self.views[0].link(self.views[1])
        self.split = QSplitter(Qt.Orientation.Vertical, self)
        for view in self.views:
            self.split.addWidget(view)
        self.measure = LineMeasure(self.views, self)
        self.parts = QSplitter(Qt.Orientation.Vertical, self)
        self.parts.addWidget(self.split)
        self.parts.addWidget(self.measure)
        self.parts.setStretchFactor(0, 3)
        self.parts.setStretchFactor(1, 1)
        self.warning = ElidedLabel(parent=self)
        self.warning.setObjectName("warning")
        self.warning.hide()
        self.lines = tuple(ElidedLabel(parent=self) for _ in range(5))
        self.progress, self.misfit, self.agreement, self.quality, self.placing = self.lines
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 2)
        column.setSpacing(0)
        column.addWidget(self.warning)
        column.addWidget(self.parts, 1)
        for label in self.lines:
            column.addWidget(label)

    def lay_out(self, *, wide: bool) -> None:
        """Put the pictures side by side, or one above the other."""
        self.split.setOrientation(Qt.Orientation.Horizontal if wide else Qt.Orientation.Vertical)

    def tell_nothing(self) -> None:
        """Empty the lines."""
        self.warning.hide()
        for label in self.lines:
            label.setText("")
