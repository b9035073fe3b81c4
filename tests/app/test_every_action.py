"""Every action in every state of the window: nothing raises, Qt says nothing; every control has a name."""

from pathlib import Path

import pytest
from PySide6.QtCore import QCoreApplication, QEvent
from PySide6.QtGui import QAccessible, QAccessibleInterface
from PySide6.QtWidgets import QApplication, QComboBox, QDialog, QMessageBox

from app.actions import ACTIONS
from app.panels.loss import LossPanel
from app.state.queue import QueueChanged, QueuedRun, RunQueueState
from app.state.requests import TrainRequest
from ptycho_engine.config import TrainConfig
from tests.app.window import BUNDLE, SCAN, Shown

STATES: dict[str, tuple[Path, ...]] = {
    "no document": (),
    "a scan": (SCAN,),
    "a scan and a bundle": (SCAN, BUNDLE),
    "several": (SCAN, Path("/nowhere/other.npz"), BUNDLE, Path("/nowhere/second.h5.zip")),
}
ENDING = ("quit",)


def close_dialogs(shown: Shown) -> None:
    for widget in QApplication.topLevelWidgets():
        if isinstance(widget, (QDialog, QMessageBox)) and widget.isVisible():
            widget.close()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)


@pytest.mark.usefixtures("expects_notice")
@pytest.mark.parametrize("opened", STATES.values(), ids=STATES.keys())
def test_every_action_can_be_taken(shown: Shown, opened: tuple[Path, ...], qtlog: object) -> None:
    shown.open(*opened)
    offered = {spec.id for spec in ACTIONS if shown.window.actions_by_id[spec.id].isEnabled()}
    for spec in ACTIONS:
        action = shown.window.actions_by_id[spec.id]
        if spec.id in ENDING:
            continue
        # What is off must bear it too: it may be asked for in the moment before it is switched off.
        action.setEnabled(True)
        action.trigger()
        QApplication.processEvents()
        shown.settle()
        close_dialogs(shown)
    for action in (*shown.window.menus.panels.values(), *shown.window.menus.themes.values()):
        action.trigger()
        shown.settle()
    shown.window.menus.themes["desktop"].trigger()
    assert {"open", "palette", "guide", "layout_train"} <= offered
    assert ("infer" in offered) == (len(opened) > 1)
    errors = [notice for notice in shown.state.notices if notice.level == "error"]
    assert not errors
    shown.window.actions_by_id["quit"].trigger()
    assert not shown.window.isVisible()


NAMED_ROLES = (
    QAccessible.Role.Button,
    QAccessible.Role.ButtonMenu,
    QAccessible.Role.ButtonDropDown,
    QAccessible.Role.CheckBox,
    QAccessible.Role.RadioButton,
    QAccessible.Role.ComboBox,
    QAccessible.Role.EditableText,
    QAccessible.Role.SpinBox,
    QAccessible.Role.Slider,
    QAccessible.Role.ProgressBar,
    QAccessible.Role.List,
    QAccessible.Role.Table,
    QAccessible.Role.Tree,
    QAccessible.Role.PageTab,
)
OF_QT = ("qt_spinbox_lineedit", "qt_scrollarea_viewport", "qt_toolbar_ext_button")
"""Parts of a control that speak through it."""


def name_of(interface: QAccessibleInterface) -> str:
    """Return the name of a control; Qt calls a drop-down list without one by what is chosen in it."""
    owner = interface.object()
    name = interface.text(QAccessible.Text.Name).strip()
    if isinstance(owner, QComboBox) and name == owner.currentText() and not interface.relations():
        return owner.accessibleName()
    return name


def unnamed(interface: QAccessibleInterface, path: str = "") -> list[str]:
    """Return the controls below ``interface`` that a screen reader could not call by a name."""
    found = []
    for number in range(interface.childCount()):
        child = interface.child(number)
        if child is None or not child.isValid() or child.state().invisible:
            continue
        owner = child.object()
        kind = owner.metaObject().className() if owner is not None else child.role().name
        where = f"{path}/{kind}"
        own = owner is not None and owner.objectName() in OF_QT
        if child.role() in NAMED_ROLES and not own and not name_of(child):
            found.append(where)
        if child.role() not in (QAccessible.Role.ComboBox, QAccessible.Role.SpinBox):
            found += unnamed(child, where)
    return found


def test_every_control_of_every_panel_has_a_name(shown: Shown) -> None:
    shown.open(SCAN, BUNDLE)
    shown.session.apply(QueueChanged(RunQueueState((QueuedRun("queued-1", "scan", "", TrainRequest(TrainConfig())),))))
    lacking = []
    for panel_id, panel in shown.window.panels.items():
        shown.window.show_panel(panel_id)
        interface = QAccessible.queryAccessibleInterface(panel)
        assert interface is not None
        assert interface.text(QAccessible.Text.Name) == panel.title
        lacking += unnamed(interface, panel_id)
    assert not lacking
    shown.settle()


def test_a_control_without_a_name_is_found(shown: Shown) -> None:
    panel = shown.window.panels["loss"]
    assert isinstance(panel, LossPanel)
    panel.second.setAccessibleName("")
    shown.window.show_panel("loss")
    interface = QAccessible.queryAccessibleInterface(panel)
    assert interface is not None
    assert len(unnamed(interface)) == 1


def test_the_frame_of_the_window_has_names(shown: Shown) -> None:
    for widget in (shown.window.job_bar, shown.window.notice_bar, shown.window.menuBar()):
        interface = QAccessible.queryAccessibleInterface(widget)
        assert interface is not None
        assert not unnamed(interface)
