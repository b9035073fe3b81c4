"""The few dialogs: none of them stops the window."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import PySide6
from PySide6.QtCore import Qt, qVersion
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QFileDialog, QLineEdit, QMessageBox, QVBoxLayout, QWidget

from app.widgets.table import Cell, Table
from ptycho_engine import __version__

DialogT = TypeVar("DialogT", bound=QDialog)
OPEN_FILTER = "Scans, bundles, reconstructions and runs (*.npz *.zip *.h5 *.hdf5 *.ckpt *.json);;All files (*)"

CANVAS_FILTER = (
    "By the ending: NumPy, CXI, HDF5 product, float TIFF, pictures (*.npz *.cxi *.h5 *.tif *.tiff *.png);;All files (*)"
)


def ask_before_closing(
    parent: QWidget, title: str, stop_and_save: Callable[[], None] | None, stop: Callable[[], None]
) -> QMessageBox:
    """Ask what becomes of the running job; the job goes on while the question stands.

    ``stop_and_save`` is ``None`` for a job that leaves nothing to go on from.
    """
    box = QMessageBox(parent)
    box.setObjectName("close_question")
    box.setIcon(QMessageBox.Icon.Question)
    box.setWindowTitle("A job is running")
    box.setText(f"{title}: this job is still running.")
    if stop_and_save is not None:
        box.setInformativeText(
            "“Stop and save” keeps a checkpoint of this moment and opens the run again at the next start, ready to be "
            "resumed. “Stop” ends it; what is in its folder stays."
        )
        save = box.addButton("Stop and &save", QMessageBox.ButtonRole.AcceptRole)
        save.clicked.connect(stop_and_save)
        box.setDefaultButton(save)
    keep = box.addButton("&Keep running", QMessageBox.ButtonRole.RejectRole)
    end = box.addButton("S&top", QMessageBox.ButtonRole.DestructiveRole)
    box.setEscapeButton(keep)
    end.clicked.connect(stop)
    return _opened(box)


def ask_for_files(parent: QWidget, folder: str, use: Callable[[list[str]], None]) -> QFileDialog:
    """Let the person choose files to open."""
    dialog = QFileDialog(parent, "Open", folder, OPEN_FILTER)
    dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
    dialog.filesSelected.connect(use)
    return _opened(dialog)


def ask_for_folder(parent: QWidget, folder: str, use: Callable[[list[str]], None]) -> QFileDialog:
    """Let the person choose the folder of a run or a debug dump to open."""
    dialog = QFileDialog(parent, "Open folder", folder)
    dialog.setFileMode(QFileDialog.FileMode.Directory)
    dialog.setOption(QFileDialog.Option.ShowDirsOnly, True)
    dialog.filesSelected.connect(use)
    return _opened(dialog)


def ask_where_to_save(
    parent: QWidget, title: str, proposal: Path, filters: str, use: Callable[[str], None]
) -> QFileDialog:
    """Let the person choose a file to write; an existing one is asked about."""
    dialog = QFileDialog(parent, title, str(proposal.parent), filters)
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.selectFile(proposal.name)
    dialog.fileSelected.connect(use)
    return _opened(dialog)


def show_shortcuts(parent: QWidget, rows: Sequence[tuple[str, str, str]]) -> QDialog:
    """List what can be done, by which keys, in what words."""
    dialog = QDialog(parent)
    dialog.setWindowTitle("Keyboard shortcuts")
    dialog.resize(640, 560)
    search = QLineEdit(dialog)
    search.setPlaceholderText("Search")
    table = Table("Keyboard shortcuts", ("keys", "action", "what it does"), stretch=2, parent=dialog)
    native = QKeySequence.SequenceFormat.NativeText
    table.content.set_rows(
        [(Cell(QKeySequence(keys).toString(native)), Cell(name), Cell(text)) for keys, name, text in rows]
    )
    search.textChanged.connect(table.set_filter)
    buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, dialog)
    buttons.rejected.connect(dialog.close)
    layout = QVBoxLayout(dialog)
    for widget in (search, table, buttons):
        layout.addWidget(widget)
    return _opened(dialog)


def show_about(parent: QWidget) -> QMessageBox:
    """Say what this is."""
    box = QMessageBox(parent)
    box.setWindowTitle("About Ptychoscope")
    box.setText(f"Ptychoscope {__version__}")
    box.setInformativeText(
        "Trains and inspects PtychoPINN networks for X-ray ptychography.\n"
        "BSD-3-Clause licence.\n\n"
        f"Python {sys.version.split()[0]} · PySide6 {PySide6.__version__} · Qt {qVersion()}"
    )
    box.setStandardButtons(QMessageBox.StandardButton.Close)
    return _opened(box)


def _opened(dialog: DialogT) -> DialogT:
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.open()
    return dialog
