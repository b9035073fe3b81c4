"""The panels of the window, one line each, in the order of their tabs and docks."""

from app.panels.ab import ABPanel
from app.panels.bundle import BundlePanel
from app.panels.canvas import CanvasPanel
from app.panels.dataset import DatasetPanel
from app.panels.diagnoses import DiagnosesPanel
from app.panels.explorer import ExplorerPanel
from app.panels.log import LogPanel
from app.panels.loss import LossPanel
from app.panels.panel import PanelSpec
from app.panels.patches import PatchesPanel
from app.panels.scan import ScanPanel
from app.panels.statistics import StatisticsPanel
from app.panels.training import TrainingPanel

PANELS: tuple[PanelSpec, ...] = (
    PanelSpec("explorer", "Explorer", ExplorerPanel, "left", "Alt+1", ExplorerPanel.help_text),
    PanelSpec("training", "Training", TrainingPanel, "left", "Alt+2", TrainingPanel.help_text),
    PanelSpec("patches", "Patches", PatchesPanel, "center", "Alt+3", PatchesPanel.help_text),
    PanelSpec("dataset", "Dataset", DatasetPanel, "center", "Alt+4", DatasetPanel.help_text),
    PanelSpec("scan", "Scan", ScanPanel, "center", "Alt+5", ScanPanel.help_text),
    PanelSpec("bundle", "Bundle", BundlePanel, "center", "Alt+6", BundlePanel.help_text),
    PanelSpec("statistics", "Statistics", StatisticsPanel, "center", "Alt+-", StatisticsPanel.help_text),
    PanelSpec("ab", "A/B", ABPanel, "center", "Alt+Shift+7", ABPanel.help_text),
    PanelSpec("canvas", "Canvas", CanvasPanel, "right", "Alt+7", CanvasPanel.help_text),
    PanelSpec("loss", "Loss", LossPanel, "bottom", "Alt+8", LossPanel.help_text),
    PanelSpec("diagnoses", "Diagnoses", DiagnosesPanel, "bottom", "Alt+0", DiagnosesPanel.help_text),
    PanelSpec("log", "Log", LogPanel, "bottom", "Alt+9", LogPanel.help_text),
)
