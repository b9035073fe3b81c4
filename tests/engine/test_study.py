"""Studies: trials are run once, kept, gone on with, and made into tables."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ptycho_engine.cli import main
from ptycho_engine.config import TrainConfig
from ptycho_engine.documents import Diagnosis
from ptycho_engine.errors import TrainingDiverged
from ptycho_engine.events import (
    DiagnosisFound,
    DiagnosisWithdrawn,
    EngineEvent,
    EpochDone,
    MessageLogged,
    Progressed,
    StepDone,
)
from ptycho_engine.recipes import plan_training
from ptycho_engine.studies import trial as trial_module
from ptycho_engine.studies.recipes import ABLATION, SCAN, SHORT, StudyConfig, recipe_trials
from ptycho_engine.studies.study import OUTCOMES_FILE, TABLES_FILE, read_outcomes, run_study, write_tables
from ptycho_engine.studies.tables import study_tables
from ptycho_engine.studies.trial import Outcome, Trial, run_trial
from ptycho_engine.studies.variants import VARIANTS
from tests.helpers.cancelled import until
from tests.helpers.tiny_scan import N, tiny_scan

CONFIG = TrainConfig(
    gridsize=1, n_groups=6, batch_size=2, epochs=2, n_filters_scale=1, accelerator="cpu", preview_interval_s=3600.0
)
SCANS = {"tiny": (tiny_scan(), tiny_scan(9, 1))}
TRIALS = [Trial(SCAN, "reliable", "tiny", replace(CONFIG, seed=seed)) for seed in (1, 2)]


def outcome(key: str, seed: int, complex_: float, **changes: object) -> Outcome:
    made = Outcome(key, seed, 0.5, 0.6, complex_, 20.0, 0.3, 10.0, 8, 1.0, collapsed=False, named_in_epoch=None)
    return replace(made, **changes)  # type: ignore[arg-type]


def test_a_stopped_study_goes_on_where_it_was(tmp_path: Path) -> None:
    again = [*TRIALS, Trial(SHORT, "the same in another table", "tiny", TRIALS[0].config)]
    until(run_study(again, SCANS, tmp_path), lambda event: isinstance(event, MessageLogged))
    path = tmp_path / OUTCOMES_FILE
    first = path.read_text()
    assert len(read_outcomes(path)) == 1
    path.write_text(first + '{"key": "cut sho')
    events: list[EngineEvent] = list(run_study(again, SCANS, tmp_path))
    assert [event.n_total for event in events if isinstance(event, Progressed)] == [1, 1]
    assert sum(isinstance(event, StepDone) for event in events) == 2 * 3
    outcomes = read_outcomes(path)
    assert set(outcomes) == {trial.key for trial in again}
    assert path.read_text().startswith(first)
    for trial in TRIALS:
        found = outcomes[trial.key]
        assert (found.seed, found.steps, found.collapsed) == (trial.config.seed, 6, False)
        assert 0 < found.complex < 1
        assert math.isfinite(found.last_loss)
    assert not list(run_study([], SCANS, tmp_path))[:-1]
    assert "| reliable | 2 |" in write_tables(again, tmp_path)
    assert (tmp_path / TABLES_FILE).read_text().count("\n## ") == 1


def test_errors_are_kept_with_their_epoch_and_collapses_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    def told(*_: object, **__: object) -> Iterator[EngineEvent]:
        yield DiagnosisFound(Diagnosis("overfit", "warning", "m", "h"))
        yield EpochDone(1, 3, 5, 1.0, None, 1e-3, True)
        yield DiagnosisFound(Diagnosis("flat-amplitude", "error", "m", "h"))
        raise TrainingDiverged("the loss is not finite", "h")

    def recovered(*_: object, **__: object) -> Iterator[EngineEvent]:
        yield DiagnosisFound(Diagnosis("not-learning", "error", "m", "h"))
        yield DiagnosisFound(Diagnosis("flat-amplitude", "error", "m", "h"))
        yield DiagnosisWithdrawn("not-learning", 2)
        yield DiagnosisFound(Diagnosis("flat-amplitude", "warning", "m", "h"))

    monkeypatch.setattr(trial_module, "train", told)
    running = run_trial(TRIALS[0], *SCANS["tiny"])
    with pytest.raises(StopIteration) as ended:
        next(running)
    found = ended.value.value
    assert found.findings == {"overfit": 1, "flat-amplitude": 2}
    assert (found.named_in_epoch, found.collapsed, found.standing) == (2, True, ("flat-amplitude",))
    assert Outcome.from_json(found.as_json()).standing == found.standing
    assert math.isnan(found.complex)
    monkeypatch.setattr(trial_module, "train", recovered)
    running = run_trial(TRIALS[0], *SCANS["tiny"])
    with pytest.raises(StopIteration) as ended:
        next(running)
    found = ended.value.value
    assert (found.named_in_epoch, found.collapsed, found.standing) == (1, False, ())


def test_a_table_tells_spread_collapse_and_false_alarms() -> None:
    trials = [Trial(SCAN, "steady", "tiny", replace(CONFIG, seed=seed)) for seed in range(3)]
    trials += [Trial(SCAN, "wild", "tiny", replace(CONFIG, seed=seed, recipe="upstream")) for seed in range(3)]
    outcomes = {
        trial.key: outcome(trial.key, index, 0.9 + 0.01 * index, train_seconds=10.0 * (1 + index // 3))
        for index, trial in enumerate(trials)
    }
    outcomes[trials[3].key] = outcome(
        trials[3].key, 3, math.nan, collapsed=True, named_in_epoch=2, standing=("not-learning",)
    )
    outcomes[trials[4].key] = outcome(trials[4].key, 4, 0.7, named_in_epoch=1)
    _, _, _, _, steady, wild, *_ = study_tables(trials, outcomes).splitlines()
    assert "| 3 | 0.910 (0.900–0.920) |" in steady
    assert "| 0 of 3 | – | 10 | 1.00 |" in steady
    assert "| 1 of 3: not-learning | 1 of 1, at latest in 2; 1 healthy |" in wild
    assert study_tables(trials, {}) == ""


def test_every_gridsize_sees_as_many_patches() -> None:
    study = StudyConfig(n_groups=816, epochs=25, seeds=1, gridsizes=(1, 2))
    for trial in recipe_trials(study, [SCAN], "scan", {}):
        config = trial.config
        assert config.n_groups * config.gridsize**2 * config.epochs == pytest.approx(816 * 25, rel=0.01)


def test_every_variant_differs_from_the_recipe_by_its_own_switch() -> None:
    plan = plan_training(CONFIG, N, tiny_scan().probe)
    made = [variant.plan(plan) for variant in VARIANTS.values()]
    assert made[0] == plan
    for index, one in enumerate(made):
        assert all(one != other for other in made[:index])


def test_every_variant_trains(tmp_path: Path) -> None:
    study = StudyConfig(n_groups=4, short_epochs=1, seeds=1)
    trials = [
        replace(trial, config=replace(trial.config, batch_size=2, accelerator="cpu"))
        for trial in recipe_trials(study, [ABLATION], "tiny", {})
    ]
    assert len(trials) == len(VARIANTS) + 1
    list(run_study(trials, SCANS, tmp_path))
    assert len(read_outcomes(tmp_path / OUTCOMES_FILE)) == len(trials)


def test_the_command_line_studies_two_scans_or_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["study", "recipes", "--out", str(tmp_path), "--quick", "--tables", "scan", "--quiet"]
    assert main([*words, "--data", "only-one.npz"]) == 3
    assert "--test-data" in capsys.readouterr().err
    small = ["--recipes", "reliable", "--gridsizes", "1", "--n-groups", "8", "--epochs", "1"]
    assert main([*words, *small, "--accelerator", "cpu"]) == 0
    assert "| reliable, gridsize 1 | 1 |" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == [OUTCOMES_FILE, "scans", TABLES_FILE]
