from dataclasses import dataclass

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication, QCheckBox, QComboBox, QLabel, QSpinBox
from pytestqt.qtbot import QtBot

from app.widgets.config_form import ConfigForm
from app.widgets.number_edit import NumberEdit
from ptycho_engine.config import Config, TrainConfig, option, options_of
from ptycho_engine.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Example(Config):
    count: int = option(3, "How many", unit="pieces", minimum=1, maximum=9)
    rate: float | None = option(None, "How fast", unit="1/s", minimum=0.0, maximum=10.0)
    kind: str = option("a", "Which", choices=("a", "b"))
    sure: bool = option(True, "Whether", advanced=True)
    seed: int = option(42, "Seed", minimum=0, maximum=2**32 - 1)


@pytest.fixture
def form(qtbot: QtBot) -> ConfigForm[Example]:
    made = ConfigForm(Example, labels={"kind": "Sort"})
    qtbot.addWidget(made)
    made.show()
    return made


def test_the_form_of_a_training_starts_with_its_defaults(qtbot: QtBot) -> None:
    form = ConfigForm(TrainConfig)
    qtbot.addWidget(form)
    assert form.config() == TrainConfig()
    assert set(form.editors) == set(options_of(TrainConfig))
    assert all(editor.toolTip() for editor in form.editors.values())


def test_each_kind_of_setting_has_its_editor(form: ConfigForm[Example]) -> None:
    kinds = [type(editor) for editor in form.editors.values()]
    assert kinds == [QSpinBox, NumberEdit, QComboBox, QCheckBox, NumberEdit]
    labels = [label.text() for label in form.findChildren(QLabel)]
    assert {"Count", "Rate (1/s)", "Sort"} <= set(labels)
    assert form.editors["rate"].toolTip() == "How fast.\nFrom 0 to 10 1/s.\nUsually empty."


def test_what_is_shown_is_what_comes_out(form: ConfigForm[Example]) -> None:
    values = {"count": 5, "rate": 3e-4, "kind": "b", "sure": False, "seed": 2**32 - 1}
    form.show_values({**values, "unknown": 1})
    assert form.config() == Example(5, 3e-4, "b", False, 2**32 - 1)
    form.show_values({"rate": None, "kind": "z", "count": "many"})
    assert form.config() == Example(5, None, "b", False, 2**32 - 1)


@pytest.mark.parametrize(
    ("text", "words"),
    [("11", "greatest value is 10"), ("-1", "least value is 0"), ("fast", "not a number"), ("nan", "finite")],
)
def test_what_does_not_fit_is_said_in_words(form: ConfigForm[Example], text: str, words: str) -> None:
    editor = form.editors["rate"]
    assert isinstance(editor, NumberEdit)
    editor.setText(text)
    assert words in form.problem.text()
    assert form.problem.isVisible()
    with pytest.raises(ConfigError, match="Rate"):
        form.config()
    editor.setText("1e-3")
    assert form.problem.isHidden()
    assert form.config().rate == 1e-3


@pytest.mark.parametrize(("text", "good"), [("7", True), ("1e3", True), ("1.5", False), ("", False)])
def test_whole_numbers_are_whole(form: ConfigForm[Example], text: str, good: bool) -> None:
    editor = form.editors["seed"]
    assert isinstance(editor, NumberEdit)
    editor.setText(text)
    assert (editor.problem() == "") is good


def test_seldom_changed_settings_are_folded_away(form: ConfigForm[Example]) -> None:
    assert not form.editors["sure"].isVisible()
    form.fold.click()
    assert form.editors["sure"].isVisible()


def test_the_wheel_does_not_change_a_field_that_is_not_being_edited(form: ConfigForm[Example]) -> None:
    spin = form.editors["count"]
    form.editors["seed"].setFocus()
    wheel = QWheelEvent(
        QPointF(5, 5),
        QPointF(5, 5),
        QPoint(0, 0),
        QPoint(0, 120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(spin, wheel)
    assert form.config().count == 3
