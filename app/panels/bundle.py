"""What a bundle is: a summary card, its parameters, its layers."""

import json
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QFormLayout,
    QFrame,
    QLabel,
    QLineEdit,
    QScrollArea,
    QSplitter,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from app.display.wording import n_bytes, number, whole
from app.panels.panel import Panel
from app.state.session import Session
from app.widgets.assumption_form import AssumptionForm
from app.widgets.table import Cell, Table
from ptycho_engine.bundles.generator_records import GENERATORS
from ptycho_engine.config import ModelConfig
from ptycho_engine.documents import Bundle

PREDICTS = {
    "amplitude": "normalised amplitudes; modes of the probe add coherently",
    "rectangular": "intensities of normalised amplitudes; modes of the probe add incoherently",
    "counts": "counts; modes of the probe add incoherently",
}


def card_lines(bundle: Bundle) -> list[tuple[str, str]]:
    """Return the summary of a bundle, a caption and a text for each line."""
    model = bundle.model
    lines = [
        ("File", str(bundle.path) if bundle.path is not None else "not saved"),
        ("Release family", bundle.era),
        ("Network", f"{model.architecture} · {_size(model)}"),
        ("Patch side N", f"{model.n} px"),
        ("Gridsize", f"{model.gridsize} ({model.channels} pattern{'' if model.channels == 1 else 's'} in a group)"),
        ("Parameters", f"{whole(bundle.n_parameters)} in {len(bundle.state)} tensors"),
        ("Intensity scale", f"{number(bundle.intensity_scale, 7)} – {bundle.intensity_scale_origin}"),
        ("Input scale k", number(bundle.input_scale, 6) if bundle.input_scale is not None else "not recorded"),
        ("Photons", number(bundle.n_photons) if bundle.n_photons is not None else "not recorded"),
        ("Predicts", PREDICTS[model.forward_model]),
        ("Probe scale", number(model.probe_scale)),
    ]
    statistics = bundle.count_statistics
    if statistics is not None:
        text = f"{number(statistics.mean_measured_intensity, 6)} in a pixel; input scale "
        lines.append(("Counts of the training", f"{text}{number(statistics.rms_input_scale, 6)}"))
    for key in ("dataset", "seed", "date", "version"):
        if key in bundle.provenance:
            lines.append((key.capitalize(), str(bundle.provenance[key])))
    if bundle.notes:
        lines.append(("Notes", "\n".join(bundle.notes)))
    return lines


def _size(model: ModelConfig) -> str:
    if model.architecture in GENERATORS:
        return f"width {model.fno_width} · {model.fno_modes} frequencies an axis · input {model.input_transform}"
    return f"filters × {model.n_filters_scale}"


def parameter_rows(bundle: Bundle) -> list[tuple[Cell, ...]]:
    """Return the flat parameters and the training settings as rows."""
    rows: list[tuple[Cell, ...]] = []
    for source, values in (("params", bundle.params), ("training", bundle.training), ("origin", bundle.provenance)):
        rows += [(Cell(str(key)), Cell(_text(value)), Cell(source)) for key, value in values.items()]
    return rows


def layer_rows(bundle: Bundle) -> list[tuple[Cell, ...]]:
    """Return the tensors as rows: name, shape, dtype, count."""
    return [
        (
            Cell(name),
            Cell(" × ".join(str(length) for length in tensor.shape) or "one value"),
            Cell(str(tensor.dtype)),
            Cell(whole(int(tensor.size)), int(tensor.size)),
        )
        for name, tensor in bundle.state.items()
    ]


def _text(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return number(value, 8)
    if isinstance(value, (dict, list, tuple)):
        return json.dumps(value, default=str)
    return str(value)


class BundlePanel(Panel):
    """Shows the current bundle."""

    title = "Bundle"
    panel_id = "bundle"
    help_text = "The current bundle: where its scales come from, all parameters, all layers."

    assume_asked = Signal(str, object)
    """``str``, ``str | None``: read a setting that the bundle leaves open so; ``None`` leaves it to the patterns."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self._shown: Bundle | None = None
        self.heading = QLabel(self)
        self.heading.setTextFormat(Qt.TextFormat.PlainText)
        font = self.heading.font()
        font.setBold(True)
        font.setPointSizeF(font.pointSizeF() * 1.2)
        self.heading.setFont(font)
        self.heading.setWordWrap(True)
        self._card = QWidget(self)
        self.card = QFormLayout(self._card)
        self.card.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        self.card.setContentsMargins(0, 6, 0, 6)
        self.search = QLineEdit(self)
        self.search.setPlaceholderText("Search parameters and layers")
        self.search.setClearButtonEnabled(True)
        self.search.setAccessibleName("Search parameters and layers")
        self.parameters = Table("Parameters", ("parameter", "value", "kept in"), stretch=1, parent=self)
        self.layers = Table("Layers", ("layer", "shape", "type", "values"), parent=self)
        for table in (self.parameters, self.layers):
            table.setSortingEnabled(True)
            # In the order of the file until a column is clicked.
            table.sortByColumn(-1, Qt.SortOrder.AscendingOrder)
            self.search.textChanged.connect(table.set_filter)
        self.members = Table("Files in the archive", ("file", "size", "SHA-256"), stretch=2, parent=self)
        self.tables = QTabWidget(self)
        self.tables.addTab(self.parameters, "Parameters")
        self.tables.addTab(self.layers, "Layers")
        self.tables.addTab(self.members, "Files")
        lower = QWidget(self)
        below = QVBoxLayout(lower)
        below.setContentsMargins(0, 0, 0, 0)
        below.addWidget(self.search)
        below.addWidget(self.tables, 1)
        upper = QWidget(self)
        above = QVBoxLayout(upper)
        above.setContentsMargins(0, 0, 0, 0)
        above.addWidget(self.heading)
        self.open_settings = AssumptionForm(self)
        self.open_settings.chosen.connect(self.assume_asked)
        above.addWidget(self.open_settings)
        above.addWidget(self._card)
        above.addStretch(1)
        # A scroll area gives wrapped lines the height they need, and a small window the choice of what to see.
        scroll = QScrollArea(self)
        scroll.setWidget(upper)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        split = QSplitter(Qt.Orientation.Vertical, self)
        split.addWidget(scroll)
        split.addWidget(lower)
        split.setStretchFactor(1, 1)
        split.setChildrenCollapsible(False)
        split.setSizes([300, 300])
        layout = QVBoxLayout(self)
        layout.addWidget(split)
        self.take_keys(self.search)
        self.watch(session.documents_changed)

    def refresh(self) -> None:
        """Show the current bundle."""
        bundle = self.session.state.bundle
        words = self.session.state.assumptions.get(self.session.state.bundle_id or "", {})
        self.open_settings.show_open(bundle.assumed if bundle is not None else (), words)
        if bundle is self._shown and bundle is not None:
            return
        self._shown = bundle
        while self.card.rowCount():
            self.card.removeRow(0)
        self.search.setEnabled(bundle is not None)
        if bundle is None:
            self.heading.setText("No bundle is open. Open one (Ctrl+O), or train a network.")
            for table in (self.parameters, self.layers, self.members):
                table.content.set_rows([])
            return
        self.heading.setText(bundle.name)
        for caption, text in card_lines(bundle):
            label = QLabel(text, self._card)
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(True)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            self.card.addRow(caption, label)
        self.parameters.content.set_rows(parameter_rows(bundle))
        self.layers.content.set_rows(layer_rows(bundle))
        self.members.content.set_rows(
            [
                (Cell(member.name), Cell(n_bytes(member.n_bytes), member.n_bytes), Cell(member.sha256))
                for member in bundle.members
            ]
        )
