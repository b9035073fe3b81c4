"""What a bundle is: a summary, its parameters, layers, files and safety report; and how it differs from another."""

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QScrollArea,
    QStackedWidget,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from app.display.bundle_card import card_lines
from app.display.wording import n_bytes
from app.panels.panel import Panel
from app.state.bundle_readings import BundlesCompared, BundleStudied
from app.state.session import Session
from app.widgets.assumption_form import AssumptionForm, found_text
from app.widgets.caption_table import CaptionTable
from app.widgets.comparison_view import ComparisonView
from app.widgets.content_or_hint import ContentOrHint
from app.widgets.elided_label import ElidedLabel
from app.widgets.layer_view import LayerView
from app.widgets.parameter_view import ParameterView
from app.widgets.refused_view import RefusedView
from app.widgets.safety_view import SafetyView
from app.widgets.table import Cell, Table
from ptycho_engine.bundles.parameters import bundle_parameters
from ptycho_engine.documents import TENSORFLOW_ERA, Bundle

if TYPE_CHECKING:
    from app.state.refused_files import RefusedFile

NONE_OPEN = "No bundle is open. Open one (Ctrl+O), drop one on the window, or train a network."


def member_rows(bundle: Bundle, study: BundleStudied | None) -> list[tuple[Cell, ...]]:
    """Return the files in the archive with their sizes and digests."""
    sha1 = study.digests.members_sha1 if study is not None and study.digests is not None else {}
    return [
        (
            Cell(member.name),
            Cell(n_bytes(member.n_bytes), member.n_bytes),
            Cell(sha1.get(member.name, "…")),
            Cell(member.sha256),
        )
        for member in bundle.members
    ]


def archive_text(study: BundleStudied | None) -> str:
    """Return size and digests of the file itself, one a line."""
    if study is None or (study.digests is None and not study.problem):
        return "The file is being read…"
    if study.digests is None:
        return study.problem
    digests = study.digests
    return f"The archive: {n_bytes(digests.n_bytes)}\nSHA-1 {digests.sha1}\nSHA-256 {digests.sha256}"


class BundlePanel(Panel):
    """Shows the current bundle."""

    title = "Bundle"
    panel_id = "bundle"

    assume_asked = Signal(str, object)
    """``str``, ``str | None``: read a setting that the bundle leaves open so; ``None`` leaves it to the patterns."""
    study_asked = Signal(str)
    """The layers and the file of this bundle should be looked into."""
    ranking_asked = Signal(str, str)
    """How this bundle is best read should be found by the patterns of this scan."""
    comparison_asked = Signal(str, str)
    """These two bundles should be compared."""
    export_asked = Signal(object)
    """``Export`` of a picture of kernels."""
    close_asked = Signal(str)
    """The file that was refused has been looked at."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self._shown: Bundle | None = None
        self._refused: RefusedFile | None = None
        self._study: BundleStudied | None = None
        self._asked: Bundle | None = None
        self._ranked: tuple[Bundle, str] | None = None
        self._pair: tuple[Bundle | None, Bundle | None] = (None, None)
        self._comparison: BundlesCompared | None = None
        self._seen: BundlesCompared | None = None
        self.heading = ElidedLabel(parent=self)
        font = self.heading.font()
        font.setBold(True)
        font.setPointSizeF(font.pointSizeF() * 1.2)
        self.heading.setFont(font)
        self.search = QLineEdit(self)
        self.search.setPlaceholderText("Search parameters, layers, files")
        self.search.setClearButtonEnabled(True)
        self.search.setAccessibleName("Search parameters, layers and files")
        self.parameter_view = ParameterView(self)
        self.layer_view = LayerView(self)
        self.archive = QLabel(self)
        self.archive.setTextFormat(Qt.TextFormat.PlainText)
        self.archive.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.members = Table("Files in the archive", ("file", "size", "SHA-1", "SHA-256"), stretch=3, parent=self)
        self.members.limit_width(2, 200)
        self.safety = SafetyView(self)
        self.comparison = ComparisonView(self)
        self.tables = self._tabs()
        self.pages = ContentOrHint(self._content(), self)
        self.pages.show_hint(NONE_OPEN)
        self.refused = RefusedView(self)
        self.stack = QStackedWidget(self)
        self.stack.addWidget(self.pages)
        self.stack.addWidget(self.refused)
        layout = QVBoxLayout(self)
        layout.addWidget(self.stack)
        self.take_keys(self.search)
        for table in (self.parameter_view.table, self.layer_view.table, self.members):
            self.search.textChanged.connect(table.set_filter)
        self.refused.closed.connect(self._close_refused)
        self.comparison.other_chosen.connect(self._compare)
        self.tables.currentChanged.connect(self._show_comparison)
        self.layer_view.kernels.view.export_asked.connect(self.export_asked)
        self.watch(session.documents_changed)
        self.watch(session.studies_changed)

    def _content(self) -> QWidget:
        content = QWidget(self)
        top = QHBoxLayout()
        top.addWidget(self.heading, 1)
        top.addWidget(self.search, 1)
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(top)
        column.addWidget(self.tables, 1)
        return content

    def _tabs(self) -> QTabWidget:
        files = QWidget(self)
        column = QVBoxLayout(files)
        column.setContentsMargins(0, 4, 0, 0)
        column.addWidget(self.archive)
        column.addWidget(self.members, 1)
        tabs = QTabWidget(self)
        tabs.setDocumentMode(True)
        for page, title in (
            (self._summary(), "&Summary"),
            (self.parameter_view, "&Parameters"),
            (self.layer_view, "&Layers"),
            (files, "&Digests"),
            (self.safety, "Safet&y"),
            (self.comparison, "&Compare"),
        ):
            tabs.addTab(page, title)
        return tabs

    def _summary(self) -> QWidget:
        upper = QWidget(self)
        self.card = CaptionTable(upper)
        self.open_settings = AssumptionForm(upper)
        self.open_settings.chosen.connect(self.assume_asked)
        above = QVBoxLayout(upper)
        above.setContentsMargins(4, 4, 4, 0)
        above.addWidget(self.open_settings)
        above.addWidget(self.card)
        above.addStretch(1)
        # A scroll area gives wrapped lines the height they need.
        scroll = QScrollArea(self)
        scroll.setWidget(upper)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        return scroll

    def refresh(self) -> None:
        """Show the current bundle, and what was computed of it."""
        state = self.session.state
        self._show_refused()
        bundle = state.bundle
        words = state.assumptions.get(state.bundle_id or "", {})
        self.open_settings.show_open(bundle.assumed if bundle is not None else (), words)
        if bundle is not self._shown:
            self._shown, self._study = bundle, None
            self._show_bundle(bundle)
        if bundle is None:
            return
        self._show_study(bundle)
        self._show_ranking(bundle)
        self._show_comparison()

    def _show_refused(self) -> None:
        state = self.session.state
        file = state.refused.get(state.refused_id or "")
        if file is None:
            self.stack.setCurrentWidget(self.pages)
        elif file is not self._refused:
            self.refused.show_refused(file.path.name, file.reason, file.report)
        if file is not None:
            self.stack.setCurrentWidget(self.refused)
        self._refused = file

    def _close_refused(self) -> None:
        if self.session.state.refused_id is not None:
            self.close_asked.emit(self.session.state.refused_id)

    def _show_bundle(self, bundle: Bundle | None) -> None:
        if bundle is None:
            self.pages.show_hint(NONE_OPEN)
            self.card.show_lines(())
            for table in (self.parameter_view.table, self.layer_view.table, self.members, self.safety.table):
                table.content.set_rows([])
            return
        self.pages.show_content()
        self.heading.setText(bundle.name)
        self.card.show_lines(card_lines(bundle))
        self.parameter_view.show_parameters(bundle_parameters(bundle))
        self.layer_view.show_network(bundle.state, channels_last=bundle.era == TENSORFLOW_ERA)
        self.members.content.set_rows(member_rows(bundle, None))
        self.archive.setText(archive_text(None))
        self.safety.show_report(None)

    def _show_study(self, bundle: Bundle) -> None:
        key = self.session.state.bundle_id or ""
        study = self.session.state.studies.get(key)
        if study is None:
            if self._asked is not bundle:
                self._asked = bundle
                self.study_asked.emit(key)
            return
        if study is self._study:
            return
        self._study = study
        self.layer_view.show_figures(study.layers)
        if study.done:
            self.members.content.set_rows(member_rows(bundle, study))
            self.archive.setText(archive_text(study))
            self.safety.show_report(study.safety, study.problem)

    def _show_ranking(self, bundle: Bundle) -> None:
        """Say how the network is best read by the patterns of the current scan, or ask for it to be found."""
        state = self.session.state
        dataset, key = state.dataset, state.dataset_id
        if not bundle.assumed or dataset is None or key is None or dataset.n != bundle.model.n:
            self.open_settings.show_found("")
            return
        found = state.rankings.get(state.bundle_id or "")
        if found is not None and found.dataset_id == key:
            self.open_settings.show_found(found.problem or found_text(dataset.name, found.candidates))
            return
        self.open_settings.show_found(f"Being compared with {dataset.name}…")
        if self._ranked is None or self._ranked[0] is not bundle or self._ranked[1] != key:
            self._ranked = (bundle, key)
            self.ranking_asked.emit(state.bundle_id or "", key)

    def _show_comparison(self, *_: object) -> None:
        state = self.session.state
        others = {key: each.name for key, each in state.bundles.items() if key != state.bundle_id}
        self.comparison.show_others(others)
        found = state.compared
        if found is not None and found is not self._seen and found.a == state.bundle_id and found.b in others:
            self._seen = found
            if not self._asked_for(state.bundle, state.bundles[found.b]):
                # Somebody asked elsewhere: it is what they want to see.
                self.comparison.other.choose(found.b)
                self.tables.setCurrentWidget(self.comparison)
        if others and self.tables.currentWidget() is self.comparison:
            self._compare(self.comparison.other.choice)

    def _compare(self, other: str) -> None:
        state = self.session.state
        found = state.compared
        if found is not None and (found.a, found.b) == (state.bundle_id, other):
            if found is not self._comparison:
                self._comparison, self._pair = found, (None, None)
                self.comparison.show_comparison(found.comparison)
            return
        one, two = state.bundle, state.bundles.get(other)
        if self._asked_for(one, two) and self._comparison is None:
            return
        self._pair, self._comparison = (one, two), None
        self.comparison.show_comparison(None)
        self.comparison_asked.emit(state.bundle_id or "", other)

    def _asked_for(self, one: Bundle | None, two: Bundle | None) -> bool:
        return self._pair[0] is one and self._pair[1] is two
