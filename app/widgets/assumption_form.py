"""Choices for what a bundle leaves open about its network."""

from collections.abc import Mapping, Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFormLayout, QLabel, QVBoxLayout, QWidget

from app.display.wording import number
from app.widgets.choice_box import ChoiceBox
from ptycho_engine.assumptions import CHOICES, Candidate, is_decided

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


def found_text(scan: str, candidates: Sequence[Candidate]) -> str:
    """Return in words which way to read a network predicts the patterns of a scan best."""
    shown = [
        f"{in_words(one.words)} (deviance {number(one.deviance)}, R-factor {number(one.r_factor)})"
        for one in candidates[:2]
    ]
    second = f" Next: {shown[1]}." if len(shown) > 1 else ""
    if is_decided(candidates):
        return f"The patterns of {scan} fit best: {shown[0]}.{second}"
    return f"The patterns of {scan} do not decide, so the usual is assumed. Best: {shown[0]}.{second}"


def in_words(words: Mapping[str, str]) -> str:
    """Return a way to read a network in words."""
    return ", ".join(f"{_CAPTIONS[name].lower()} {_WORDS[word]}" for name, word in words.items())


class AssumptionForm(QWidget):
    """One small list for each open setting; hidden where nothing is open."""

    chosen = Signal(str, object)
    """The setting, and the word for its value: ``str``, or ``None`` to leave it to the patterns."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.heading = QLabel("The bundle does not say:", self)
        self.boxes: dict[str, ChoiceBox[str]] = {}
        self._layout = QFormLayout()
        for name, words in CHOICES.items():
            texts = {"": BY_THE_PATTERNS} | {word: _WORDS[word] for word in words}
            box: ChoiceBox[str] = ChoiceBox(_CAPTIONS[name], texts, _HELP, self)
            box.activated.connect(lambda _, name=name: self.chosen.emit(name, self.boxes[name].choice or None))
            self.boxes[name] = box
            self._layout.addRow(_CAPTIONS[name], box)
        self.found = QLabel(self)
        self.found.setTextFormat(Qt.TextFormat.PlainText)
        self.found.setWordWrap(True)
        # A form would cut a text of several lines.
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 6)
        column.addWidget(self.heading)
        column.addLayout(self._layout)
        column.addWidget(self.found)
        self.show_open((), {})

    def show_open(self, names: tuple[str, ...], words: Mapping[str, str]) -> None:
        """Show the open settings, and what was chosen for them."""
        for name, box in self.boxes.items():
            box.choose(words.get(name, ""))
            self._layout.setRowVisible(box, name in names)
        self.setVisible(bool(names))

    def show_found(self, text: str) -> None:
        """Say what the patterns of an open scan say of it."""
        self.found.setText(text)
        self.found.setVisible(bool(text))
