"""Closing a document can be undone: what belonged to it is kept for a while."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from app.state.app_state import AppState, ClosedDocument
from app.state.entries import with_entry

if TYPE_CHECKING:
    from collections.abc import Mapping

CLOSED_LIMIT = 8
"""Closed documents that are kept; their patterns stay in their files."""
BELONGINGS = (
    "datasets",
    "bundles",
    "runs",
    "canvases",
    "assumptions",
    "requests",
    "canvas_metrics",
    "canvas_datasets",
    "canvas_bundles",
    "canvas_refinements",
    "canvas_makers",
    "canvas_files",
    "refused",
)
"""The fields of the state that map the key of a document to something of it."""


def with_closed(state: AppState, key: str) -> AppState:
    """Return the state that remembers the document ``key``, which is about to be closed."""
    belongings: dict[str, Any] = {}
    for name in BELONGINGS:
        mapping: Mapping[str, Any] = getattr(state, name)
        if key in mapping:
            belongings[name] = mapping[key]
    if not belongings:
        return state
    others = tuple(one for one in state.closed if one.key != key)
    return replace(state, closed=(*others, ClosedDocument(key, belongings))[-CLOSED_LIMIT:])


def reopened(state: AppState) -> tuple[AppState, str | None]:
    """Return the state with the document that was closed last, and its key; one opened anew meanwhile stays so."""
    if not state.closed:
        return state, None
    last = state.closed[-1]
    changes: dict[str, Any] = {"closed": state.closed[:-1]}
    for name, value in last.belongings.items():
        mapping: Mapping[str, Any] = getattr(state, name)
        if last.key not in mapping:
            changes[name] = with_entry(mapping, last.key, value)
    return replace(state, **changes), last.key
