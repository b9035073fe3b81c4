"""The patterns that a training is measured on."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ptycho_engine.batches import GroupBatches
from ptycho_engine.config import TrainConfig
from ptycho_engine.diagnostics.metrics import correlations
from ptycho_engine.documents import Dataset
from ptycho_engine.events import EngineEvent, EpochDone, ValidationMeasured
from ptycho_engine.fixed_sample import FixedSample, neighbourhoods
from ptycho_engine.geometry.canvas import extract_patches
from ptycho_engine.geometry.grouping import cover_positions
from ptycho_engine.physics.forward import predict_amplitude
from ptycho_engine.recipes import plan_training
from ptycho_engine.trainer import Drawn, Scene, Trainer
from ptycho_engine.training import train
from ptycho_engine.training_job import prepare_training
from tests.helpers.tiny_scan import N, tiny_scan

TINY = TrainConfig(gridsize=1, n_groups=4, batch_size=2, epochs=2, n_filters_scale=1, seed=3, accelerator="cpu")


def _measured(events: list[EngineEvent]) -> list[ValidationMeasured]:
    return [event for event in events if isinstance(event, ValidationMeasured)]


def test_places_are_compact_spread_and_named_once() -> None:
    rng = np.random.default_rng(0)
    centers = rng.uniform(0, 1000, (400, 2))
    places = neighbourhoods(centers, 64, 4)
    assert [len(place) for place in places] == [16] * 4
    assert len(np.unique(np.concatenate(places))) == 64
    middles = np.array([centers[place].mean(axis=0) for place in places])
    assert max(np.ptp(centers[place], axis=0).max() for place in places) < 350
    assert np.ptp(middles, axis=0).min() > 300
    for one, other in zip(places, neighbourhoods(centers, 64, 4), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("n_groups", "count"), [(1, 64), (2, 64), (3, 64), (5, 3), (50, 64)])
def test_a_small_scan_is_taken_whole(n_groups: int, count: int) -> None:
    centers = np.random.default_rng(0).uniform(0, 9, (n_groups, 2))
    places = neighbourhoods(centers, count, 4)
    assert len(np.unique(np.concatenate(places))) == min(n_groups, count)


def scene_of(scan: Dataset, intensity_scale: float) -> Scene:
    return Scene(torch.tensor(scan.probe, dtype=torch.complex64), intensity_scale)


@pytest.mark.parametrize("gridsize", [1, 2])
def test_a_network_that_draws_the_truth_is_perfect(gridsize: int, monkeypatch: pytest.MonkeyPatch) -> None:
    scan = tiny_scan(30)
    object_ = scan.object_
    assert object_ is not None
    config = replace(TINY, gridsize=gridsize)
    plan = plan_training(config, N, scan.probe)
    batches = GroupBatches(scan, cover_positions(scan.scan_positions, gridsize, 6, 0), 2.0, torch.device("cpu"), 8)
    trainer = Trainer(config, plan, scene_of(scan, 10.0), torch.device("cpu"))
    scale = plan.model.probe_scale * 2.0

    def draw_the_truth(_: Trainer, batch: object, scene: Scene) -> Drawn:
        positions = batch.positions  # type: ignore[attr-defined]
        truth = extract_patches(object_ * np.float32(scale), positions.reshape(-1, 2), N)
        patches = torch.from_numpy(truth.reshape(*positions.shape[:2], N, N))
        model = replace(plan.model, object_big=False)
        predicted = predict_amplitude(patches, batch.local_offsets, scene.probe, model)  # type: ignore[attr-defined]
        return Drawn(patches, predicted, patches.abs(), patches.angle())

    monkeypatch.setattr(Trainer, "inspect", draw_the_truth)
    sample = FixedSample(batches, scene_of(scan, 158.0 * 31.0), on_test_scan=True)
    owners = np.repeat(np.arange(len(sample.places)), [gridsize**2 * len(place) for place in sample.places])
    assert set(owners[sample.pairs[:, 0]]) == set(owners)
    np.testing.assert_array_equal(*owners[sample.pairs].T)
    drawn, fit = sample.measure(trainer)
    assert fit.amplitude_correlation == pytest.approx(1, abs=1e-3)
    assert fit.complex_correlation == pytest.approx(1, abs=1e-3)
    assert fit.overlap_consistency > 0.97
    assert fit.r_factor < 0.1 < fit.empty_r_factor
    assert drawn.energy_ratio == pytest.approx(1, abs=0.02)
    assert drawn.demanded_variation < drawn.amplitude_variation
    assert fit.n_patches == {1: 30, 2: 64}[gridsize]


def test_correlations_do_not_mind_scale_and_constant_phase() -> None:
    rng = np.random.default_rng(0)
    truth = rng.uniform(0.5, 1, 500) * np.exp(1j * rng.uniform(-1, 1, 500))
    np.testing.assert_allclose(correlations(truth * 3j, truth), 1.0)
    assert np.isnan(correlations(np.zeros(3, complex), truth[:3])).all()


@pytest.mark.parametrize("recipe", ["reliable", "compatible", "upstream"])
def test_measured_after_each_epoch_without_changing_the_training(recipe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(TINY, recipe=recipe, preview_interval_s=3600.0)
    events = list(train(tiny_scan(), config, test_dataset=tiny_scan(6, 1)))
    told = _measured(events)
    assert [(event.epoch, event.step) for event in told] == [(0, 1), (1, 3)]
    assert [event.figures.scan for event in told] == ["test", "test"]
    assert all(0 < event.figures.r_factor < 1.5 and event.figures.poisson_deviance > 0 for event in told)
    assert np.isfinite([event.figures.complex_correlation for event in told]).all()
    ends = [event for event in events if isinstance(event, EpochDone)]
    monkeypatch.setattr("ptycho_engine.training_watch.diagnose", lambda _: [])
    again = list(train(replace(tiny_scan(), object_=None), config, test_dataset=replace(tiny_scan(6, 1), object_=None)))
    assert ends == [event for event in again if isinstance(event, EpochDone)]
    assert all(np.isnan(event.figures.complex_correlation) for event in _measured(again))


def test_without_a_test_scan_the_training_scan_is_measured() -> None:
    told = _measured(list(train(tiny_scan(), replace(TINY, gridsize=2))))
    assert {event.figures.scan for event in told} == {"training"}
    assert {event.figures.n_patches for event in told} == {16}


@pytest.mark.parametrize("recipe", ["compatible", "reliable"])
def test_the_heads_are_seen_before_they_become_one_number(recipe: str) -> None:
    config = replace(TINY, recipe=recipe)
    job = prepare_training(
        [tiny_scan()], config, torch.device("cpu"), test_dataset=None, out=None, resume=False, start_from=None
    )
    batch = job.batches.batch(job.batches.all_groups())
    drawn = job.trainer.inspect(batch, job.trainer.scene)
    patches, alone = job.trainer.predict(batch)
    assert torch.equal(drawn.patches, patches)
    # These recipes predict from one object that the patches share.
    with torch.inference_mode():
        merged = job.trainer.predict_merged(patches, batch, job.trainer.scene)
    assert torch.equal(drawn.predicted, merged)
    assert not torch.equal(drawn.predicted, alone)
    if recipe == "compatible":
        # Patches and what they are merged into are near here, where each counts in its own place.
        assert torch.allclose(drawn.predicted, alone, atol=0.1 * float(alone.max()))
    assert torch.allclose(torch.polar(drawn.amplitude, drawn.phase), patches, atol=1e-5)
    assert not job.trainer.network.autoencoder._forward_hooks


def test_a_trainer_that_went_back_does_the_same_again() -> None:
    job = prepare_training(
        [tiny_scan()], TINY, torch.device("cpu"), test_dataset=None, out=None, resume=False, start_from=None
    )
    batches = [job.batches.batch(part) for part in job.batches.slices(job.batches.all_groups())]

    def run() -> tuple[list[float], list[bytes], bytes]:
        losses = [float(job.trainer.step(batch).loss) for batch in batches]
        arrays = [one.tobytes() for one in job.trainer.optimiser_state().values()]
        return losses, arrays, job.trainer.clip.state()[0].tobytes()

    fresh = job.trainer.snapshot()
    first = run()
    assert job.trainer.weight_change(fresh) > 1e-5
    middle = job.trainer.snapshot()
    second = run()
    job.trainer.go_back(middle)
    assert job.trainer.weight_change(middle) == 0
    assert run() == second != first
    job.trainer.go_back(fresh)
    assert run() == first
