import json
import math
import os
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ptycho_engine import training_files
from ptycho_engine.artefacts.patch_stats_file import read_patch_stats
from ptycho_engine.batches import Batch
from ptycho_engine.config import TrainConfig
from ptycho_engine.documents import Dataset
from ptycho_engine.errors import BundleError, DatasetError, OutputError, TrainingDiverged
from ptycho_engine.events import (
    BundleSaved,
    CheckpointSaved,
    EngineEvent,
    EpochDone,
    JobStarted,
    LossMeasured,
    MessageLogged,
    PatchPreview,
    StatsMeasured,
    StepDone,
    TrainingCompleted,
)
from ptycho_engine.formats.frames import ArrayFrames
from ptycho_engine.geometry.grouping import group_positions
from ptycho_engine.runs.run_folder import list_checkpoints, read_run
from ptycho_engine.trainer import Scene, Step, Trainer
from ptycho_engine.training import train
from ptycho_engine.training_job import prepare_training
from ptycho_engine.validation import Validation
from tests.helpers.tiny_scan import tiny_scan

TINY = TrainConfig(
    gridsize=1, n_groups=4, batch_size=2, epochs=2, n_filters_scale=1, seed=3, accelerator="cpu", preview_count=3
)


def _of(events: list[EngineEvent], kind: type[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def _tell_validation_losses(monkeypatch: pytest.MonkeyPatch, losses: Iterator[float]) -> None:
    def told(validation: Validation, trainer: Trainer) -> Iterator[None]:
        yield
        validation.loss = next(losses)

    monkeypatch.setattr(Validation, "run", told)


def _weights(events: list[EngineEvent]) -> dict[str, bytes]:
    return {name: value.tobytes() for name, value in _of(events, TrainingCompleted)[0].bundle.state.items()}


def test_events_of_a_training_come_in_order() -> None:
    events = list(train(tiny_scan(), TINY))
    assert isinstance(events[0], JobStarted)
    assert isinstance(events[-1], TrainingCompleted)
    assert events[0].n_total == 4
    assert sorted({event.step for event in _of(events, StepDone)}) == [1, 2, 3, 4]
    assert [event.step for event in _of(events, LossMeasured)] == [0, 1, 2, 3]
    assert [(event.epoch, event.step) for event in _of(events, EpochDone)] == [(0, 1), (1, 3)]
    measured = [event.loss for event in _of(events, LossMeasured)]
    for event, (one, other) in zip(_of(events, EpochDone), (measured[:2], measured[2:]), strict=True):
        assert event.train_loss == pytest.approx((one + other) / 2)
        assert event.validation_loss is None
    completed = events[-1]
    np.testing.assert_array_equal(completed.history.step_losses, measured)
    assert completed.run_folder is None
    assert not completed.stopped_early


def test_a_longer_training_lowers_the_loss() -> None:
    config = replace(TINY, epochs=8, learning_rate=1e-3, preview_interval_s=100.0)
    losses = [event.train_loss for event in train(tiny_scan(), config) if isinstance(event, EpochDone)]
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize("recipe", ["reliable", "compatible"])
def test_the_bundle_says_what_it_is(recipe: str) -> None:
    config = replace(TINY, epochs=1, recipe=recipe, gridsize=2)
    bundle = _of(list(train(tiny_scan(), config)), TrainingCompleted)[0].bundle
    assert bundle.intensity_scale == pytest.approx(math.sqrt(1e5) / 32)
    assert "not learned" in bundle.intensity_scale_origin
    assert bundle.input_scale is not None
    assert bundle.n_photons == 1e5
    assert (bundle.model.gridsize, bundle.provenance["seed"], bundle.training["recipe"]) == (2, 3, recipe)


def test_previews_show_the_chosen_patterns() -> None:
    dataset = tiny_scan()
    events = list(train(dataset, replace(TINY, preview_count=4, preview_interval_s=0.0)))
    shown = _of(events, PatchPreview)
    assert shown[0].step == 0
    assert shown[-1].step == 4
    for event in shown:
        assert event.patches.shape == event.measured.shape == (4, 64, 64)
        scale = event.network_per_physical / 4.0
        np.testing.assert_array_equal(event.measured, dataset.diffraction(event.frame_indices) * np.float32(scale))
        np.testing.assert_array_equal(event.scan_positions, dataset.scan_positions[event.frame_indices])
        assert not event.patches.flags.writeable


def test_the_start_is_the_transparent_object_at_the_level_of_the_data() -> None:
    for recipe in ("reliable", "compatible"):
        first = next(
            event for event in train(tiny_scan(), replace(TINY, recipe=recipe)) if isinstance(event, PatchPreview)
        )
        assert first.predicted is not None
        ratio = float(np.sum(first.predicted**2)) / float(np.sum(first.measured**2))
        assert ratio == pytest.approx(1.0, abs=0.25)


@pytest.mark.parametrize("gridsize", [1, 2])
def test_the_network_reads_what_patterns_differ_by_from_their_mean(gridsize: int) -> None:
    dataset = tiny_scan()
    bundle = _of(list(train(dataset, replace(TINY, gridsize=gridsize, n_groups=6))), TrainingCompleted)[0].bundle
    assert bundle.model.input_transform == "backpropagated"
    grouping = group_positions(dataset.scan_positions, replace(TINY, gridsize=gridsize, n_groups=6).grouping())
    read = bundle.input_scale * dataset.frames.read(grouping.group_indices.ravel()).astype(np.float64)
    mean, deviation = (bundle.state[f"model.autoencoder.input_{name}"] for name in ("mean", "deviation"))
    np.testing.assert_allclose(mean, read.mean(axis=0), rtol=1e-5, atol=1e-6)
    assert float(deviation[0]) == pytest.approx(math.sqrt(np.mean((read - read.mean(axis=0)) ** 2)), rel=1e-4)
    # And propagates it back under the probe of the scan, whose scale does not matter.
    real, imaginary = bundle.state["model.autoencoder.backpropagation.light"]
    light, probe = real + 1j * imaginary, dataset.probe.sum(axis=0)
    assert np.vdot(light, probe).real == pytest.approx(np.linalg.norm(light) * np.linalg.norm(probe), rel=1e-5)


@pytest.mark.parametrize(("recipe", "own"), [("reliable", False), ("compatible", True)])
def test_whether_a_pattern_is_predicted_from_its_own_patch(recipe: str, own: bool) -> None:
    config = replace(TINY, gridsize=1, recipe=recipe, n_groups=10)
    job = prepare_training(
        [tiny_scan()], config, torch.device("cpu"), test_dataset=None, out=None, resume=False, start_from=None
    )
    trainer, batch = job.trainer, job.batches.batch(job.batches.all_groups())
    patches, before = trainer.as_trained(batch, trainer.scene)
    patches = patches.detach().clone()
    patches[0] *= -1
    after = trainer.predict_merged(patches, batch, trainer.scene)
    moved = (after - before).detach().square().sum(dim=(1, 2, 3))
    assert (float(moved[0]) > 0.1 * float(moved.max())) is own


def test_another_start_reads_the_same_differences() -> None:
    scan = tiny_scan()
    job = prepare_training(
        [scan], TINY, torch.device("cpu"), test_dataset=None, out=None, resume=False, start_from=None
    )
    names = [f"model.autoencoder.input_{name}" for name in ("mean", "deviation")]
    before = {name: job.trainer.network.state_dict()[name].clone() for name in names}
    assert before[names[0]].any()
    job.trainer.start_anew(5, job.scans.all_batches)
    for name, tensor in before.items():
        assert torch.equal(job.trainer.network.state_dict()[name], tensor)


def test_several_scans_share_one_mean_pattern_and_a_fine_tuning_keeps_it() -> None:
    one, other = tiny_scan(), tiny_scan(9, 1)
    name = "model.autoencoder.input_mean"
    alone, both = (
        _of(list(train(scans, replace(TINY, epochs=1))), TrainingCompleted)[0].bundle for scans in (one, [one, other])
    )
    assert not np.array_equal(alone.state[name], both.state[name])
    tuned = _of(list(train(other, replace(TINY, epochs=1), start_from=alone)), TrainingCompleted)[0].bundle
    np.testing.assert_array_equal(tuned.state[name], alone.state[name])


def test_validation_decides_the_best_epoch() -> None:
    events = list(train(tiny_scan(), replace(TINY, epochs=3), test_dataset=tiny_scan(6, 1)))
    epochs = _of(events, EpochDone)
    losses = [event.validation_loss for event in epochs]
    assert all(loss is not None and math.isfinite(loss) for loss in losses)
    assert [event.best for event in epochs] == [loss == min(losses[: i + 1]) for i, loss in enumerate(losses)]
    assert _of(events, TrainingCompleted)[0].bundle.provenance["epoch"] == int(np.argmin(losses))


def test_stops_early_without_a_better_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    losses = iter([3.0, 1.0, 2.0, 2.0, 2.0, 2.0])
    _tell_validation_losses(monkeypatch, losses)
    config = replace(TINY, epochs=6, early_stop_patience=2)
    events = list(train(tiny_scan(), config, test_dataset=tiny_scan(6, 1)))
    assert len(_of(events, EpochDone)) == 4
    assert _of(events, TrainingCompleted)[0].stopped_early
    assert _of(events, TrainingCompleted)[0].bundle.provenance["epoch"] == 1


def test_statistics_describe_predictions_one_entry_a_batch(tmp_path: Path) -> None:
    config = replace(TINY, log_patch_stats=True, patch_stats_limit=3)
    events = list(train(tiny_scan(), config, out=tmp_path))
    entries = read_patch_stats(tmp_path / "analysis" / "torch_patch_stats.json")
    assert entries == [event.stats for event in _of(events, StatsMeasured)]
    assert [(entry.phase, entry.batch_idx, entry.batch_size) for entry in entries] == [
        ("train", i, 2) for i in range(3)
    ]
    # The empty object of the start, at network scale; the true patches' modulus would be below one.
    assert entries[0].global_mean == pytest.approx(4.0 * 2.27, rel=0.25)
    assert (tmp_path / "analysis" / "torch_patch_grid.png").exists()


def test_same_seed_same_weights_and_another_seed_others() -> None:
    first, second = (_weights(list(train(tiny_scan(), TINY))) for _ in range(2))
    assert first == second
    assert first != _weights(list(train(tiny_scan(), replace(TINY, seed=4))))


def test_previews_and_statistics_do_not_change_the_result() -> None:
    watched = replace(TINY, preview_interval_s=0.0, log_patch_stats=True)
    unwatched = replace(TINY, preview_interval_s=3600.0, log_every=2)
    assert _weights(list(train(tiny_scan(), watched))) == _weights(list(train(tiny_scan(), unwatched)))


def test_the_program_s_generators_and_settings_are_left_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state(), torch.are_deterministic_algorithms_enabled(), torch.get_num_threads()
    events = train(tiny_scan(), TINY)
    for event in events:
        if isinstance(event, StepDone):
            break
    events.close()
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1:] == (torch.are_deterministic_algorithms_enabled(), torch.get_num_threads())
    assert torch.is_grad_enabled()


def test_the_run_folder_is_complete(tmp_path: Path) -> None:
    events = list(train(tiny_scan(), TINY, test_dataset=tiny_scan(6, 1), out=tmp_path / "run"))
    run = tmp_path / "run"
    names = {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}
    assert {"run.json", "events.jsonl", "metrics.csv", "wts.h5.zip", "checkpoints/epoch-0002.ckpt"} <= names
    assert "previews/step-000000.npz" in names
    record = read_run(run)
    assert (record.state, record.epoch, record.n_epochs) == ("completed", 2, 2)
    assert [event.path for event in _of(events, CheckpointSaved)] == list_checkpoints(run)
    assert _of(events, BundleSaved)[-1].path == run / "wts.h5.zip" == _of(events, TrainingCompleted)[0].bundle.path
    described = json.loads((run / "run.json").read_text())
    assert described["configuration"]["seed"] == 3
    assert described["dataset"]["fingerprint"] == tiny_scan().fingerprint


def test_old_checkpoints_go_but_the_best_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    losses = iter([3.0, 1.0, 2.0, 2.0, 2.0])
    _tell_validation_losses(monkeypatch, losses)
    config = replace(TINY, n_groups=2, epochs=5)
    list(train(tiny_scan(), config, test_dataset=tiny_scan(6, 1), out=tmp_path))
    names = [path.name for path in list_checkpoints(tmp_path)]
    assert names == ["epoch-0002.ckpt", "epoch-0004.ckpt", "epoch-0005.ckpt"]


def _with_frame(dataset: Dataset, index: int, value: float) -> Dataset:
    frames = dataset.frames.read(slice(None))
    frames[index] = value
    return replace(dataset, frames=ArrayFrames(frames))


def test_a_loss_that_is_not_finite_ends_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def spoiled(trainer: Trainer, batch: Batch, scene: Scene) -> Step:
        if next(counter) == 2:
            with torch.no_grad():
                trainer.parameters[0].fill_(float("nan"))
        return step(trainer, batch, scene)

    counter, step = iter(range(100)), Trainer.step
    monkeypatch.setattr(Trainer, "step", spoiled)
    with pytest.raises(TrainingDiverged, match=r"at step 2 .*learning rate.*kept in .*epoch-0001\.ckpt"):
        list(train(tiny_scan(), replace(TINY, remedy=False), out=tmp_path))
    assert [path.name for path in list_checkpoints(tmp_path)] == ["epoch-0001.ckpt"]
    assert (tmp_path / "wts.h5.zip").exists()
    assert read_run(tmp_path).state == "failed"


def test_a_full_disk_does_not_end_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OutputError("there is no space left on the disk", "Free some space.")

    monkeypatch.setattr(training_files, "save_checkpoint", fail)
    monkeypatch.setattr(training_files, "save_bundle", fail)
    events = list(train(tiny_scan(), TINY, out=tmp_path))
    told = [event.text for event in _of(events, MessageLogged) if event.level != "info"]
    assert len(told) == 3
    assert all("no space left" in text for text in told)
    completed = _of(events, TrainingCompleted)[0]
    assert completed.run_folder is None
    assert completed.bundle.state


def test_inputs_that_do_not_fit_are_refused() -> None:
    dataset = tiny_scan()
    dark = replace(dataset, frames=ArrayFrames(np.zeros((12, 64, 64), np.float32)))
    with pytest.raises(DatasetError, match="no photons"):
        list(train(dark, TINY))
    small = Dataset("s", None, ArrayFrames(np.ones((4, 32, 32))), np.zeros((4, 2)), np.ones((1, 32, 32), np.complex64))
    with pytest.raises(DatasetError, match="32 px"):
        list(train(dataset, TINY, test_dataset=small))
    bundle = _of(list(train(dataset, replace(TINY, epochs=1, n_groups=2))), TrainingCompleted)[0].bundle
    with pytest.raises(BundleError, match="gridsize 1"):
        list(train(dataset, replace(TINY, gridsize=2), start_from=bundle))


def test_fine_tuning_starts_with_the_weights_of_a_bundle() -> None:
    bundle = _of(list(train(tiny_scan(), replace(TINY, epochs=1))), TrainingCompleted)[0].bundle
    frozen = replace(TINY, epochs=1, learning_rate=0.0)
    tuned = _of(list(train(tiny_scan(), frozen, start_from=bundle)), TrainingCompleted)[0].bundle
    assert {name: value.tobytes() for name, value in tuned.state.items()} == {
        name: value.tobytes() for name, value in bundle.state.items()
    }


def test_bf16_trains() -> None:
    events = list(train(tiny_scan(), replace(TINY, precision="bf16", epochs=1)))
    assert all(math.isfinite(event.loss) for event in _of(events, LossMeasured))


def test_time_left_and_rate_are_told() -> None:
    events = list(train(tiny_scan(), TINY))
    assert all(event.patches_per_s > 0 for event in _of(events, LossMeasured))
    left = [event.seconds_left for event in _of(events, StepDone)]
    assert left[-1] == 0.0
    assert all(one is not None for one in left)
    assert all(one.step <= other.step for one, other in pairwise(_of(events, StepDone)))


def test_closing_early_leaves_no_process_wide_trace(tmp_path: Path) -> None:
    handles = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    for index in range(3):
        events = train(tiny_scan(), TINY, out=tmp_path / str(index))
        next(event for event in events if isinstance(event, StepDone))
        events.close()
    if handles:
        assert len(os.listdir("/proc/self/fd")) <= handles
