"""Where statistics of patches can be taken from: the jobs of this window, and the documents that are open. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from app.state.app_state import AppState, document_id
from ptycho_engine.documents import Bundle, PatchStats

Phase = Literal["train", "inference"]
SESSION = "session"
PREVIEW = "preview"


@dataclass(frozen=True, slots=True, eq=False)
class PhaseSource:
    """Statistics of one phase from one place."""

    key: str
    title: str
    entries: tuple[PatchStats, ...]
    """Empty for the preview, whose patches are described when they are shown."""
    network: Bundle | None = None
    """The network that drew them, where it is known."""
    network_id: str = ""
    """The key of its bundle, also where that is not open; empty where it is not known."""


def phase_sources(state: AppState, phase: Phase) -> tuple[PhaseSource, ...]:
    """Return where the statistics of a phase can be taken from, the likeliest first.

    That is the document that was opened or chosen last; then what this window computed; then the other documents.
    """
    found = [*_session(state, phase), *_documents(state, phase)]
    return tuple(sorted(found, key=lambda one: not one.key.startswith(f"{state.figures_id} | ")))


def _session(state: AppState, phase: Phase) -> Iterator[PhaseSource]:
    entries = tuple(one.stats for one in state.stats if one.stats.phase == phase)
    title = {"train": "training of this window", "inference": "inference of this window"}[phase]
    # A training ends in a bundle of its own; only of an inference it is known which one it used.
    network = state.bundles.get(state.canvas_bundle_id or "") if phase == "inference" else None
    network_id = state.stats_bundles.get("train" if phase == "train" else "infer", "")
    if entries:
        yield PhaseSource(SESSION, title, entries, network, network_id)
    if phase == "train" and state.training_preview is not None:
        yield PhaseSource(PREVIEW, f"{title}, the patches shown last", (), None, network_id)


def _documents(state: AppState, phase: Phase) -> Iterator[PhaseSource]:
    for key, figures in state.figures.items():
        for stored in figures.of_phase(phase):
            title = figures.name if figures.kind == "stats" else f"{figures.name}: {stored.name}"
            network = figures.bundle
            network_id = "" if network is None else document_id("bundle", network.name, network.path)
            yield PhaseSource(f"{key} | {stored.name}", title, stored.entries, network, network_id)
