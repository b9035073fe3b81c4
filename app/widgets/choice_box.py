"""A drop-down list of named choices that carry their own keys."""

from collections.abc import Mapping
from typing import Generic, TypeVar, cast

from PySide6.QtGui import QStandardItemModel
from PySide6.QtWidgets import QComboBox, QSizePolicy, QWidget

KeyT = TypeVar("KeyT", bound=str)


class ChoiceBox(QComboBox, Generic[KeyT]):
    """A combo box whose current choice is a key, not a text."""

    def __init__(self, name: str, choices: Mapping[KeyT, str], help_text: str = "", parent: QWidget | None = None):
        super().__init__(parent)
        self.setAccessibleName(name)
        self.setToolTip(help_text or name)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        for key, text in choices.items():
            self.addItem(text, key)

    def narrow(self) -> None:
        """Give way where there is little room: the longest text is then cut, not the window made wider."""
        self.setMinimumWidth(80)
        self.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)

    @property
    def choice(self) -> KeyT:
        """The key that is chosen."""
        return cast("KeyT", self.currentData())

    def choose(self, key: KeyT) -> None:
        """Choose by key; a key that is not there is left alone."""
        index = self.findData(key)
        if index >= 0:
            self.setCurrentIndex(index)

    def enable(self, key: KeyT, enabled: bool) -> None:
        """Allow or forbid a choice."""
        model = self.model()
        index = self.findData(key)
        if isinstance(model, QStandardItemModel) and index >= 0:
            model.item(index).setEnabled(enabled)
