"""Long work in one piece asks between its blocks whether it is to go on, and gives the same whatever their size."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ptycho_engine.arrays import IndexArray
from ptycho_engine.config import GroupingConfig, InferConfig
from ptycho_engine.diagnostics import metrics
from ptycho_engine.documents import Bundle, Dataset
from ptycho_engine.errors import Stopped
from ptycho_engine.events import EngineEvent, TrainingCompleted
from ptycho_engine.geometry import grouping
from ptycho_engine.geometry.grouping import cover_positions, group_positions, subsets_of_neighbors
from ptycho_engine.going_on import GoOn, always
from ptycho_engine.inference import infer
from ptycho_engine.physics.counts import as_counts
from ptycho_engine.runs.run_folder import read_run
from ptycho_engine.stoppable_reading import go_on_of, stoppable
from ptycho_engine.training import train
from tests.faults.tiny_training import CONFIG, of, training
from tests.helpers.tiny_scan import tiny_scan

POSITIONS = np.random.default_rng(0).uniform(0, 60, (300, 2))
RNG = np.random.default_rng(1)
PICTURE = (RNG.uniform(0.5, 1, (90, 40)) * np.exp(1j * RNG.normal(0, 0.3, (90, 40)))).astype(np.complex64)
OTHER = (PICTURE + 0.1 * RNG.normal(size=(90, 40))).astype(np.complex64)
SHOWN = np.pad(np.ones((84, 36), bool), ((2, 4), (1, 3)))


def _drawn(config: GroupingConfig) -> Callable[[GoOn], IndexArray]:
    return lambda go_on: group_positions(POSITIONS, config, go_on).group_indices


WORK: dict[str, Callable[[GoOn], Any]] = {
    "groups of a training": _drawn(GroupingConfig(2, 200)),
    "more groups than positions": _drawn(GroupingConfig(2, 900)),
    "groups of an inference": lambda go_on: cover_positions(POSITIONS, 2, 6, 0, go_on).group_indices,
    "subsets": lambda go_on: (
        subsets_of_neighbors(
            POSITIONS, np.arange(0, 300, 2), channels=4, neighbor_count=6, n_subsets=3, seed=1, go_on=go_on
        ).group_indices
    ),
    "comparison": lambda go_on: np.array(metrics.compare_areas(OTHER, PICTURE, SHOWN, go_on).ssim),
}
SIZES = {
    "_ASKED_AT_ONCE": (grouping, 64),
    "_ROWS": (grouping, 16),
    "_BAND_PIXELS": (metrics, 500),
}


class Counted:
    """Counts how often it was asked, and stops the work at the last time that is let."""

    def __init__(self, until: int = 10**9) -> None:
        self.n_asked, self._until = 0, until

    def __call__(self) -> None:
        self.n_asked += 1
        if self.n_asked >= self._until:
            raise Stopped


@pytest.mark.parametrize("work", WORK.values(), ids=WORK)
def test_work_in_blocks_is_the_same_and_ends_at_each_of_them(
    work: Callable[[GoOn], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = work(always)
    for name, (module, size) in SIZES.items():
        monkeypatch.setattr(module, name, size)
    counted = Counted()
    np.testing.assert_allclose(work(counted), whole, atol=1e-6, rtol=1e-6)
    assert counted.n_asked >= 6
    for until in range(1, counted.n_asked + 1):
        stopped = Counted(until)
        with pytest.raises(Stopped):
            work(stopped)
        assert stopped.n_asked == until


def test_ssim_in_bands_is_that_of_the_whole_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    from scipy.ndimage import binary_erosion
    from skimage.metrics import structural_similarity

    ours, truth = np.abs(OTHER).astype(np.float64), np.abs(PICTURE).astype(np.float64)
    factor = (ours[SHOWN] @ truth[SHOWN]) / (ours[SHOWN] @ ours[SHOWN])
    similar: Any = structural_similarity
    _, local = similar(factor * ours, truth, win_size=7, data_range=float(np.ptp(truth[SHOWN])), full=True)
    expected = local[binary_erosion(SHOWN, np.ones((7, 7), bool))].mean()
    for size in (1, 450, 1 << 20):
        monkeypatch.setattr(metrics, "_BAND_PIXELS", size)
        assert metrics.compare_areas(OTHER, PICTURE, SHOWN).ssim == pytest.approx(expected, abs=1e-6)


def test_a_scan_is_asked_through_what_converts_it() -> None:
    asked: list[bool] = []
    scan = stoppable(tiny_scan(), lambda: bool(asked))
    go_on = go_on_of(as_counts(scan, count_scale=1.0).dataset)
    go_on()
    asked.append(True)
    with pytest.raises(Stopped):
        go_on()
    go_on_of(tiny_scan())()


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return of(list(training(epochs=1, gridsize=2)), TrainingCompleted)[0].bundle


def _training(scan: Dataset, _: Bundle, out: Path) -> Iterator[EngineEvent]:
    return training(out, dataset=scan, gridsize=2)


def _validated(scan: Dataset, _: Bundle, out: Path) -> Iterator[EngineEvent]:
    return train(tiny_scan(), replace(CONFIG, gridsize=2), test_dataset=scan, out=out)


def _inference(scan: Dataset, bundle: Bundle, out: Path) -> Iterator[EngineEvent]:
    return infer(scan, bundle, InferConfig(accelerator="cpu"), out=out)


VERBS: dict[str, tuple[Callable[[Dataset, Bundle, Path], Iterator[EngineEvent]], str, str]] = {
    "grouping of a training": (_training, "training_scans", "group_positions"),
    "grouping of a test scan": (_validated, "validation", "cover_positions"),
    "grouping of an inference": (_inference, "inference_job", "cover_positions"),
    "comparison": (_inference, "inference", "compare_with_object"),
}


@pytest.mark.parametrize(("verb", "module", "name"), VERBS.values(), ids=VERBS)
def test_a_verb_that_is_asked_to_stop_ends_within_the_work(
    verb: Callable[[Dataset, Bundle, Path], Iterator[EngineEvent]],
    module: str,
    name: str,
    bundle: Bundle,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    asked: list[bool] = []
    returned: list[bool] = []
    place = import_module(f"ptycho_engine.{module}")
    work = getattr(place, name)

    def begun(*arguments: Any, **named: Any) -> Any:
        asked.append(True)
        result = work(*arguments, **named)
        returned.append(True)
        return result

    monkeypatch.setattr(place, name, begun)
    with suppress(Stopped):
        list(verb(stoppable(tiny_scan(), lambda: bool(asked)), bundle, tmp_path))
    assert asked
    assert not returned
    assert read_run(tmp_path).state == "stopped"
    assert not (tmp_path / ".lock").exists()
