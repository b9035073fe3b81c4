"""What was found wrong with the open documents: pure, as the whole reducer."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from app.state.app_state import AppState, Listed, LogEntry, Notice
from app.state.entries import with_entry, without_entry
from ptycho_engine.documents import Diagnosis
from ptycho_engine.events import Delivery

_WORST_FIRST = {"error": 0, "warning": 1, "info": 2}


@dataclass(frozen=True, slots=True)
class DocumentExamined:
    """What an examination found so far."""

    delivery: ClassVar[Delivery] = Delivery.LATEST
    key: str
    """Of the document, or of the pair of documents."""
    found: tuple[Diagnosis, ...]
    n_done: int = 0
    n_total: int = 0
    """Patterns that were looked at, of how many; 0 where none need be."""
    done: bool = False


def pair_key(dataset_id: str, bundle_id: str) -> str:
    """Return the key of a scan and a bundle that are to go together."""
    return f"pair:{dataset_id} | {bundle_id}"


def parts_of(key: str) -> tuple[str, ...]:
    """Return the keys of the documents that a key stands for."""
    return tuple(key.removeprefix("pair:").split(" | ")) if key.startswith("pair:") else (key,)


def is_open(state: AppState, key: str) -> bool:
    """Whether a document, or both of a pair, are open."""
    return all(part in state.datasets or part in state.bundles for part in parts_of(key))


def name_of(state: AppState, key: str) -> str:
    """Return what a person calls a document, or a pair."""
    documents = (state.datasets.get(part) or state.bundles.get(part) for part in parts_of(key))
    return " + ".join(document.name for document in documents if document is not None)


def examined(state: AppState, event: DocumentExamined, time_s: float) -> AppState:
    """Return the state with what was found; warnings and errors are logged, errors raise a notice, each once."""
    if not is_open(state, event.key):
        return state
    before = state.examinations.get(event.key)
    known = set() if before is None else {(one.id, one.message) for one in before.found}
    state = replace(state, examinations=with_entry(state.examinations, event.key, event))
    name = name_of(state, event.key)
    for finding in event.found:
        if finding.severity == "info" or (finding.id, finding.message) in known:
            continue
        entry = LogEntry(finding.severity, f"{name}: {finding.message} {finding.hint}".rstrip(), time_s, finding.id)
        state = replace(state, log=(*state.log, entry))
        if finding.severity == "error":
            state = _with_notice(state, event.key, name, finding)
    return state


def forgotten(state: AppState, key: str) -> AppState:
    """Return the state without what was found of a document, and of the pairs that it is part of."""
    gone = [other for other in state.examinations if key in parts_of(other)]
    for other in gone:
        state = replace(state, examinations=without_entry(state.examinations, other))
    dismissed = frozenset(one for one in state.dismissed if one[0] not in gone)
    closed = {finding_key(other, finding) for other in gone for finding in _notices_of(state, other)}
    notices = tuple(notice for notice in state.notices if notice.key not in closed)
    return replace(state, dismissed=dismissed, notices=notices)


def listed(state: AppState) -> tuple[Listed, ...]:
    """Return all findings that were not dismissed, worst first: of the job, then of the documents as opened."""
    rows = [row for row in _all(state) if (row.key, row.finding.id) not in state.dismissed]
    return tuple(sorted(rows, key=lambda row: _WORST_FIRST[row.finding.severity]))


def _all(state: AppState) -> Iterator[Listed]:
    title = state.job.title if state.job is not None else ""
    for finding in state.diagnoses:
        yield Listed("job", title, finding)
    for key, examination in state.examinations.items():
        if key.startswith("pair:") and parts_of(key) != (state.dataset_id, state.bundle_id):
            # Of those that go together now, and no others.
            continue
        for finding in examination.found:
            yield Listed(key, name_of(state, key), finding)


def _notices_of(state: AppState, key: str) -> list[str]:
    prefix = finding_key(key, "")
    return [notice.key.removeprefix(prefix) for notice in state.notices if notice.key.startswith(prefix)]


def finding_key(key: str, name: str) -> str:
    """Return the key of the notice of a finding, of a document or of the ``"job"``."""
    return f"diagnosis:{key}:{name}"


def _with_notice(state: AppState, key: str, name: str, finding: Diagnosis) -> AppState:
    notice = Notice(finding_key(key, finding.id), finding.severity, f"{name}: {finding.message}", finding.hint)
    others = tuple(old for old in state.notices if old.key != notice.key)
    return replace(state, notices=(*others, notice))
