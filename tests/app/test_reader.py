"""Reading patterns to be looked at."""

from dataclasses import replace

import numpy as np
import pytest

from app.jobs import reader
from app.state.app_events import DocumentClosed
from app.state.app_state import AppState, document_id
from app.state.readings import ScanReading
from app.state.reduce import reduce
from ptycho_engine.diagnostics import scan_figures
from ptycho_engine.documents import Rectangle
from ptycho_engine.events import DatasetOpened
from tests.app.samples import make_dataset

KEY = document_id("dataset", "scan", make_dataset().path)


def test_a_frame_is_read_as_amplitude_and_cannot_be_changed() -> None:
    dataset = make_dataset()
    (event,) = reader.read_frame("a", dataset, 4)
    assert event.index == 4
    np.testing.assert_array_equal(event.diffraction, dataset.diffraction(slice(4, 5))[0])
    assert not event.diffraction.flags.writeable


def test_the_summary_grows_block_by_block_to_the_whole_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = make_dataset(n_scan=5)
    monkeypatch.setattr(scan_figures, "BLOCK_BYTES", 2 * 4 * dataset.n**2)
    told = [summary.figures for summary in reader.summarise_scan("a", dataset, whole=True)]
    frames = dataset.diffraction(slice(0, 5))
    assert [figures.n_done for figures in told] == [0, 0, 0, 2, 4, 5]
    assert np.isnan(told[3].frames["total"][2:]).all()
    np.testing.assert_allclose(told[-1].mean, frames.mean(axis=0), rtol=1e-6)
    with pytest.raises(ValueError, match="read-only"):
        told[-1].frames["total"][0] = 1.0


def test_readings_of_a_dataset_that_was_closed_are_dropped() -> None:
    dataset = make_dataset()
    key = document_id("dataset", dataset.name, dataset.path)
    (frame,) = reader.read_frame(key, dataset, 1)
    summary = list(reader.summarise_scan(key, dataset, whole=True))[-1]
    region = list(reader.sum_scan_region(key, dataset, Rectangle(0, 0, 2, 2), whole=True))[-1]
    opened = reduce(AppState(), DatasetOpened(dataset))
    shown = reduce(reduce(reduce(opened, frame), summary), region)
    assert shown.frame is frame
    assert shown.summaries[key] is summary
    assert shown.regions[key] is region
    closed = reduce(shown, DocumentClosed(key))
    assert closed.frame is None
    assert not closed.summaries
    assert not closed.regions
    assert reduce(reduce(reduce(closed, frame), summary), region) is closed


def test_every_position_is_the_first_member_of_a_group() -> None:
    dataset = make_dataset(n_scan=9)
    (found,) = reader.find_groups("a", dataset, 2, 4)
    assert found.group_indices.shape == (9, 4)
    np.testing.assert_array_equal(found.group_indices[:, 0], np.arange(9))
    assert reduce(AppState(), found).groups is None
    assert reduce(reduce(AppState(), DatasetOpened(dataset)), replace(found, dataset_id=KEY)).groups is not None


def test_the_end_of_a_reading_does_not_hide_one_asked_for_later() -> None:
    first, second = ScanReading("summary", KEY, "1"), ScanReading("summary", KEY, "2")
    state = reduce(reduce(AppState(), first), second)
    assert reduce(state, replace(first, state="stopped")).readings["summary"] is second
    assert reduce(state, replace(second, state="failed")).readings["summary"].state == "failed"
