"""The stitched object as it fills: two linked pictures, overlays, and how well it agrees with a known object."""

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from PySide6.QtCore import QRectF, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QMenu, QPushButton, QVBoxLayout, QWidget

from app.display.agreement_words import agreement_texts
from app.display.canvas_pictures import (
    CANVAS_SCALES,
    NEEDS_TRUTH,
    VIEWS,
    View,
    canvas_picture,
    describe_offsets,
    truth_on_canvas,
)
from app.display.density import nearest_point
from app.display.patch_numbers import SCALE_HELP
from app.display.phase_pictures import PREPARED
from app.display.refinement_pictures import describe_misfits, refinement_picture
from app.panels.panel import Panel
from app.panels.prepared_phase import PreparedPhase
from app.state.canvas_changes import pixel_size_of
from app.state.requests import RefineRequest
from app.state.session import Session
from app.widgets.choice_box import ChoiceBox
from app.widgets.content_or_hint import ContentOrHint
from app.widgets.picture_painter import paint_picture
from app.widgets.pixel_size_dialog import PixelSizeDialog
from app.widgets.refine_bar import RefineBar
from ptycho_engine.arrays import ComplexArray, PositionArray
from ptycho_engine.documents import Canvas, Dataset
from ptycho_engine.inference_compatibility import MODES

if TYPE_CHECKING:
    from app.panels.canvas_content import CanvasContent
    from app.widgets.image_view import ImageView, Reading
    from app.widgets.line_measure import LineMeasure

ARROW_LIMIT = 40
"""More offsets than this are drawn as points, with an arrow to the selected one only."""
BOX_LIMIT = 2000


class CanvasPanel(Panel):
    """Amplitude, phase, coverage, known object and differences of the stitched object."""

    title: ClassVar[str] = "Canvas"
    panel_id: ClassVar[str] = "canvas"
    help_text: ClassVar[str] = (
        "The object, stitched from the patches at their scan positions. Choose what each of the two linked pictures "
        "shows; click to select the nearest scan position. The blue box is the patch of the selected frame. "
        "Refine brings the object in line with the measured patterns, and tells how far the network was from them."
    )

    export_asked = Signal(object)
    """An Export that is to be written."""
    refine_asked = Signal(object)
    """A RefineRequest for the canvas that is shown."""
    phase_asked = Signal(object, bool)
    """A Canvas whose phase is wanted without its ramp, and whether without its jumps too."""
    pixel_size_given = Signal(str, object)
    """Key of a document, and the side of a pixel of the object [m] or ``None``."""
    panel_asked = Signal(str)
    """The panel that should come to the front."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self._painted: tuple[object, ...] = ()
        self._prepared = PreparedPhase()
        self._content: CanvasContent | None = None
        self._build()
        self._connect()
        self.watch(session.canvas_changed)
        self.watch(session.selection_changed)
        self.watch(session.documents_changed)
        self.watch(session.job_changed)
        self.refresh()

    def _build(self) -> None:
        self.shows: tuple[ChoiceBox[View], ChoiceBox[View]] = (
            ChoiceBox("First picture", VIEWS, parent=self),
            ChoiceBox("Second picture", VIEWS, parent=self),
        )
        self.shows[1].choose("phase")
        self.scale = ChoiceBox("Scale of the amplitude", CANVAS_SCALES, SCALE_HELP, parent=self)
        self.overlay = QPushButton("Too&ls", self)
        self._fill_menu(QMenu(self.overlay))
        bar = QHBoxLayout()
        bar.setContentsMargins(4, 4, 4, 2)
        for box in (*self.shows, self.scale):
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            box.setMinimumContentsLength(5)
            bar.addWidget(box, 1)
        bar.addWidget(self.overlay)

        self.refine_bar = RefineBar(self)

        self.pages = ContentOrHint(None, self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(bar)
        layout.addWidget(self.refine_bar)
        layout.addWidget(self.pages, 1)
        self.take_keys(self.shows[0])

    def _fill_menu(self, menu: QMenu) -> None:
        self.boxes = menu.addAction("&Outlines of the stitched squares")
        self.offsets = menu.addAction("&Canvas offsets")
        self.line = menu.addAction("&Ruler and profile line")
        for action in (self.boxes, self.offsets, self.line):
            action.setCheckable(True)
        self.line.setToolTip("Drag its ends; in a picture, arrow keys move it, with Shift its second end alone")
        menu.addSeparator()
        self.pixel_size = menu.addAction("&Pixel size…")
        self.pixel_size.setToolTip("Enter the side of a pixel of the object: for scale bar, ruler and resolution")
        self.compare = menu.addAction("Compare &A/B…")
        self.compare.setToolTip("Compare this reconstruction with another, or with the known object")
        menu.setToolTipsVisible(True)
        self.overlay.setMenu(menu)
        self.overlay.setToolTip("What is drawn over the pictures and measured on them")

    def _connect(self) -> None:
        for box in (*self.shows, self.scale):
            box.currentIndexChanged.connect(self._repaint)
        self.refine_bar.asked.connect(self._refine)
        self.refine_bar.shown_changed.connect(self._repaint)
        self.boxes.toggled.connect(self._paint_overlays)
        self.line.toggled.connect(self._show_ruler)
        self.pixel_size.triggered.connect(self._ask_pixel_size)
        self.compare.triggered.connect(self._compare)
        self.offsets.toggled.connect(self._paint_overlays)

    # --- the content ---

    @property
    def content(self) -> "CanvasContent":
        """Pictures, ruler and lines; built when they are first asked for."""
        if self._content is None:
            # Imported here: what pictures are drawn with takes longer to import than all the rest of the first window.
            from app.panels.canvas_content import CanvasContent

            self._content = CanvasContent(self)
            self._content.lay_out(wide=self._is_wide())
            self._content.measure.plot.export_asked.connect(self.export_asked)
            for view in self._content.views:
                view.clicked.connect(self._clicked)
                view.hovered.connect(self._hovered)
                view.export_asked.connect(self.export_asked)
            self.pages.put(self._content)
        return self._content

    @property
    def views(self) -> "tuple[ImageView, ImageView]":
        """The two pictures."""
        return self.content.views

    @property
    def measure(self) -> "LineMeasure":
        """The ruler."""
        return self.content.measure

    def prepare(self) -> None:
        """Build the content."""
        _ = self.content

    # --- painting ---

    @property
    def _canvas(self) -> Canvas | None:
        return self.session.state.canvas

    @property
    def _dataset(self) -> Dataset | None:
        """The dataset of the canvas, as far as it is open."""
        state = self.session.state
        return state.datasets.get(state.canvas_dataset_id) if state.canvas_dataset_id else None

    def refresh(self) -> None:
        """Paint the canvas where it changed, and the selection."""
        state, dataset = self.session.state, self._dataset
        counts = (state.metrics, state.canvas_done, state.canvas_total, state.refinement)
        now = (state.canvas, dataset, *counts, state.phase)
        if not self._painted or any(a is not b and a != b for a, b in zip(now[2:], self._painted[2:], strict=True)):
            self._write_lines()
        if not self._painted or any(now[i] is not self._painted[i] for i in (0, 1, -1)):
            self._repaint()
        self._painted = now
        self._show_pixel_size()
        self.refine_bar.allow(self._hindrance(), refined=state.refinement is not None)
        if self.offsets.isChecked():
            self._paint_overlays()
        if self._content is not None:
            self._paint_mark()

    def _repaint(self, *_: object) -> None:
        canvas, dataset = self._canvas, self._dataset
        known = dataset is not None and dataset.object_ is not None
        for box in self.shows:
            for name in NEEDS_TRUTH:
                box.enable(name, known)
        self._write_lines()
        if canvas is None:
            self.pages.show_hint("No canvas yet. Run an inference: the stitched object appears here while it fills.")
            return
        views = self.views
        self.pages.show_content()
        canvas = self._shown(canvas)
        truth = truth_on_canvas(canvas, dataset.object_ if dataset is not None else None)
        unwrap = self._prepared.missing(self.session.state, canvas, (box.choice for box in self.shows))
        if unwrap is not None:
            self.phase_asked.emit(canvas, unwrap)
        for view, box in zip(views, self.shows, strict=True):
            view.origin_px = canvas.origin_px
            self._show(view, canvas, box.choice, truth)
        self.measure.refresh()
        self._paint_overlays()
        self._paint_mark()

    def _show(self, view: "ImageView", canvas: Canvas, what: View, truth: ComplexArray | None) -> None:
        picture, refinement = None, self.session.state.refinement
        if refinement is not None and self.refine_bar.shown.choice == "difference":
            picture = refinement_picture(canvas, refinement.network, what, self.scale.choice)
        if picture is None and what in PREPARED:
            picture = self._prepared.picture(self.session.state, canvas, what)
        elif picture is None:
            picture = canvas_picture(canvas, what, self.scale.choice, truth)
        self.measure.set_cyclic(self.views.index(view), picture is not None and picture.cyclic)
        if picture is None:
            view.set_image(None)
            reason = "is being worked out…" if what in PREPARED else "the dataset holds no object"
            view.set_title(f"{VIEWS[what]} · {reason}")
            return
        paint_picture(view, picture)

    def _show_pixel_size(self) -> None:
        state = self.session.state
        size = pixel_size_of(state, state.canvas_id, state.canvas_dataset_id)
        if self._content is not None:
            for view in self.views:
                view.set_pixel_size(size)
            self.measure.set_pixel_size(size)
        self.pixel_size.setEnabled(self._pixel_size_key() is not None)
        self.compare.setEnabled(bool(state.canvases))

    def _pixel_size_key(self) -> str | None:
        """Return whose pixel size is meant: the scan's, so that all its canvases have it, else the canvas's own."""
        state = self.session.state
        return state.canvas_dataset_id if self._dataset is not None else state.canvas_id

    def _write_lines(self) -> None:
        state, canvas = self.session.state, self._canvas
        if canvas is None:
            if self._content is not None:
                self._content.tell_nothing()
            return
        content = self.content
        content.warning.setVisible(canvas.mode != "none")
        followed = MODES.get(canvas.mode)
        note = "Placing and scale follow that release, not the physics" if followed is None else followed.note
        content.warning.setText(f"⚠ Compatibility mode {canvas.mode}. {note}.")
        height, width = canvas.object_.shape
        y, x = canvas.origin_px
        done = f"{state.canvas_done}/{state.canvas_total} patches" if state.canvas_total else ""
        if state.refinement is not None:
            # While a canvas is refined, its counters tell of looks at patterns; the line below tells the passes.
            done = f"{len(canvas.scan_positions)} patches, refined"
        dropped = f" · {canvas.dropped} dropped at the border" if canvas.dropped else ""
        content.progress.setText(f"{done} · {height} × {width} px from y {y}, x {x} · crop {canvas.crop}{dropped}")
        metrics = state.metrics
        if state.refinement is not None and self.refine_bar.shown.choice == "network":
            metrics = state.refinement.network_metrics
        misfit = describe_misfits(state.refinement.misfits) if state.refinement is not None else ""
        texts = (misfit, *agreement_texts(metrics))
        for label, text in zip((content.misfit, content.agreement, content.quality), texts, strict=True):
            label.setText(text)
            label.setVisible(bool(text))
        content.placing.setText(f"Offsets: {describe_offsets(canvas.canvas_offsets())}")

    def _shown(self, canvas: Canvas) -> Canvas:
        """Return the canvas as refined, or as the network drew it: whichever is to be looked at."""
        refinement = self.session.state.refinement
        return refinement.network if refinement is not None and self.refine_bar.shown.choice == "network" else canvas

    def _hindrance(self) -> str:
        """Return why the canvas cannot be refined now, nothing if it can."""
        state = self.session.state
        if state.canvas is None:
            return "there is no canvas yet"
        if state.busy:
            return "another job is running"
        if state.canvas.mode != "none":
            return "a compatibility mode shows what an older release showed: infer without it"
        if self._dataset is None or (state.canvas_bundle_id or "") not in state.bundles:
            return "the scan or the bundle of this canvas is not open"
        return ""

    def _paint_overlays(self, *_: object) -> None:
        canvas = self._canvas
        if canvas is None:
            return
        places = self._places(canvas.scan_positions, canvas)
        nothing = np.zeros((0, 2))
        centre = places.mean(axis=0) if len(places) else np.zeros(2)
        arrows = nothing
        if self.offsets.isChecked():
            arrows = places if len(places) <= ARROW_LIMIT else self._selected_place()
        for view in self.views:
            outlined = places[:BOX_LIMIT] if self.boxes.isChecked() else nothing
            view.overlay.set_boxes(outlined, canvas.crop)
            view.overlay.set_points(places if self.offsets.isChecked() else nothing)
            view.overlay.set_lines(np.broadcast_to(centre, arrows.shape), arrows)

    def _places(self, positions: PositionArray, canvas: Canvas) -> PositionArray:
        """Return positions as places on the canvas, in pixels from its top left edge."""
        return np.asarray(positions - np.asarray(canvas.origin_px, dtype=np.float64))

    def _selected_place(self) -> PositionArray:
        """Return where the selected frame's patch lies on the canvas, ``(1, 2)``, or ``(0, 2)`` if there is none."""
        state, canvas, dataset = self.session.state, self._canvas, self._dataset
        frame = state.selected_frame
        if canvas is None or dataset is None or frame is None or state.dataset_id != state.canvas_dataset_id:
            return np.zeros((0, 2))
        return self._places(dataset.scan_positions[frame : frame + 1], canvas)

    def _paint_mark(self) -> None:
        """Outline the selected patch: the square that is stitched, and thinly the whole patch."""
        canvas = self._canvas
        squares: list[QRectF | None] = [None, None]
        for y, x in self._selected_place():
            if canvas is not None:
                squares = [QRectF(x - n / 2, y - n / 2, n, n) for n in (canvas.crop, canvas.patch_side)]
        for view in self.views:
            view.overlay.set_mark(squares[0])
            view.overlay.set_hover(squares[1])

    # --- intents ---

    def _clicked(self, row: float, column: float) -> None:
        canvas, dataset, state = self._canvas, self._dataset, self.session.state
        if canvas is None or dataset is None or state.dataset_id != state.canvas_dataset_id:
            return
        nearest = nearest_point(self._places(dataset.scan_positions, canvas), row, column)
        if nearest is not None:
            self.frame_asked.emit(nearest)

    def _show_ruler(self, wanted: bool) -> None:
        self.measure.set_active(wanted)

    def _ask_pixel_size(self) -> None:
        state = self.session.state
        dialog = PixelSizeDialog(pixel_size_of(state, state.canvas_id, state.canvas_dataset_id), self)
        dialog.chosen.connect(self._give_pixel_size)
        dialog.open()

    def _give_pixel_size(self, size_m: float | None) -> None:
        key = self._pixel_size_key()
        if key is not None:
            self.pixel_size_given.emit(key, size_m)

    def _compare(self) -> None:
        self.panel_asked.emit("ab")

    def _refine(self, passes: int, refine_probe: bool) -> None:
        self.refine_asked.emit(RefineRequest(passes, refine_probe))

    def _hovered(self, reading: "Reading | None") -> None:
        view = next((one for one in self.views if one is self.sender()), None)
        told = view.read_out if reading is not None and view is not None else ""
        quantity = view.quantity.split(" [")[0] if view is not None and told else ""
        self.readout_changed.emit(f"{told} · {quantity}" if quantity else told)

    def resizeEvent(self, event: QResizeEvent) -> None:  # Qt's name
        """Put the pictures side by side where the panel is wide, one above the other where it is high."""
        super().resizeEvent(event)
        if self._content is not None:
            self._content.lay_out(wide=self._is_wide())

    def _is_wide(self) -> bool:
        return self.width() > 1.2 * self.height()
