"""A form made from a configuration: each field with its help, unit, bounds and default."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import MISSING
from typing import Any, Generic, TypeVar

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QCheckBox,
    QComboBox,
    QFormLayout,
    QLabel,
    QSizePolicy,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.widgets.number_edit import NumberEdit
from ptycho_engine.config import Config, Option, options_of
from ptycho_engine.errors import ConfigError

ConfigT = TypeVar("ConfigT", bound=Config)
Editor = QSpinBox | QComboBox | QCheckBox | NumberEdit
SPIN_LIMIT = 1_000_000_000


class _NoWheel(QObject):
    """Keeps the wheel for scrolling: turned over a field that is not being edited, it must not change the field."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() is QEvent.Type.Wheel and isinstance(watched, QWidget) and not watched.hasFocus():
            event.ignore()
            return True
        return super().eventFilter(watched, event)


class ConfigForm(QWidget, Generic[ConfigT]):
    """The settings of one configuration class.

    Parameters
    ----------
    kind
        The class; its fields carry their options.
    hidden
        Names that are not shown and keep their default.
    labels
        Labels where the name itself makes a poor one.
    parent
        Owner.
    """

    changed = Signal()

    def __init__(
        self,
        kind: type[ConfigT],
        *,
        hidden: Sequence[str] = (),
        labels: Mapping[str, str] | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._kind = kind
        self._labels = dict(labels or {})
        self._no_wheel = _NoWheel(self)
        self.editors: dict[str, Editor] = {}
        self._field_labels: dict[str, QLabel] = {}
        self._helps: dict[str, str] = {}
        usual_fields, self._advanced = QWidget(self), QWidget(self)
        usual, advanced = _form(usual_fields), _form(self._advanced)
        for name, (entry, default, type_name) in options_of(kind).items():
            if name not in hidden:
                self._add(advanced if entry.advanced else usual, name, entry, default, type_name)
        self.fold = QToolButton(self)
        self.fold.setText("Advanced")
        self.fold.setCheckable(True)
        self.fold.setArrowType(Qt.ArrowType.RightArrow)
        self.fold.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.fold.setAutoRaise(True)
        self.fold.setToolTip("Show or hide the settings that are seldom changed")
        self.fold.toggled.connect(self._unfold)
        self._advanced.hide()
        self.fold.setVisible(advanced.rowCount() > 0)
        self.problem = QLabel(self)
        self.problem.setWordWrap(True)
        self.problem.setStyleSheet("QLabel { color: #d9534f; }")
        self.problem.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (usual_fields, self.fold, self._advanced, self.problem):
            layout.addWidget(widget)
        layout.addStretch(1)

    def config(self) -> ConfigT:
        """Return the settings as filled in.

        Raises
        ------
        ConfigError
            Naming the first field that does not fit.
        """
        values: dict[str, Any] = {}
        for name, editor in self.editors.items():
            try:
                values[name] = _value(editor)
            except ValueError as error:
                raise ConfigError(f"{self.label(name)}: {error}") from error
        return self._kind(**values)

    def show_values(self, values: Mapping[str, Any]) -> None:
        """Fill in what is known of ``values``; what does not fit a field is left as it is."""
        for name, value in values.items():
            editor = self.editors.get(name)
            if editor is not None:
                # A number without end, or one that no field holds.
                with suppress(ValueError, OverflowError):
                    _show(editor, value)

    def allow(self, name: str, hindrance: str) -> None:
        """Grey a field and say why it means nothing now, or let it be filled in where there is no ``hindrance``."""
        editor, label = self.editors[name], self._field_labels[name]
        text = f"{hindrance}\n\n{self._helps[name]}" if hindrance else self._helps[name]
        for widget in (editor, label):
            widget.setEnabled(not hindrance)
            widget.setToolTip(text)

    def label(self, name: str) -> str:
        """Return the label of a field."""
        if name in self._labels:
            return self._labels[name]
        return name.removeprefix("n_").removesuffix("_s").replace("_", " ").capitalize()

    def _add(self, form: QFormLayout, name: str, entry: Option, default: Any, type_name: str) -> None:
        editor = _editor(entry, type_name, self)
        editor.setObjectName(name)
        editor.setAccessibleName(self.label(name))
        editor.setToolTip(_tool_tip(entry, default))
        editor.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        editor.installEventFilter(self._no_wheel)
        if default is not MISSING:
            _show(editor, default)
        if isinstance(editor, NumberEdit):
            editor.changed.connect(self._check)
        elif isinstance(editor, QSpinBox):
            editor.valueChanged.connect(self._check)
        elif isinstance(editor, QComboBox):
            editor.currentIndexChanged.connect(self._check)
        else:
            editor.toggled.connect(self._check)
        text = self.label(name)
        # A spin box shows the unit itself; a label that is the unit already says it.
        if entry.unit and not isinstance(editor, QSpinBox) and text.lower() != entry.unit:
            text = f"{text} ({entry.unit})"
        label = QLabel(text, self)
        label.setToolTip(editor.toolTip())
        label.setBuddy(editor)
        form.addRow(label, editor)
        self.editors[name] = editor
        self._field_labels[name] = label
        self._helps[name] = editor.toolTip()

    def _check(self) -> None:
        try:
            self.config()
            text = ""
        except ConfigError as error:
            text = str(error)
        self.problem.setText(text)
        self.problem.setVisible(bool(text))
        self.changed.emit()

    def _unfold(self, shown: bool) -> None:
        self.fold.setArrowType(Qt.ArrowType.DownArrow if shown else Qt.ArrowType.RightArrow)
        self._advanced.setVisible(shown)


def _form(holder: QWidget) -> QFormLayout:
    form = QFormLayout(holder)
    form.setContentsMargins(0, 0, 0, 0)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    return form


def _editor(entry: Option, type_name: str, parent: QWidget) -> Editor:
    optional = "None" in type_name
    kind = type_name.split("|")[0].strip()
    if entry.choices:
        combo = QComboBox(parent)
        combo.addItems(list(entry.choices))
        editor: Editor = combo
    elif kind == "bool":
        editor = QCheckBox(parent)
    elif kind == "int" and not optional and (entry.maximum is None or entry.maximum <= SPIN_LIMIT):
        spin = QSpinBox(parent)
        spin.setRange(
            int(entry.minimum) if entry.minimum is not None else -SPIN_LIMIT,
            int(entry.maximum) if entry.maximum is not None else SPIN_LIMIT,
        )
        spin.setSuffix(f" {entry.unit}" if entry.unit else "")
        spin.setCorrectionMode(QAbstractSpinBox.CorrectionMode.CorrectToNearestValue)
        spin.setKeyboardTracking(False)
        editor = spin
    else:
        number = NumberEdit(
            whole=kind == "int", optional=optional, minimum=entry.minimum, maximum=entry.maximum, parent=parent
        )
        number.setPlaceholderText("automatic" if optional else "")
        editor = number
    editor.setMinimumWidth(70)
    policy = QSizePolicy.Policy.Fixed if isinstance(editor, QCheckBox) else QSizePolicy.Policy.Expanding
    editor.setSizePolicy(policy, QSizePolicy.Policy.Fixed)
    return editor


def _value(editor: Editor) -> Any:
    if isinstance(editor, QSpinBox):
        editor.interpretText()
        return editor.value()
    if isinstance(editor, QComboBox):
        return editor.currentText()
    if isinstance(editor, QCheckBox):
        return editor.isChecked()
    return editor.value()


def _show(editor: Editor, value: Any) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if isinstance(editor, QSpinBox):
        if number:
            editor.setValue(int(value))
    elif isinstance(editor, QComboBox):
        if editor.findText(str(value)) >= 0:
            editor.setCurrentText(str(value))
    elif isinstance(editor, QCheckBox):
        editor.setChecked(bool(value))
    elif number or value is None:
        editor.set_value(value)


def _tool_tip(entry: Option, default: Any) -> str:
    lines = [entry.help + "."]
    low, high = entry.minimum, entry.maximum
    unit = f" {entry.unit}" if entry.unit else ""
    if low is not None and high is not None:
        lines.append(f"From {low:g} to {high:g}{unit}.")
    elif low is not None:
        lines.append(f"At least {low:g}{unit}.")
    if default is not MISSING:
        shown = "empty" if default is None else "off" if default is False else "on" if default is True else default
        lines.append(f"Usually {shown}.")
    return "\n".join(lines)
