"""Choices for what a bundle leaves open about its network."""

from collections.abc import Mapping

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFormLayout, QLabel, QWidget

from app.widgets.choice_box import ChoiceBox
from ptycho_engine.assumptions import CHOICES

BY_THE_PATTERNS = "as fits the patterns best"
_CAPTIONS = {"output": "Network draws", "amp_activation": "Amplitude bounded by", "probe_big": "Border of a patch"}
_WORDS = {
    "amp_phase": "amplitude and phase",
    "real_imag": "real and imaginary part",
    "silu": "SiLU",
    "sigmoid": "sigmoid",
    "true": "drawn",
    "false": "left empty",
}
_HELP = "The bundle does not say it. Left open, an inference compares predicted with measured patterns, and tells."


class AssumptionForm(QWidget):
    """One small list for each open setting; hidden where nothing is open."""

    chosen = Signal(str, object)
    """The setting, and the word for its value: ``str``, or ``None`` to leave it to the patterns."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.heading = QLabel("The bundle does not say:", self)
        self.boxes: dict[str, ChoiceBox[str]] = {}
        self._layout = QFormLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 6)
        self._layout.addRow(self.heading)
        for name, words in CHOICES.items():
            texts = {"": BY_THE_PATTERNS} | {word: _WORDS[word] for word in words}
            box: ChoiceBox[str] = ChoiceBox(_CAPTIONS[name], texts, _HELP, self)
            box.activated.connect(lambda _, name=name: self.chosen.emit(name, self.boxes[name].choice or None))
            self.boxes[name] = box
            self._layout.addRow(_CAPTIONS[name], box)
        self.show_open((), {})

    def show_open(self, names: tuple[str, ...], words: Mapping[str, str]) -> None:
        """Show the open settings, and what was chosen for them."""
        for name, box in self.boxes.items():
            box.choose(words.get(name, ""))
            self._layout.setRowVisible(box, name in names)
        self.setVisible(bool(names))
