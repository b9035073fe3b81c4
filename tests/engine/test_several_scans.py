"""Several scans in one training: each with its own probe, scales and photons."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ptycho_engine.config import InferConfig, TrainConfig
from ptycho_engine.documents import Canvas, Dataset
from ptycho_engine.errors import ConfigError, DatasetError
from ptycho_engine.events import EngineEvent, InferenceCompleted, LossMeasured, StepDone, TrainingCompleted
from ptycho_engine.formats.frames import ArrayFrames
from ptycho_engine.inference import infer
from ptycho_engine.recipes import plan_training
from ptycho_engine.training import train
from ptycho_engine.training_job import TrainingJob, prepare_training
from ptycho_engine.training_scans import prepare_scans
from tests.helpers.cancelled import until
from tests.helpers.tiny_scan import N, tiny_scan

CONFIG = TrainConfig(gridsize=1, n_groups=5, batch_size=2, epochs=2, n_filters_scale=1, seed=7, accelerator="cpu")
CPU = torch.device("cpu")


def brighter(scan: Dataset, factor: float, *, counted: float = 1.0) -> Dataset:
    """Return the scan under a brighter probe, and with amplitudes ``counted`` times as large."""
    frames = ArrayFrames(np.asarray(scan.diffraction(np.arange(scan.n_scan)), np.float32) * np.float32(counted))
    return replace(scan, name="brighter", probe=scan.probe * np.float32(factor), frames=frames, fingerprint="brighter")


def _job(*scans: Dataset, config: TrainConfig = CONFIG) -> TrainingJob:
    return prepare_training(scans, config, CPU, test_dataset=None, out=None, resume=False, start_from=None)


def _losses(events: list[EngineEvent]) -> list[tuple[int, float]]:
    return [(event.step, event.loss) for event in events if isinstance(event, LossMeasured)]


def _completed(events: list[EngineEvent]) -> TrainingCompleted:
    assert isinstance(events[-1], TrainingCompleted)
    return events[-1]


@pytest.mark.parametrize("recipe", ["reliable", "compatible"])
def test_the_same_patterns_under_another_probe_are_predicted_the_same(recipe: str) -> None:
    scan = tiny_scan()
    job = _job(scan, brighter(scan, 3.0), config=replace(CONFIG, recipe=recipe))
    one, other = job.scans.scans
    groups = one.batches.all_groups()
    drawn = [job.trainer.inspect(part.batches.batch(groups), part.scene) for part in (one, other)]
    # The light on the object is three times brighter, so the object must be a third as bright.
    assert torch.allclose(drawn[1].patches, drawn[0].patches / 3, rtol=1e-5)
    assert torch.allclose(drawn[1].predicted, drawn[0].predicted, rtol=1e-4, atol=1e-4)


def test_a_canvas_is_at_the_scale_of_its_own_probe() -> None:
    scan = tiny_scan()
    bundle = _completed(list(train(scan, CONFIG))).bundle
    canvases = []
    for one in (scan, brighter(scan, 3.0), brighter(scan, 1.0, counted=3.0)):
        last = list(infer(one, bundle, InferConfig(accelerator="cpu")))[-1]
        assert isinstance(last, InferenceCompleted)
        canvases.append(last.canvas)

    def physical(canvas: Canvas) -> float:
        lit = canvas.weight > 0
        return float(np.abs(canvas.object_[lit]).mean() / canvas.network_per_physical)

    # amplitude = |FFT(P O)|: a probe of 3 P leaves O/3 for the same patterns, patterns three times as large 3 O.
    assert physical(canvases[1]) == pytest.approx(physical(canvases[0]) / 3, rel=1e-4)
    assert physical(canvases[2]) == pytest.approx(physical(canvases[0]) * 3, rel=1e-4)


def test_a_bundle_that_does_not_tell_its_probe_is_taken_as_it_is() -> None:
    scan = tiny_scan()
    bundle = _completed(list(train(scan, replace(CONFIG, epochs=1)))).bundle
    known = {key: value for key, value in bundle.provenance.items() if key != "probe_energy"}
    results = [
        list(infer(brighter(scan, 3.0), one, InferConfig(accelerator="cpu")))[-1]
        for one in (bundle, replace(bundle, provenance=known))
    ]
    first, second = (result.canvas for result in results if isinstance(result, InferenceCompleted))
    np.testing.assert_allclose(second.object_, first.object_ * 3, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("neighbouring", [True, False])
def test_every_group_of_every_scan_is_seen_once_in_steps_of_one_scan(neighbouring: bool) -> None:
    scans = [tiny_scan(), tiny_scan(30, 1)]
    config = replace(CONFIG, n_groups=11)
    prepared = prepare_scans(scans, config, plan_training(config, N, scans[0].probe), CPU)
    steps = prepared.steps(7, 0, neighbouring=neighbouring)
    seen = Counter((step.scan.dataset.name, int(group)) for step in steps for group in step.groups)
    assert seen == Counter((scan.name, group) for scan in scans for group in range(11))
    assert len(steps) == prepared.n_steps
    first = [step.scan.dataset.name for step in steps]
    assert first != sorted(first)  # they take turns
    again = [step.groups.tolist() for step in prepared.steps(7, 0, neighbouring=neighbouring)]
    assert again == [step.groups.tolist() for step in steps]
    assert again != [step.groups.tolist() for step in prepared.steps(7, 1, neighbouring=neighbouring)]


def test_a_bright_scan_does_not_drown_a_dim_one() -> None:
    job = _job(tiny_scan(), tiny_scan(12, 1, 1e9))
    bright, dim = job.scans.scans[1], job.scans.scans[0]
    assert bright.scene.intensity_scale == pytest.approx(100 * dim.scene.intensity_scale)
    norms = []
    for scan in (dim, bright):
        trainer = _job(tiny_scan()).trainer
        norms.append(float(trainer.step(scan.batches.batch(scan.batches.all_groups()), scan.scene).gradient_norm))
    assert 0.2 < norms[1] / norms[0] < 5


def test_a_training_on_two_scans_resumes_as_if_unbroken(tmp_path: Path) -> None:
    scans = [tiny_scan(), brighter(tiny_scan(9, 1), 2.0, counted=5.0)]
    whole = list(train(scans, CONFIG))
    first = until(train(scans, CONFIG, out=tmp_path), lambda one: isinstance(one, StepDone) and one.step == 8)
    second = list(train(scans, CONFIG, out=tmp_path, resume=True))
    assert _losses(first) + _losses(second) == _losses(whole)
    assert len(_losses(whole)) == 2 * (3 + 3)
    kept = [[(key, value.tobytes()) for key, value in _completed(one).bundle.state.items()] for one in (whole, second)]
    assert kept[0] == kept[1]
    provenance = _completed(second).bundle.provenance
    assert [one["fingerprint"] for one in provenance["further_scans"]] == ["brighter"]
    assert [one["name"] for one in json.loads((tmp_path / "run.json").read_text())["further_datasets"]] == ["brighter"]


def test_scans_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    scan = tiny_scan()
    small = replace(
        scan,
        name="small",
        frames=ArrayFrames(np.ones((12, 32, 32), np.float32)),
        probe=np.ones((1, 32, 32), np.complex64),
    )
    with pytest.raises(DatasetError, match="side 32 px"):
        list(train([scan, small], CONFIG))
    with pytest.raises(ConfigError, match="no scan"):
        list(train([], CONFIG))
    until(train([scan, tiny_scan(9, 1)], CONFIG, out=tmp_path), lambda one: isinstance(one, StepDone) and one.step == 2)
    with pytest.raises(ConfigError, match="other scans"):
        list(train([scan], CONFIG, out=tmp_path, resume=True))
