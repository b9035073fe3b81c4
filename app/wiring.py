"""Which intent of a panel goes to which method of the controller: the one table."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QUrl, SignalInstance
from PySide6.QtGui import QDesktopServices

from app.controller import Controller
from app.run_queue import RunQueue


def reveal(folder: Path | None) -> None:
    """Show a folder in the file manager of the desktop."""
    if folder is not None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))


def intents_of(controller: Controller, queue: RunQueue) -> dict[str, Callable[..., Any]]:
    """Return what becomes of each intent, by the name of its signal."""
    return {
        "frame_asked": controller.select_frame,
        "frame_data_asked": controller.scan_reader.read_frame,
        "summary_asked": controller.scan_reader.summarise,
        "whole_scan_asked": controller.scan_reader.summarise_whole,
        "region_asked": controller.scan_reader.sum_region,
        "stop_reading_asked": controller.scan_reader.stop,
        "groups_asked": controller.documents.find_groups,
        "study_asked": controller.bundles.study,
        "ranking_asked": controller.bundles.rank_readings,
        "comparison_asked": controller.bundles.compare,
        "export_asked": controller.export,
        "report_asked": controller.write_report,
        "canvas_comparison_asked": controller.canvases.compare_canvases,
        "phase_asked": controller.canvases.prepare_phase,
        "pixel_size_given": controller.canvases.give_pixel_size,
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
        "pause_asked": controller.pause,
        "watch_asked": controller.watching.watch,
        "stop_watching_asked": controller.watching.stop,
        "stop_run_asked": controller.watching.stop_run,
        "save_bundle_asked": controller.save_bundle,
        "export_canvas_asked": controller.export_canvas,
        "simulate_asked": controller.simulate,
        "queue_asked": queue.add,
        "queue_remove_asked": queue.remove,
        "queue_move_asked": queue.move,
        "queue_automatic_asked": queue.set_automatic,
        "queue_next_asked": queue.start_next,
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
