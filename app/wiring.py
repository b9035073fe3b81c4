"""Which intent of a panel goes to which method of the controller: the one table."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QUrl, SignalInstance
from PySide6.QtGui import QDesktopServices

from app.controller import Controller


def reveal(path: Path | None) -> None:
    """Show a file's folder in the file manager of the desktop."""
    if path is not None:
        folder = path if path.is_dir() else path.parent
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))


def intents_of(controller: Controller) -> dict[str, Callable[..., Any]]:
    """Return what becomes of each intent, by the name of its signal."""
    return {
        "frame_asked": controller.select_frame,
        "frame_data_asked": controller.scan_reader.read_frame,
        "summary_asked": controller.scan_reader.summarise,
        "whole_scan_asked": controller.scan_reader.summarise_whole,
        "region_asked": controller.scan_reader.sum_region,
        "stop_reading_asked": controller.scan_reader.stop,
        "groups_asked": controller.find_groups,
        "export_asked": controller.export,
        "dismiss_asked": controller.dismiss,
        "document_asked": controller.choose_document,
        "close_asked": controller.close_document,
        "open_asked": controller.open_files,
        "train_asked": controller.train,
        "resume_asked": controller.resume,
        "assume_asked": controller.assume,
        "infer_asked": controller.infer,
        "refine_asked": controller.refine,
        "stop_asked": controller.cancel,
        "watch_asked": controller.watching.watch,
        "stop_watching_asked": controller.watching.stop,
        "stop_run_asked": controller.watching.stop_run,
        "notice_action_asked": controller.watching.answer,
        "save_bundle_asked": controller.save_bundle,
        "export_canvas_asked": controller.export_canvas,
        "simulate_asked": controller.simulate,
        "notice_closed": controller.close_notice,
        "leave_asked": controller.runner.leave,
        "reveal_asked": reveal,
    }


def connect_intents(source: QObject, intents: dict[str, Callable[..., Any]], *, without: tuple[str, ...] = ()) -> None:
    """Connect every intent that ``source`` declares.

    Raises
    ------
    LookupError
        If it declares one (a signal named ``…_asked``) that nobody answers.
    """
    for name in dir(type(source)):
        if name in without or not (name.endswith("_asked") or name in intents):
            continue
        signal = getattr(source, name)
        if not isinstance(signal, SignalInstance):
            continue
        if name not in intents:
            raise LookupError(f"nobody answers {type(source).__name__}.{name}")
        signal.connect(intents[name])
