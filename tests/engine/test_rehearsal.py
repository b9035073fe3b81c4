"""What a network rehearses on where noise hides the object, and that a training is the same training after it."""

from collections.abc import Generator
from dataclasses import replace
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ptycho_engine import rehearsal, training_rehearsal
from ptycho_engine import trainer as trainer_module
from ptycho_engine.batches import GroupBatches
from ptycho_engine.config import GroupingConfig, TrainConfig
from ptycho_engine.events import (
    DiagnosisFound,
    EngineEvent,
    LossMeasured,
    MessageLogged,
    PatchPreview,
    Progressed,
    StepDone,
    TrainingCompleted,
)
from ptycho_engine.geometry.grouping import group_positions
from ptycho_engine.models.network import PatchNetwork
from ptycho_engine.recipes import Plan
from ptycho_engine.rehearsal import made_up_object, photons_at, rehearsed, share_of_noise
from ptycho_engine.trainer import Scene
from ptycho_engine.training import train
from ptycho_engine.training_scans import TrainingScan
from tests.helpers.cancelled import until
from tests.helpers.tiny_scan import N, tiny_scan

FEW, MANY = 1e3, 1e7
STEPS = 3
CONFIG = TrainConfig(
    gridsize=1, n_groups=6, batch_size=2, epochs=1, n_filters_scale=1, seed=3, accelerator="cpu", preview_count=1,
    recipe="compatible",
)  # fmt: skip


def _short(plan: Plan) -> Plan:
    return replace(plan, rehearsal_steps=min(plan.rehearsal_steps, STEPS))


def _train(n_photons: float = FEW, config: TrainConfig = CONFIG, **keywords: Any) -> Generator[EngineEvent, None, None]:
    return train(tiny_scan(n_photons=n_photons), config, **({"adapt": _short} | keywords))


def _of(events: list[EngineEvent], kind: type[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def _weights(events: list[EngineEvent]) -> dict[str, bytes]:
    return {name: one.tobytes() for name, one in _of(events, TrainingCompleted)[0].bundle.state.items()}


def _said(events: list[EngineEvent]) -> list[str]:
    return [event.text for event in _of(events, MessageLogged) if "rehears" in event.text]


def _scan(n_photons: float = FEW) -> TrainingScan:
    dataset = tiny_scan(n_photons=n_photons)
    beside = np.random.default_rng(3).uniform(-0.5, 0.5, dataset.scan_positions.shape)
    dataset = replace(dataset, scan_positions=dataset.scan_positions + beside)
    grouping = group_positions(dataset.scan_positions, GroupingConfig(gridsize=1, n_groups=6))
    scale = (N / 2) / np.sqrt(np.square(dataset.diffraction(slice(None))).sum(axis=(1, 2)).mean())
    batches = GroupBatches(dataset, grouping, float(scale), torch.device("cpu"), 6)
    scene = Scene(torch.tensor(dataset.probe), 1.0)
    return TrainingScan(dataset, batches, scene, float(scale), n_photons, "as set")


def test_noise_is_most_where_photons_are_few() -> None:
    few, many = share_of_noise([_scan(1e2)]), share_of_noise([_scan(MANY)])
    assert 0.5 < few < 1.1
    assert many < 0.02
    assert share_of_noise([_scan(MANY), _scan(1e2)]) == few, "the noisiest scan decides"


def test_photons_fall_from_clear_patterns_to_those_of_the_scan() -> None:
    course = [photons_at(done, FEW) for done in np.linspace(0, 1, 21)]
    assert course[:13] == pytest.approx([1e6] * 13)
    assert course[-1] == pytest.approx(FEW)
    assert all(later <= earlier for earlier, later in pairwise(course))
    assert [photons_at(done, MANY) for done in (0.0, 0.8, 1.0)] == pytest.approx([MANY] * 3)


def test_patterns_are_those_of_the_object_at_the_positions(monkeypatch: pytest.MonkeyPatch) -> None:
    scan = _scan(1e15)
    batch = scan.batches.batch(np.arange(6))
    # No two pixels alike, and neither axis like the other: a turned, mirrored or shifted patch would be seen.
    monkeypatch.setattr(rehearsal, "made_up_object", lambda shape, _: _ramps(shape))
    seen = rehearsed(batch, scan, (1, 2), 1.0)
    places = np.rint(batch.positions[:, 0]).astype(int)
    first = places.min(axis=0)
    full = _ramps(tuple(places.max(axis=0) - first + N))
    expected = np.stack([_pattern(full[y : y + N, x : x + N], scan.dataset.probe[0]) for y, x in places - first])
    expected *= (N / 2) / np.sqrt(np.square(expected).sum(axis=(1, 2)).mean())
    np.testing.assert_allclose(seen.images[:, 0].numpy(), expected, atol=2e-5)
    assert seen.images.stride() == batch.images.stride()
    np.testing.assert_array_equal(seen.positions[:, 0], places)


def _ramps(shape: tuple[int, ...]) -> np.ndarray:
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.asarray((1 - 0.4 * y / shape[0]) * np.exp(0.02j * x + 0.0004j * y**2), np.complex64)


def _pattern(patch: np.ndarray, probe: np.ndarray) -> np.ndarray:
    """Return the amplitude that a detector sees, with the middle of the spectrum at [N/2, N/2], by the sum itself."""
    index = np.arange(N) - N // 2
    kernel = np.exp(-2j * np.pi * np.outer(index, np.arange(N)) / N) / np.sqrt(N)
    return np.asarray(np.abs(kernel @ (patch * probe).astype(np.complex128) @ kernel.T))


def test_places_far_apart_take_no_more_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    scan = _scan()
    near = scan.batches.batch(np.arange(6))
    shapes: list[tuple[int, int]] = []

    def made_up(shape: tuple[int, int], random: np.random.Generator) -> np.ndarray:
        shapes.append(shape)
        return made_up_object(shape, random)

    monkeypatch.setattr(rehearsal, "made_up_object", made_up)
    far = rehearsed(replace(near, positions=near.positions * 1e6), scan, (1, 2), 0.0)
    assert shapes == [(4 * N, 4 * N)]
    assert torch.isfinite(far.images).all()
    # One period on, the same object is seen.
    moved = near.positions.copy()
    moved[1] = moved[0] + 4 * N
    moved[2] = moved[0] + 12 * N
    here, once, thrice, elsewhere = rehearsed(replace(near, positions=moved), scan, (1, 2), 0.0).images[:4, 0]
    assert torch.allclose(here, once, atol=0.15)
    assert torch.allclose(here, thrice, atol=0.15)
    assert not torch.allclose(here, elsewhere, atol=0.15)


def test_a_made_up_object_goes_on_at_its_other_end(monkeypatch: pytest.MonkeyPatch) -> None:
    scan = _scan(1e15)
    near = scan.batches.batch(np.arange(6))
    monkeypatch.setattr(rehearsal, "made_up_object", lambda shape, _: _ramps(shape))
    moved = np.array([[0, 0], [250, 3], [7, 240], [700, 500], [255, 255], [1, 2]], np.float64)[:, None] + 40
    seen = rehearsed(replace(near, positions=moved), scan, (1, 2), 1.0).images[:, 0].numpy()
    full = _ramps((4 * N, 4 * N))
    rows, columns = ((moved[:, 0, axis, None].astype(int) - 40 + np.arange(N)) % (4 * N) for axis in (0, 1))
    patches = [full[np.ix_(*both)] for both in zip(rows, columns, strict=True)]
    expected = np.stack([_pattern(patch, scan.dataset.probe[0]) for patch in patches])
    expected *= (N / 2) / np.sqrt(np.square(expected).sum(axis=(1, 2)).mean())
    np.testing.assert_allclose(seen, expected, atol=2e-5)


def test_a_probe_without_light_is_not_rehearsed_under() -> None:
    scan = _scan(1e2)
    for probe in (0 * scan.dataset.probe, scan.dataset.probe * np.float32("nan")):
        assert share_of_noise([replace(scan, dataset=replace(scan.dataset, probe=probe))]) == 0.0


def test_noise_is_that_of_the_photons() -> None:
    scan = _scan()
    batch = scan.batches.batch(np.arange(6))
    images = rehearsed(batch, scan, (1, 2), 1.0).images.double()
    per_pattern = images.square().sum(dim=(-2, -1)) / (N / 2) ** 2
    assert per_pattern.mean() == pytest.approx(1, abs=0.05)
    counts = images.square() * FEW / (N / 2) ** 2
    assert torch.allclose(counts, counts.round(), atol=1e-3), "whole photons"
    assert 0.8 * FEW < counts.sum(dim=(-2, -1)).mean() < 1.2 * FEW
    clear = rehearsed(batch, scan, (1, 2), 0.0).images.double().square() * 1e6 / (N / 2) ** 2
    assert 0.8e6 < clear.sum(dim=(-2, -1)).mean() < 1.2e6


def test_the_seed_decides_object_and_noise() -> None:
    scan = _scan()
    batch = scan.batches.batch(np.arange(6))
    first, again, other = (rehearsed(batch, scan, seed, 0.5).images for seed in ((1, 2), (1, 2), (1, 3)))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_amplitude_does_not_tell_the_phase() -> None:
    signs = []
    for seed in range(40):
        object_ = made_up_object((96, 80), np.random.default_rng(seed))
        amplitude, phase = np.abs(object_), np.angle(object_)
        assert amplitude.std() == pytest.approx(0.15, rel=0.1)
        assert phase.std() == pytest.approx(0.3, rel=0.1)
        signs.append(np.sign(np.corrcoef(amplitude.ravel(), phase.ravel())[0, 1]))
    assert 10 < signs.count(1.0) < 30


def test_a_noisy_scan_is_rehearsed_and_trained_as_long_as_without() -> None:
    events = list(_train())
    begun, over = _said(events)
    assert "% of what patterns differ by is the noise of few photons" in begun
    assert over.startswith("The rehearsal is over")
    counted = _of(events, Progressed)
    assert [(one.n_done, one.n_total) for one in counted] == [(1, STEPS), (2, STEPS), (3, STEPS)]
    assert [one.step for one in _of(events, LossMeasured)] == list(range(3))
    assert [one.step for one in _of(events, StepDone)][-1] == 3
    assert events.index(counted[-1]) < events.index(_of(events, LossMeasured)[0])
    bundle = _of(events, TrainingCompleted)[0].bundle
    assert bundle.provenance["rehearsal_steps"] == STEPS
    assert _weights(events) == _weights(list(_train())), "the seed decides all of it"


@pytest.mark.parametrize(
    ("n_photons", "config"),
    [
        (MANY, CONFIG),
        (FEW, replace(CONFIG, recipe="reliable")),
        (FEW, replace(CONFIG, recipe="upstream")),
    ],
)
def test_what_needs_no_rehearsal_has_none(n_photons: float, config: TrainConfig) -> None:
    events = list(_train(n_photons, config))
    assert not _said(events)
    assert _of(events, TrainingCompleted)[0].bundle.provenance["rehearsal_steps"] == 0


def test_a_network_of_a_bundle_has_its_way_already() -> None:
    first = _of(list(_train()), TrainingCompleted)[0].bundle
    assert not _said(list(_train(start_from=first)))


def test_the_optimiser_begins_the_training_as_if_it_were_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[tuple[int, int]] = []
    step = trainer_module.Trainer.step

    def counted(trainer: Any, batch: Any, scene: Any = None) -> Any:
        begun.append((len(trainer.optimiser.state), trainer.clip.state()[1]))
        return step(trainer, batch, scene)

    monkeypatch.setattr(trainer_module.Trainer, "step", counted)
    list(_train())
    assert [(moments > 0, norms) for moments, norms in begun[: STEPS + 2]] == [
        (False, 0), (True, 1), (True, 2), (False, 0), (True, 1),
    ]  # fmt: skip


def test_a_start_that_collapses_rehearses_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = trainer_module.fresh_network

    def dead(plan: Plan, seed: int) -> PatchNetwork:
        network = fresh(plan, seed)
        if seed == CONFIG.seed:
            network.autoencoder.decoder_amp.amp.start_at(-1.278, -1.278)  # type: ignore[operator, union-attr]
        return network

    monkeypatch.setattr(trainer_module, "fresh_network", dead)
    events = list(_train(test_dataset=tiny_scan(4, 1, FEW)))
    assert [one.diagnosis.id for one in _of(events, DiagnosisFound)] == ["flat-amplitude"]
    assert len(_said(events)) == 4
    assert [one.n_done for one in _of(events, Progressed)] == [1, 2, 3, 1, 2, 3]


def _spoil(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """Let the step number ``at``, those of the rehearsal counted, begin with a weight that is not finite."""
    step, calls = trainer_module.Trainer.step, count()

    def spoiled(trainer: Any, batch: Any, scene: Any = None) -> Any:
        if next(calls) == at:
            with torch.no_grad():
                trainer.parameters[0].fill_(float("nan"))
        return step(trainer, batch, scene)

    monkeypatch.setattr(trainer_module.Trainer, "step", spoiled)


def test_a_loss_that_runs_away_at_once_goes_back_to_what_was_rehearsed(monkeypatch: pytest.MonkeyPatch) -> None:
    _spoil(monkeypatch, STEPS + 1)
    events = list(_train())
    assert any("Diverged in epoch 1" in one.text for one in _of(events, MessageLogged))
    assert len(_said(events)) == 2, "rehearsed once"
    assert _of(events, TrainingCompleted)[0].bundle.provenance["rehearsal_steps"] == STEPS


def test_a_rehearsal_that_runs_away_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    without = list(_train(adapt=lambda plan: replace(plan, rehearsal_steps=0)))
    _spoil(monkeypatch, 1)
    events = list(_train())
    warned = [one.text for one in _of(events, MessageLogged) if one.level == "warning"]
    assert warned == ["The rehearsal ran away; the network is trained without it."]
    assert _weights(events) == _weights(without)


def test_what_is_drawn_after_the_rehearsal_is_shown_at_once() -> None:
    events = list(_train())
    over = next(i for i, one in enumerate(events) if isinstance(one, MessageLogged) and "is over" in one.text)
    shown, first = events[over + 1], _of(events, PatchPreview)[0]
    assert isinstance(shown, PatchPreview)
    assert (shown.step, first.step) == (0, 0)
    assert not np.array_equal(shown.patches, first.patches)


def test_a_training_stopped_in_its_rehearsal_leaves_nothing_and_begins_again(tmp_path: Path) -> None:
    straight = list(_train(out=tmp_path / "straight"))
    until(
        _train(out=tmp_path / "cut"),
        lambda event: isinstance(event, Progressed) and event.n_done == 2,
    )
    assert not list((tmp_path / "cut").rglob("*.ckpt*"))
    assert _weights(list(_train(out=tmp_path / "cut", resume=True))) == _weights(straight)


def test_a_training_that_goes_on_does_not_rehearse_again(tmp_path: Path) -> None:
    straight = list(_train(out=tmp_path / "straight"))
    until(_train(out=tmp_path / "cut"), lambda event: isinstance(event, StepDone) and event.step == 1)
    resumed = list(_train(out=tmp_path / "cut", resume=True))
    assert not _said(resumed)
    assert _weights(resumed) == _weights(straight)
    assert _of(resumed, TrainingCompleted)[0].bundle.provenance["rehearsal_steps"] == STEPS


def test_the_scan_decides_and_not_the_recipe_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_rehearsal, "share_of_noise", lambda _: 0.49)
    assert not _said(list(_train()))
    monkeypatch.setattr(training_rehearsal, "share_of_noise", lambda _: 0.51)
    assert _said(list(_train(MANY)))
