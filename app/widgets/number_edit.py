"""A field for one number, as people write them: 0.001, 1e-3, or empty where that means something."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QLineEdit, QWidget


class NumberEdit(QLineEdit):
    """A whole or real number within bounds, or ``None`` when empty if that is allowed."""

    changed = Signal()

    def __init__(
        self,
        *,
        whole: bool,
        optional: bool,
        minimum: float | None = None,
        maximum: float | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.whole = whole
        self.optional = optional
        self.minimum = minimum
        self.maximum = maximum
        self.textChanged.connect(self._check)

    def value(self) -> float | int | None:
        """Return the number; ``ValueError`` says what is wrong with the text."""
        text = self.text().strip().replace("\u2212", "-").replace(" ", "")
        if not text:
            if self.optional:
                return None
            raise ValueError("A number is needed here.")
        try:
            number: float | int = int(text) if self.whole and text.lstrip("+-").isdigit() else float(text)
        except ValueError:
            raise ValueError(f"“{text}” is not a number.") from None
        if number != number or number in (float("inf"), float("-inf")):
            raise ValueError("The number must be finite.")
        if self.whole and number != int(number):
            raise ValueError("A whole number is needed here.")
        if self.minimum is not None and number < self.minimum:
            raise ValueError(f"The least value is {self.minimum:g}.")
        if self.maximum is not None and number > self.maximum:
            raise ValueError(f"The greatest value is {self.maximum:g}.")
        return int(number) if self.whole else float(number)

    def set_value(self, value: float | int | None) -> None:
        """Show ``value``."""
        if value is None:
            text = ""
        elif isinstance(value, int):
            text = str(value)
        else:
            text = f"{value:.10g}"
        self.setText(text)

    def problem(self) -> str:
        """Return what is wrong with the text, empty if nothing is."""
        try:
            self.value()
        except ValueError as error:
            return str(error)
        return ""

    def _check(self) -> None:
        # A border says it even to those who do not see red: it is thicker as well.
        self.setStyleSheet("QLineEdit { border: 2px solid #d9534f; }" if self.problem() else "")
        self.changed.emit()
