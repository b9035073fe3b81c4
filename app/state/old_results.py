"""A window that trains all week holds the newest results, and leaves the older ones to their folders."""

from dataclasses import replace

from app.state.app_state import AppState, LogEntry
from app.state.document_changes import closed

RESULT_LIMIT = 32
"""Trainings of this window that stay open with their networks; a network of the recipes holds 5 to 40 MB."""


def without_old_results(state: AppState, time_s: float) -> AppState:
    """Close the oldest trainings of this window beyond ``RESULT_LIMIT``, with their bundles, and say so in the log.

    Only what lies whole in its run folder is closed, and nothing that is looked at, waits to be resumed, made a canvas
    that is open, was compared last, or is where a training of the queue starts from.
    """
    ended = [key for key, run in state.runs.items() if key in state.requests and run.state == "completed"]
    kept = {state.run_id, state.shown_run, *state.watched, *ended[-RESULT_LIMIT:]}
    used = {state.bundle_id, *state.canvas_bundles.values()}
    if state.compared is not None:
        used |= {state.compared.a, state.compared.b}
    for key in ended:
        run = state.runs[key]
        bundles = [name for name, one in state.bundles.items() if run.bundle is not None and one.path == run.bundle]
        queued = any(one.uses(name) for one in state.queue.runs for name in bundles)
        if key in kept or run.bundle is None or queued or used.intersection(bundles):
            continue
        for document in (*bundles, key):
            state = closed(state, document)
        words = f"{run.path.name} is closed: the newest {RESULT_LIMIT} trainings stay open, this one lies in {run.path}"
        state = replace(state, log=(*state.log, LogEntry("info", words, time_s)))
    return state
