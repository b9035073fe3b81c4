"""Two reconstructions beside each other, in turn, or as their difference, with what is measured of both."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QSpinBox,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from app.display.agreement_words import agreement_texts, registration_text, resolution_text
from app.display.canvas_pictures import CANVAS_SCALES, CanvasScale
from app.display.comparison_pictures import COMPARED_VIEWS, ComparedPictures, ComparedView, compared_pictures
from app.display.patch_numbers import SCALE_HELP
from app.display.wording import whole
from app.panels.panel import Panel
from app.state.app_state import AppState
from app.state.canvas_changes import canvas_name, pixel_size_of
from app.state.canvas_readings import CanvasesCompared, ComparisonRequest
from app.state.session import Session
from app.widgets.choice_box import ChoiceBox
from app.widgets.content_or_hint import ContentOrHint
from app.widgets.curve_plot import CurvePlot
from app.widgets.image_view import ImageView, Reading
from app.widgets.picture_painter import paint_picture
from ptycho_engine.diagnostics.frc import ONE_SEVENTH

Mode = Literal["beside", "blink", "difference"]
MODES: dict[Mode, str] = {"beside": "Side by side", "blink": "Blink", "difference": "Difference A − B"}
BLINK_MS = 700


class ABPanel(Panel):
    """Compares two reconstructions, or one with the known object of a scan."""

    title: ClassVar[str] = "A/B"
    panel_id: ClassVar[str] = "ab"

    canvas_comparison_asked = Signal(object)
    """A ComparisonRequest."""
    export_asked = Signal(object)
    """An Export that is to be written."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self._offered: tuple[tuple[tuple[str, str], ...], ...] = ()
        self._current: str | None = None
        self._asked: tuple[object, ...] = ()
        self._shown: tuple[object, ...] = ()
        self._pictures: ComparedPictures | None = None
        self._blink = QTimer(self)
        self._blink.timeout.connect(self._turn)
        self._showing_b = False
        self._build()
        self._connect()
        self.watch(session.documents_changed)
        self.watch(session.comparison_changed)
        self.watch(session.notices_changed)
        self.refresh()

    def _build(self) -> None:
        self.a = ChoiceBox[str]("Reconstruction A", {}, "The reconstruction whose pixels and scale are kept", self)
        self.b = ChoiceBox[str]("Reconstruction B", {}, "What A is compared with", self)
        for box in (self.a, self.b):
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            box.setMinimumContentsLength(8)
        self.view: ChoiceBox[ComparedView] = ChoiceBox("What is shown", COMPARED_VIEWS, parent=self)
        self.scale: ChoiceBox[CanvasScale] = ChoiceBox("Scale of the amplitude", CANVAS_SCALES, SCALE_HELP, self)
        self.mode: ChoiceBox[Mode] = ChoiceBox("How the two are compared", MODES, parent=self)
        for choices in (self.view, self.mode):
            choices.narrow()
        self.interval = QSpinBox(self)
        self.interval.setRange(100, 5000)
        self.interval.setSingleStep(100)
        self.interval.setValue(BLINK_MS)
        self.interval.setSuffix(" ms")
        self.interval.setAccessibleName("Time that each is shown while blinking")
        self.interval.setToolTip("How long each of the two is shown")
        self.align = QCheckBox("&Move B onto A", self)
        self.align.setChecked(True)
        self.align.setToolTip("Take out a sub-pixel shift and a ramp of the phase before comparing")
        bars = self._bars()
        self.views = (ImageView("Picture of A", parent=self), ImageView("Picture of B", parent=self))
        self.views[0].link(self.views[1])
        self.pair = QSplitter(Qt.Orientation.Horizontal, self)
        for view in self.views:
            self.pair.addWidget(view)
        self.split = QSplitter(Qt.Orientation.Vertical, self)
        self.split.addWidget(self.pair)
        self.split.addWidget(self._below())
        self.split.setStretchFactor(0, 2)
        self.split.setStretchFactor(1, 1)
        content = QWidget(self)
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 2)
        column.setSpacing(0)
        column.addWidget(self.split, 1)
        self.pages = ContentOrHint(content, self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        for bar in bars:
            layout.addLayout(bar)
        layout.addWidget(self.pages, 1)
        self.take_keys(self.a, self.b, self.mode, self.interval, self.view, self.scale, self.align)

    def _below(self) -> QSplitter:
        """Return the curve with the figures beside it."""
        self.frc = CurvePlot(
            "Fourier ring correlation",
            x_label="spatial frequency [1/px]",
            y_label="correlation",
            parent=self,
        )
        self.frc.setMinimumHeight(110)
        self.figures = QLabel(self)
        self.figures.setWordWrap(True)
        self.figures.setMargin(6)
        self.figures.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self.figures.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.figures.setAccessibleName("Figures of the comparison")
        below = QSplitter(Qt.Orientation.Horizontal, self)
        below.addWidget(self.frc)
        scroll = QScrollArea(self)
        scroll.setWidget(self.figures)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setMinimumWidth(200)
        below.addWidget(scroll)
        below.setStretchFactor(0, 1)
        below.setStretchFactor(1, 1)
        return below

    def _bars(self) -> tuple[QHBoxLayout, QHBoxLayout]:
        who, how = QHBoxLayout(), QHBoxLayout()
        for bar in (who, how):
            bar.setContentsMargins(4, 4, 4, 2)
        for text, box in (("A", self.a), ("B", self.b)):
            label = QLabel(text, self)
            label.setBuddy(box)
            who.addSpacing(6)
            who.addWidget(label)
            who.addSpacing(4)
            who.addWidget(box, 1)
        for widget in (self.mode, self.interval, self.view, self.scale, self.align):
            how.addWidget(widget)
        how.addStretch(1)
        return who, how

    def _connect(self) -> None:
        for box in (self.a, self.b):
            box.currentIndexChanged.connect(self._ask)
        self.align.toggled.connect(self._ask)
        for choices in (self.view, self.scale, self.mode):
            choices.currentIndexChanged.connect(self._repaint)
        self.interval.valueChanged.connect(self._run_blinking)
        self.frc.export_asked.connect(self.export_asked)
        for view in self.views:
            view.hovered.connect(self._hovered)
            view.export_asked.connect(self.export_asked)

    # --- kept between starts ---

    @property
    def _boxes(self) -> dict[str, ChoiceBox[Any]]:
        return {"a": self.a, "b": self.b, "mode": self.mode, "view": self.view, "scale": self.scale}

    def choices(self) -> dict[str, Any]:
        """Return the two reconstructions and how they are compared."""
        chosen = {name: box.choice for name, box in self._boxes.items() if box.choice}
        return {**chosen, "interval_ms": self.interval.value(), "align": self.align.isChecked()}

    def show_choices(self, chosen: Mapping[str, Any]) -> None:
        """Compare again what was compared, as far as it is open."""
        self._offer()
        for name, box in self._boxes.items():
            if isinstance(chosen.get(name), str):
                _choose_quietly(box, chosen[name])
        interval, align = chosen.get("interval_ms"), chosen.get("align")
        if isinstance(interval, int):
            self.interval.setValue(interval)
        if isinstance(align, bool):
            self.align.setChecked(align)
        self._ask()
        self._repaint()

    # --- painting ---

    def refresh(self) -> None:
        """Offer what can be compared, and paint what was."""
        self._offer()
        self._ask()
        state = self.session.state
        refused = tuple(notice for notice in state.notices if notice.key == "compare")
        now = (state.comparison, self._pixel_size(), refused)
        if now != self._shown:
            self._shown = now
            self._repaint()

    def _offer(self) -> None:
        state = self.session.state
        firsts = canvas_choices(state)
        others = (*firsts, *known_objects(state))
        if (firsts, others) != self._offered:
            self._offered = (firsts, others)
            for box, choices in ((self.a, firsts), (self.b, others)):
                _fill(box, choices)
        if state.canvas_id is not None and state.canvas_id != self._current:
            # What the canvas panel shows is what one wants to compare.
            _choose_quietly(self.a, state.canvas_id)
        self._current = state.canvas_id
        if self.a.choice == self.b.choice and len(others) > 1:
            _choose_quietly(self.b, next(key for key, _ in reversed(others) if key != self.a.choice))

    def _request(self) -> ComparisonRequest | None:
        a, b = self.a.choice, self.b.choice
        return None if not a or not b or a == b else ComparisonRequest(a, b, self.align.isChecked())

    def _ask(self, *_: object) -> None:
        """Ask for the comparison that is chosen, once, and only while it can be seen."""
        request, state = self._request(), self.session.state
        if request is None:
            self._asked = ()
            self._repaint()
            return
        known = state.datasets.get(request.b)
        wanted = (request, state.canvases.get(request.a), state.canvases.get(request.b), known)
        same = len(wanted) == len(self._asked) and all(
            x is y or x == y if i == 0 else x is y for i, (x, y) in enumerate(zip(wanted, self._asked, strict=True))
        )
        if same or not self.isVisible():
            return
        self._asked = wanted
        self._repaint()
        self.canvas_comparison_asked.emit(request)

    def _compared(self) -> CanvasesCompared | None:
        compared = self.session.state.comparison
        return compared if compared is not None and compared.request == self._request() else None

    def _repaint(self, *_: object) -> None:
        compared, state = self._compared(), self.session.state
        self._pictures = None
        self.interval.setVisible(self.mode.choice == "blink")
        if compared is None:
            self.pages.show_hint(self._hint())
            self._run_blinking()
            return
        self.pages.show_content()
        canvas = state.canvases[compared.request.a]
        b = state.canvases.get(compared.request.b)
        self._pictures = compared_pictures(
            canvas,
            compared.agreement.aligned,
            self.view.choice,
            self.scale.choice,
            mode_b="none" if b is None else b.mode,
        )
        for view in self.views:
            view.origin_px = canvas.origin_px
            view.set_pixel_size(self._pixel_size())
        self.views[1].setVisible(self.mode.choice == "beside")
        self._showing_b = False
        self._paint()
        self._paint_figures(compared)
        self._run_blinking()

    def _paint(self) -> None:
        if self._pictures is None:
            return
        if self.mode.choice == "difference":
            paint_picture(self.views[0], self._pictures.difference)
            return
        paint_picture(self.views[0], self._pictures.b if self._showing_b else self._pictures.a)
        if self.mode.choice == "beside":
            paint_picture(self.views[1], self._pictures.b)

    def _paint_figures(self, compared: CanvasesCompared) -> None:
        frc = compared.agreement.frc
        self.frc.set_series("FRC", frc.frequency, frc.correlation)
        self.frc.set_series("half-bit", frc.frequency, frc.half_bit)
        self.frc.set_series("1/7", frc.frequency, [ONE_SEVENTH] * len(frc.frequency))
        texts = (
            resolution_text(frc, self._pixel_size()),
            *agreement_texts(compared.agreement.metrics, "both"),
            registration_text(compared.agreement, shifts=compared.request.shifts),
        )
        self.figures.setText("\n".join(f"• {text}" for text in texts))

    def _pixel_size(self) -> float | None:
        state, key = self.session.state, self.a.choice
        return pixel_size_of(state, key, state.canvas_datasets.get(key)) if key else None

    def _hint(self) -> str:
        if not self.session.state.canvases:
            return (
                "Nothing to compare yet. Run an inference, or open a reconstruction.npz: its result can be compared "
                "with another, or with the known object of the scan."
            )
        if self._request() is None:
            return (
                "Only one reconstruction is there, and no known object. Open a second reconstruction.npz, or run "
                "another inference."
            )
        refused = next((notice for notice in self.session.state.notices if notice.key == "compare"), None)
        return "Comparing the two…" if refused is None else refused.message

    # --- blinking ---

    def _run_blinking(self, *_: object) -> None:
        if self._pictures is not None and self.mode.choice == "blink" and self.isVisible():
            self._blink.start(self.interval.value())
        else:
            self._blink.stop()

    def _turn(self) -> None:
        self._showing_b = not self._showing_b
        self._paint()

    def showEvent(self, event: QShowEvent) -> None:
        """Ask for what was chosen while the panel was hidden, and go on blinking."""
        super().showEvent(event)
        self._ask()
        self._run_blinking()

    def hideEvent(self, event: QHideEvent) -> None:
        """Blink only where it can be seen."""
        super().hideEvent(event)
        self._blink.stop()

    def _hovered(self, reading: Reading | None) -> None:
        view = self.sender()
        told = view.read_out if reading is not None and isinstance(view, ImageView) else ""
        self.readout_changed.emit(told)


def canvas_choices(state: AppState) -> tuple[tuple[str, str], ...]:
    """Return the reconstructions that can be compared, key and name."""
    choices = []
    for number, (key, canvas) in enumerate(state.canvases.items(), start=1):
        made = "refined" if key in state.canvas_refinements else "inferred"
        made = made if canvas.mode == "none" else f"as {canvas.mode}"
        patches = f"{whole(len(canvas.scan_positions))} patches"
        choices.append((key, f"{number}  {canvas_name(state, key)} · {made} · {patches}"))
    return tuple(choices)


def known_objects(state: AppState) -> tuple[tuple[str, str], ...]:
    """Return the known objects that reconstructions can be compared with, key of the dataset and name."""
    return tuple(
        (key, f"Known object of {each.name}") for key, each in state.datasets.items() if each.object_ is not None
    )


def _fill(box: ChoiceBox[str], choices: tuple[tuple[str, str], ...]) -> None:
    """List other choices, and stay at the one that was chosen if it is still there."""
    chosen: str | None = box.currentData()
    box.blockSignals(True)
    box.clear()
    for key, text in choices:
        box.addItem(text, key)
        # A narrow panel cuts the line.
        box.setItemData(box.count() - 1, text, Qt.ItemDataRole.ToolTipRole)
    if chosen is not None:
        box.choose(chosen)
    elif choices:
        box.setCurrentIndex(len(choices) - 1)
    box.blockSignals(False)


def _choose_quietly(box: ChoiceBox[str], key: str) -> None:
    """Choose without telling: the caller goes on from there."""
    box.blockSignals(True)
    box.choose(key)
    box.blockSignals(False)
