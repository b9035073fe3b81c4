"""Lines of a name and facts: where there is no room for both, the name is cut in its middle and the facts stay."""

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtWidgets import QStyledItemDelegate, QStyleOptionViewItem

FACTS = Qt.ItemDataRole.UserRole + 1
"""The role of the facts of an item; its text is its name with the facts behind it."""
LEAST_NAME_PX = 48
MARGINS_PX = 14


class NameDelegate(QStyledItemDelegate):
    """Shortens the name: names of runs begin with the day and are long, what they came to is told at the end."""

    def initStyleOption(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> None:
        """Put the shortened text into the option."""
        super().initStyleOption(option, index)
        facts = index.data(FACTS)
        if not facts:
            return
        tail = f"   {facts}"
        metrics = option.fontMetrics
        icon = option.decorationSize.width()
        room = option.rect.width() - icon - MARGINS_PX - metrics.horizontalAdvance(tail)
        name = str(index.data()).removesuffix(tail)
        cut = metrics.elidedText(name, Qt.TextElideMode.ElideMiddle, max(LEAST_NAME_PX, room))
        option.text = cut + tail
