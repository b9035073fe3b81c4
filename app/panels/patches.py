"""The patches that the network draws: unnormalized and normalized side by side, with their figures."""

from collections.abc import Callable
from functools import partial
from typing import ClassVar

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QMenu, QPushButton, QSplitter, QVBoxLayout, QWidget

from app.display.canvas_pictures import PHASE_TICKS
from app.display.exports import Export, csv_bytes, json_bytes, with_suffix
from app.display.levels import Levels, full_levels
from app.display.normalise import Normalisation
from app.display.patch_numbers import (
    COLUMNS,
    PHASE_LABEL,
    SCALE_HELP,
    SCALE_LABELS,
    SCALE_TEXTS,
    Quantity,
    misfit,
    patch_numbers,
    scale_factor,
    shown_values,
)
from app.panels.panel import Panel
from app.panels.preview_choice import PreviewChoice
from app.panels.shown_patches import ShownPatches
from app.state.session import Session
from app.widgets.choice_box import ChoiceBox
from app.widgets.content_or_hint import ContentOrHint
from app.widgets.elided_label import ElidedLabel
from app.widgets.history_bar import HistoryBar
from app.widgets.image_menu import ask_for_path, png_bytes, side_by_side
from app.widgets.image_view import ImageView
from app.widgets.number_table import NumberTable
from app.widgets.patch_grid import PatchGrid
from ptycho_engine.arrays import FloatArray
from ptycho_engine.documents import AmplitudeScale
from ptycho_engine.events import PatchPreview

QUANTITIES: dict[Quantity, str] = {"amplitude": "Amplitude", "phase": "Phase"}
SCALES: dict[AmplitudeScale, str] = {key: f"{text.capitalize()} scale" for key, text in SCALE_TEXTS.items()}
NORMALISATION_TEXTS: dict[Normalisation, str] = {"z-score": "z-score per patch", "min-max": "min–max per patch"}
PHASE_WORDS = {"train": "Training", "inference": "Inference"}


class PatchesPanel(Panel):
    """Live patch grids on one range and normalized per patch, measured against predicted diffraction, figures."""

    title: ClassVar[str] = "Patches"
    panel_id: ClassVar[str] = "patches"

    export_asked = Signal(object)
    """An Export that is to be written."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self._preview: PatchPreview | None = None
        self._shown: ShownPatches | None = None
        self._selected = 0
        self._detailed: tuple[ShownPatches | None, int] = (None, 0)
        """Of which patch diffraction and figures are painted."""
        self._choice = PreviewChoice()
        self._build()
        self._connect()
        self.watch(session.preview_changed)
        self.watch(session.selection_changed)
        self.watch(session.documents_changed)
        self.watch(session.job_changed)
        self.refresh()

    # --- building ---

    def _build(self) -> None:
        self.quantity = ChoiceBox("Quantity", QUANTITIES, parent=self)
        self.scale = ChoiceBox("Scale of the amplitude", SCALES, SCALE_HELP, parent=self)
        self.normalisation = ChoiceBox("Normalization", NORMALISATION_TEXTS, parent=self)
        self.normalisation.setToolTip("How each patch on the right is normalized by its own values")
        self.freeze = QPushButton("&Freeze", self)
        self.freeze.setCheckable(True)
        self.freeze.setToolTip("Keep these patches while the job goes on")
        self.export = QPushButton("E&xport", self)
        menu = QMenu(self.export)
        menu.addAction("Pictures (&PNG)…", lambda: ask_for_path(self, ".png", self.export_png))
        menu.addAction("Numbers (&CSV)…", lambda: ask_for_path(self, ".csv", self.export_csv))
        menu.addAction("Numbers (&JSON)…", lambda: ask_for_path(self, ".json", self.export_json))
        self.export.setMenu(menu)
        self.caption = ElidedLabel(parent=self)
        bar = QHBoxLayout()
        bar.setContentsMargins(4, 4, 4, 2)
        for widget in (self.quantity, self.scale, self.normalisation):
            bar.addWidget(widget)
        bar.addWidget(self.caption, 1)
        bar.addWidget(self.freeze)
        bar.addWidget(self.export)

        self.unnormalized = PatchGrid("Unnormalized patches", colour_map="inferno", parent=self)
        self.normalized = PatchGrid("Normalized patches", colour_map="blue-white-red", parent=self)
        self.unnormalized.link(self.normalized)
        self._grids = QWidget(self)
        grids = QHBoxLayout(self._grids)
        grids.setContentsMargins(0, 0, 0, 0)
        grids.setSpacing(4)
        grids.addWidget(self.unnormalized, 1)
        grids.addWidget(self.normalized, 1)

        split = QSplitter(Qt.Orientation.Vertical, self)
        split.addWidget(self._grids)
        split.addWidget(self._build_details())
        split.setStretchFactor(0, 5)
        split.setStretchFactor(1, 2)
        split.setSizes([500, 230])
        split.setChildrenCollapsible(True)
        self.pages = ContentOrHint(split, self)
        self.history = HistoryBar(self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(bar)
        layout.addWidget(self.history)
        layout.addWidget(self.pages, 1)
        self.take_keys(self.quantity)

    def _build_details(self) -> QWidget:
        self.measured = ImageView("Measured", colour_map="viridis", scaling="log", parent=self)
        self.predicted = ImageView("Predicted", colour_map="viridis", scaling="log", parent=self)
        self.measured.link(self.predicted)
        self.numbers = NumberTable("Figures of the patches", ("selected", "all"), self)
        self.numbers.show_all_rows(len(COLUMNS))
        self.numbers.show_whole_figures(COLUMNS, "-0.0012345")
        self.numbers_title = ElidedLabel(parent=self)
        right = QWidget(self)
        column = QVBoxLayout(right)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.numbers_title)
        column.addWidget(self.numbers, 1)
        details = QSplitter(Qt.Orientation.Horizontal, self)
        for view in (self.measured, self.predicted):
            view.setMinimumWidth(100)
        for widget, share in ((self.measured, 3), (self.predicted, 3), (right, 5)):
            details.addWidget(widget)
            details.setStretchFactor(details.count() - 1, share)
        details.setSizes([230, 230, 400])
        return details

    def _connect(self) -> None:
        for box in (self.quantity, self.scale, self.normalisation):
            box.currentIndexChanged.connect(self._settings_changed)
        self.freeze.toggled.connect(self._freeze_toggled)
        self.history.chosen.connect(self.go_to)
        self.history.live_asked.connect(self.go_live)
        for grid in (self.unnormalized, self.normalized):
            grid.cell_hovered.connect(self._hovered)
            grid.cell_clicked.connect(self.select_patch)
            grid.columns_changed.connect(self._columns_changed)
            grid.view.export_asked.connect(self.export_asked)
        for view in (self.measured, self.predicted):
            view.export_asked.connect(self.export_asked)

    # --- painting ---

    @property
    def selected(self) -> int:
        """The patch whose diffraction and figures are shown."""
        return self._selected

    def refresh(self) -> None:
        """Paint the newest preview, unless frozen or gone back, and the selection."""
        _paint_all(self.portions())

    def portions(self) -> tuple[Callable[[], None], ...]:
        """Return what works out and paints each grid, and then the rest."""
        rest = (self._show_history, self._follow_selection)
        preview = self._choice.follow(self.session.state)
        if (self.freeze.isChecked() or preview is self._preview) and self._preview is not None:
            return rest
        self._preview = preview
        portions = (*self._grid_portions(), *rest)
        # The first patches appear as a whole: half of them would leave empty pictures beside them.
        return portions if self._shown is not None else (partial(_paint_all, portions),)

    def _grid_portions(self) -> tuple[Callable[[], None], ...]:
        return (self._take_values, self._paint_unnormalized, self._normalize, self._paint_normalized)

    def _show_history(self) -> None:
        choice, state = self._choice, self.session.state
        steps = [one.step for one in choice.history.items]
        live = self.freeze.isChecked() or choice.can_go_live(state)
        self.history.show_history(steps, choice.place, can_follow=live)

    def go_to(self, place: int) -> None:
        """Show an earlier preview, by its place in the history."""
        self._choice.choose(place)
        self.freeze.setChecked(False)
        self.refresh()

    def go_live(self) -> None:
        """Follow the newest preview again."""
        self._choice.go_live(self.session.state)
        self.freeze.setChecked(False)
        self.refresh()

    def _settings_changed(self, *_: object) -> None:
        self.scale.setEnabled(self.quantity.choice == "amplitude")
        self._paint_grids()
        self._paint_selected()

    def _freeze_toggled(self, frozen: bool) -> None:
        if not frozen:
            self.refresh()
        self._show_history()
        self._write_caption()

    def _columns_changed(self, _columns: int) -> None:
        self._paint_grids()
        self._paint_selected()

    def _paint_grids(self) -> None:
        _paint_all(self._grid_portions())

    def _take_values(self) -> None:
        preview = self._preview
        self.export.setEnabled(preview is not None)
        if preview is None or len(preview.patches) == 0:
            self._shown = None
            self.pages.show_hint("No patches yet. Start a training or an inference: they appear here while it runs.")
            self._write_caption()
            return
        quantity, scale = self.quantity.choice, self.scale.choice
        factor = scale_factor(scale, preview.network_per_physical, preview.intensity_scale)
        values = shown_values(preview.patches, quantity, factor)
        label = SCALE_LABELS[scale] if quantity == "amplitude" else PHASE_LABEL
        self._shown = ShownPatches(preview, values, quantity, scale, label, self.normalisation.choice)
        _ = self._shown.levels

    def _normalize(self) -> None:
        if self._shown is not None:
            _ = self._shown.normalized_levels

    def _paint_unnormalized(self) -> None:
        shown, grid = self._shown, self.unnormalized
        if shown is None:
            return
        self.pages.show_content()
        phase, n = shown.quantity == "phase", len(shown.values)
        grid.view.set_kind(shown.label, "twilight" if phase else "inferno")
        grid.set_patches(shown.values, levels=shown.levels, columns=grid.suitable_columns(n))
        grid.view.set_quantity(shown.label, PHASE_TICKS if phase else None)
        what = "phase in rad" if phase else f"{SCALE_TEXTS[shown.scale]} amplitude"
        one_range = f"one range for all {n}: {_range_text(shown.levels)} (p1–p99)"
        grid.view.set_title(f"Unnormalized · {what}", "cyclic, −π to π" if phase else one_range)
        self._write_caption()

    def _paint_normalized(self) -> None:
        shown, grid = self._shown, self.normalized
        if shown is None:
            return
        quantity = "a" if shown.quantity == "amplitude" else "φ"
        if shown.normalisation == "z-score":
            words = f"one symmetric range ±{shown.normalized_levels[1]:.3g}"
            label, colour_map = f"({quantity} − mean) / std", "blue-white-red"
        else:
            words = "range 0 … 1"
            label, colour_map = f"({quantity} − min) / (max − min)", "inferno"
        grid.view.set_kind(label, colour_map)
        columns = self.unnormalized.geometry_of_cells.columns
        grid.set_patches(shown.normalized, levels=shown.normalized_levels, columns=columns)
        grid.view.set_quantity(label)
        grid.view.set_title(f"Normalized · {NORMALISATION_TEXTS[shown.normalisation]}", words)

    def _write_caption(self) -> None:
        preview = self._preview
        if preview is None:
            self.caption.setText("")
            return
        frozen = " · frozen" if self.freeze.isChecked() else ""
        if self._choice.place is not None:
            frozen = " · earlier"
        text = f"{PHASE_WORDS[preview.phase]}, step {preview.step} · {len(preview.patches)} patches{frozen}"
        self.caption.setText(text)

    # --- selection ---

    def select_patch(self, index: int) -> None:
        """Select a patch, and its frame where the patches are of the current dataset."""
        self._selected = index
        self._paint_selected()
        if self._preview is not None and self._is_of_current_scan():
            self.frame_asked.emit(int(self._preview.frame_indices[self._selected]))

    def _is_of_current_scan(self) -> bool:
        state = self.session.state
        return self._choice.dataset_id(state) in (None, state.dataset_id)

    def _follow_selection(self) -> None:
        frame = self.session.state.selected_frame
        if frame is not None and self._preview is not None and self._is_of_current_scan():
            indices = self._preview.frame_indices
            # With several members a group, a frame has several patches: stay on the one that was clicked.
            if not (self._selected < len(indices) and indices[self._selected] == frame):
                found = np.flatnonzero(indices == frame)
                self._selected = int(found[0]) if found.size else self._selected
        if self._shown is not self._detailed[0] or self._selected != self._detailed[1]:
            self._paint_selected()

    def _paint_selected(self) -> None:
        shown = self._shown
        if shown is None:
            return
        self._selected = min(self._selected, len(shown.values) - 1)
        self._detailed = (shown, self._selected)
        index, preview = self._selected, shown.preview
        for grid in (self.unnormalized, self.normalized):
            grid.mark(index)
        self._paint_diffraction(preview, index)
        frame = int(preview.frame_indices[index])
        one, every = (patch_numbers(values).as_tuple() for values in (shown.values[index : index + 1], shown.values))
        rows = [(name, (f"{a:.5g}", f"{b:.5g}")) for name, a, b in zip(COLUMNS, one, every, strict=True)]
        self.numbers.set_rows(rows)
        self.numbers.setHorizontalHeaderLabels([f"patch {index}", f"all {len(shown.values)}"])
        y, x = preview.scan_positions[index]
        self.numbers_title.setText(f"{shown.label.capitalize()} · frame {frame} at y {y:.1f}, x {x:.1f} px")

    def _paint_diffraction(self, preview: PatchPreview, index: int) -> None:
        if not len(preview.measured):
            for view, what in ((self.measured, "Measured"), (self.predicted, "Predicted")):
                view.set_image(None)
                view.set_title(f"{what} · not kept in the run folder")
            return
        measured = np.asarray(preview.measured[index])
        levels = _log_levels(measured)
        label = "a × k"
        self.measured.quantity = self.predicted.quantity = label
        self.measured.set_image(measured, levels=levels)
        self.measured.set_title("Measured · network input")
        if preview.predicted is None:
            self.predicted.set_image(None)
            self.predicted.set_title("Predicted · not part of this preview")
            return
        predicted = np.asarray(preview.predicted[index])
        self.predicted.set_image(predicted, levels=levels)
        self.predicted.set_title(f"Predicted · R = {misfit(predicted, measured):.3f}")

    def _hovered(self, index: int | None) -> None:
        shown = self._shown
        if index is None or shown is None:
            self.readout_changed.emit("")
            return
        numbers = patch_numbers(shown.values[index : index + 1])
        frame = int(shown.preview.frame_indices[index])
        self.readout_changed.emit(
            f"patch {index} · frame {frame} · mean {numbers.mean:.4g}, std {numbers.std:.4g} ({shown.label})"
        )

    # --- export ---

    def export_png(self, path: str) -> None:
        """Ask for both grids, with titles and colour bars, to be written."""
        picture = side_by_side([grid.view.picture() for grid in (self.unnormalized, self.normalized)])
        self.export_asked.emit(Export(with_suffix(path, ".png"), png_bytes(picture)))

    def export_csv(self, path: str) -> None:
        """Ask for the figures of each patch to be written as a table."""
        if self._shown is not None:
            content = csv_bytes(self._shown.columns, self._shown.rows())
            self.export_asked.emit(Export(with_suffix(path, ".csv"), content))

    def export_json(self, path: str) -> None:
        """Ask for the figures of each patch and of all, with their scales, to be written."""
        if self._shown is not None:
            content = json_bytes(self._shown.as_dict())
            self.export_asked.emit(Export(with_suffix(path, ".json"), content))


def _paint_all(portions: tuple[Callable[[], None], ...]) -> None:
    for paint in portions:
        paint()


def _range_text(levels: Levels) -> str:
    return f"{levels[0]:.4g} … {levels[1]:.4g}"


def _log_levels(measured: FloatArray) -> Levels:
    """Return four decades at most below the greatest value: measured and predicted share them."""
    low, high = full_levels(np.where(measured > 0, measured, np.nan).astype(np.float32))
    return (max(low, high * 1e-4), high) if high > 0 else (1e-4, 1.0)
