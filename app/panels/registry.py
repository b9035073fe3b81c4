"""The panels of the window, one line each, in the order of their tabs and docks."""

from collections.abc import Callable
from importlib import import_module

from PySide6.QtWidgets import QWidget

from app.panels.canvas import CanvasPanel
from app.panels.diagnoses import DiagnosesPanel
from app.panels.explorer import ExplorerPanel
from app.panels.log import LogPanel
from app.panels.loss import LossPanel
from app.panels.panel import Panel, PanelSpec
from app.panels.training import TrainingPanel
from app.state.session import Session


def _later(module: str, name: str) -> Callable[[Session, QWidget | None], Panel]:
    """Return what imports a panel, which the first window does not show, and makes it."""

    def make(session: Session, parent: QWidget | None = None) -> Panel:
        panel: Panel = getattr(import_module(f"app.panels.{module}"), name)(session, parent)
        return panel

    return make


PANELS: tuple[PanelSpec, ...] = (
    PanelSpec("explorer", "Explorer", ExplorerPanel, "left", "Alt+1", ExplorerPanel.help_text),
    PanelSpec("training", "Training", TrainingPanel, "left", "Alt+2", TrainingPanel.help_text),
    PanelSpec(
        "patches",
        "Patches",
        _later("patches", "PatchesPanel"),
        "center",
        "Alt+3",
        "The patches the network draws now. Left: one colour range for all, so that a collapsed patch looks collapsed. "
        "Right: each patch normalized by itself. Point at a patch to mark it in both; click to select its frame.",
    ),
    PanelSpec(
        "dataset",
        "Dataset",
        _later("dataset", "DatasetPanel"),
        "center",
        "Alt+4",
        "The measured patterns, zero frequency in the middle. Move through the scan with the slider, the "
        "arrow keys or by clicking a position in Scan or in the tab Maps. Draw a rectangle on the pattern to "
        "see its light over the scan. Right-click a picture for colours, range, copy and save.",
    ),
    PanelSpec(
        "scan",
        "Scan",
        _later("scan", "ScanPanel"),
        "center",
        "Alt+5",
        "The scan positions in object pixels, x to the right and y down. Click a position to select its "
        "frame: Dataset, Patches and Canvas follow. Tick Groups to see which positions are solved together.",
    ),
    PanelSpec(
        "bundle",
        "Bundle",
        _later("bundle", "BundlePanel"),
        "center",
        "Alt+6",
        "The current bundle: its scales, parameters, layers, files, what it would have run; compared to others.",
    ),
    PanelSpec(
        "statistics",
        "Statistics",
        _later("statistics", "StatisticsPanel"),
        "center",
        "Alt+-",
        "Training against inference: statistics of patches, ratios and their cause; figures of runs and dumps.",
    ),
    PanelSpec(
        "ab",
        "A/B",
        _later("ab", "ABPanel"),
        "center",
        "Alt+Shift+7",
        "Two reconstructions of one object, or one and the known object: beside each other with one zoom, in "
        "turn, or as their difference. B is brought onto A first: a shift of parts of a pixel, a ramp of the "
        "phase and a factor are no difference that the patterns can tell. Below: up to which detail the two "
        "agree.",
    ),
    PanelSpec("canvas", "Canvas", CanvasPanel, "right", "Alt+7", CanvasPanel.help_text),
    PanelSpec("loss", "Loss", LossPanel, "bottom", "Alt+8", LossPanel.help_text),
    PanelSpec("diagnoses", "Diagnoses", DiagnosesPanel, "bottom", "Alt+0", DiagnosesPanel.help_text),
    PanelSpec("log", "Log", LogPanel, "bottom", "Alt+9", LogPanel.help_text),
)
