"""Each diagnosis of a training: a case that raises it, and healthy ones that do not."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ptycho_engine.artefacts.strict_json import json_text
from ptycho_engine.diagnostics.diagnoses import DIAGNOSES, diagnose
from ptycho_engine.diagnostics.diagnoses.evidence import TrainingEvidence
from ptycho_engine.diagnostics.diagnoses.loss import divergence
from ptycho_engine.diagnostics.readings import DrawnFigures, Reading, demanded_variation, drawn_figures
from ptycho_engine.documents import FitFigures

NAN = math.nan
DRAWN = DrawnFigures(1.0, 2.8, 2.8, 0.0, 0.1, 0.06, 1.0, 0.0, 0.0)
FIT = FitFigures(0.2, 0.3, 50.0, 0.9, 0.6, 0.7, 0.8, 64, "test")
BAD_FIT = replace(FIT, r_factor=0.29, overlap_consistency=0.01)


def _training(
    losses: list[float],
    *,
    validation: list[float] | None = None,
    drawn: Callable[[int], DrawnFigures] = lambda _: DRAWN,
    fit: FitFigures = FIT,
    steps: int = 51,
    change: float = 1e-2,
) -> TrainingEvidence:
    readings = tuple(
        Reading(steps * (i + 1), i + 1, loss, validation[i] if validation else NAN, change, drawn(i), fit)
        for i, loss in enumerate(losses)
    )
    before = losses[:-1]
    return TrainingEvidence(readings, before[0] if before else math.inf, min(before, default=math.inf))


def _drawn(**figures: Any) -> Callable[[int], DrawnFigures]:
    return lambda _: replace(DRAWN, **figures)


FALLING = [10.0, 8.0, 6.5, 5.5, 4.8]
STILL = [10.0, 9.95, 9.93, 9.92, 9.92]
TROUGH = _drawn(mean_amplitude=-0.2549, in_trough=0.98, energy_ratio=8.4e-3, amplitude_variation=0.21)
HALF = _drawn(mean_amplitude=1.27, in_trough=0.7, amplitude_variation=1.6)

RAISING: dict[str, list[TrainingEvidence]] = {
    "flat-amplitude": [
        # The first epoch of a collapsed training on a real scan.
        _training([1.36e10], drawn=TROUGH, fit=replace(BAD_FIT, r_factor=0.911)),
        # One that went on to learn within the trough: its neighbours agree, its level is a tenth of what is needed.
        _training(FALLING, drawn=TROUGH, fit=replace(FIT, r_factor=0.902, overlap_consistency=0.91)),
        # One of which the centre alone collapsed.
        _training([3.6e9], drawn=HALF, fit=replace(BAD_FIT, r_factor=0.69)),
        _training(STILL[:2], drawn=_drawn(amplitude_variation=1e-5), fit=BAD_FIT),
        _training(STILL, drawn=_drawn(amplitude_variation=1e-3)),
        _training(STILL, drawn=_drawn(amplitude_variation=1e-5, demanded_variation=0.0), fit=BAD_FIT),
    ],
    # The first epochs of trainings on a real scan: one that never learned, one within SiLU's trough.
    "not-learning": [
        _training([5.6e9, 6.2e8], fit=replace(BAD_FIT, r_factor=0.342, overlap_consistency=0.0)),
        # Of a thousand photons a pattern: nothing is gained on the likelihood of the empty object.
        _training(FALLING, fit=replace(FIT, overlap_consistency=0.0, poisson_deviance=0.0869, stranger_deviance=0.087)),
    ],
    # The border of the patch alone; so too a training that learns around what it lost.
    "partly-flat": [_training(FALLING, drawn=_drawn(in_trough=share)) for share in (0.28, 0.7)],
    "dead-output": [
        _training([10.0], drawn=_drawn(finite=0.99)),
        _training([10.0], drawn=_drawn(energy_ratio=0.0)),
    ],
    "saturated-phase": [_training(FALLING[:2], drawn=_drawn(phase_at_pi=0.8))],
    "saturated-amplitude": [_training(FALLING[:2], drawn=_drawn(amplitude_at_bound=0.8))],
    "diverged": [
        _training([10.0, 8.0, 31.0]),
        _training([10.0, 0.1, 2.0]),
        _training([10.0, NAN]),
    ],
    "plateau": [_training(STILL, fit=BAD_FIT)],
    "overfit": [_training(FALLING, validation=[10.0, 9.0, 10.5, 11.0, 12.0])],
    "weights-untrained": [_training(STILL[:1], change=0.0)],
}

HEALTHY: dict[str, TrainingEvidence] = {
    "learning": _training(FALLING, validation=[10.0, 9.0, 8.0, 7.0, 6.0]),
    "just begun, flat as the empty object": _training([10.0], drawn=_drawn(amplitude_variation=1e-3), fit=BAD_FIT),
    "flat, but the loss falls": _training([10.0, 9.0, 8.2], drawn=_drawn(amplitude_variation=1e-5), fit=BAD_FIT),
    "short epochs, which gain little each": _training(
        STILL, drawn=_drawn(amplitude_variation=1e-5), fit=BAD_FIT, steps=2
    ),
    "complete, at rest": _training(STILL, validation=[10.0, 9.0, 9.2, 9.1, 9.2]),
    "an object that only shifts the phase": _training(
        STILL, drawn=_drawn(amplitude_variation=1e-3, demanded_variation=0.0)
    ),
    "negative where the probe is strong": _training(
        FALLING[:2], drawn=_drawn(mean_amplitude=-0.25, in_trough=0.9, demanded_amplitude=0.25), fit=BAD_FIT
    ),
    "dark parts drawn with a negative amplitude": _training(FALLING, drawn=_drawn(in_trough=0.05)),
    "in the trough for one epoch": _training(FALLING, drawn=lambda i: replace(DRAWN, in_trough=0.3 * (i == 4))),
    "pi in one epoch, which may be left again": _training(
        FALLING, drawn=lambda i: replace(DRAWN, phase_at_pi=0.66 * (i == 4))
    ),
    "an opaque part": _training(FALLING, drawn=_drawn(amplitude_at_bound=0.3, phase_at_pi=0.1)),
    "no bounds": _training(FALLING, drawn=_drawn(amplitude_at_bound=NAN)),
    "at the noise from the start": _training(STILL, fit=replace(BAD_FIT, poisson_deviance=1.1)),
    "at rest, with a fit that noise keeps poor": _training(STILL, fit=replace(FIT, r_factor=0.4)),
    "a restless validation": _training(FALLING, validation=[10.0, 8.0, 9.5, 8.5, 9.0]),
    "both rise": _training([5.0, 4.0, 4.4, 4.6, 4.5], validation=[6.0, 5.0, 6.0, 6.0, 6.0]),
    "no better than nothing after one epoch": _training([10.0], fit=replace(BAD_FIT, r_factor=0.4), steps=200),
    "no better than nothing in short epochs": _training(FALLING, fit=replace(BAD_FIT, r_factor=0.4), steps=16),
    "noise that only a network predicts": _training(FALLING, fit=replace(BAD_FIT, r_factor=0.4, poisson_deviance=4.0)),
    "one pattern of rare photons, which has no stranger": _training(
        FALLING, fit=replace(BAD_FIT, r_factor=0.36, poisson_deviance=0.08, stranger_deviance=NAN)
    ),
    "a likelihood of rare photons above that of nothing": _training(
        STILL,
        fit=replace(BAD_FIT, r_factor=0.36, poisson_deviance=0.0815, stranger_deviance=0.087),
    ),
    "neighbours agree already": _training(FALLING, fit=replace(FIT, r_factor=0.4, overlap_consistency=0.4)),
    "a high loss in a first batch": _training([3.0, 8.0, 5.0]),
}


@pytest.mark.parametrize(
    ("name", "evidence"),
    [(name, one) for name, cases in RAISING.items() for one in cases],
    ids=lambda one: str(one)[:24],
)
def test_what_is_wrong_is_named_with_figures_and_an_action(name: str, evidence: TrainingEvidence) -> None:
    found = {one.id: one for one in diagnose(evidence)}
    assert list(found) == [name]
    finding = found[name]
    assert finding.message.endswith(".")
    assert any(character.isdigit() for character in finding.message) or name == "diverged"
    assert finding.hint.endswith(".")
    assert finding.values


def test_an_overlap_just_below_zero_is_told_as_zero() -> None:
    fit = replace(BAD_FIT, r_factor=0.342, overlap_consistency=-0.002)
    (found,) = diagnose(_training([5.6e9, 6.2e8], fit=fit))
    assert "(overlap 0.00)" in found.message


def test_a_long_first_epoch_is_let_come_to_its_end() -> None:
    fit = replace(BAD_FIT, r_factor=0.4)
    within = tuple(Reading(step, 1, loss, NAN, 1e-2, DRAWN, fit) for step, loss in ((500, 10.0), (1000, 8.0)))
    assert diagnose(TrainingEvidence(within, 10.0, 10.0)) == []
    later = replace(within[-1], step=1500, epoch=2)
    assert [one.id for one in diagnose(TrainingEvidence((*within, later), 10.0, 10.0))] == ["not-learning"]


@pytest.mark.parametrize("evidence", HEALTHY.values(), ids=HEALTHY)
def test_a_healthy_training_raises_nothing(evidence: TrainingEvidence) -> None:
    assert diagnose(evidence) == []


def test_every_registered_diagnosis_of_a_training_is_tested_here() -> None:
    assert set(RAISING) == {check.id for check in DIAGNOSES if check.evidence is TrainingEvidence}
    assert diagnose(object()) == []


def test_a_collapse_explains_the_plateau_that_goes_with_it() -> None:
    dark = replace(BAD_FIT, r_factor=0.9)
    assert [one.id for one in diagnose(_training(STILL, drawn=TROUGH, fit=dark))] == ["flat-amplitude"]
    assert [one.id for one in diagnose(_training(STILL, fit=dark))] == ["not-learning"]
    assert [one.id for one in diagnose(_training(STILL, fit=BAD_FIT))] == ["plateau"]


def test_a_collapse_is_an_error_only_where_nothing_is_learned() -> None:
    for figures in ({"amplitude_variation": 1e-5}, {"phase_at_pi": 0.9}, {"amplitude_at_bound": 0.9}):
        evidence = _training(STILL[:3], drawn=_drawn(**figures), fit=BAD_FIT)
        assert [one.severity for one in diagnose(evidence)] == ["error"]
        # The second one of few photons, where only the likelihood tells patterns apart.
        rare = replace(BAD_FIT, poisson_deviance=0.081, stranger_deviance=0.09)
        for fit in (FIT, rare):
            learned = replace(evidence, readings=tuple(replace(one, fit=fit) for one in evidence.readings))
            assert [one.severity for one in diagnose(learned)] == ["warning"]


def test_divergence_in_words() -> None:
    assert divergence(5.0, 4.0, 3.0) is None
    assert divergence(1e9, math.inf, math.inf) is None
    assert "not finite" in str(divergence(math.inf, 4.0, 3.0))
    assert "3.2 times that of the start" in str(divergence(12.8, 4.0, 3.0))
    assert "11 times its lowest" in str(divergence(11.0, 10.0, 1.0))


def test_readings_survive_strict_json() -> None:
    reading = _training([1.5], drawn=_drawn(amplitude_at_bound=NAN)).now
    plain = json.loads(json_text(reading.as_dict()))
    assert repr(Reading.from_dict(plain)) == repr(reading)


def test_the_spread_that_energies_demand_is_a_lower_bound_without_the_noise() -> None:
    rng = np.random.default_rng(1)
    light = np.exp(-np.square(np.mgrid[-8:8, -8:8]).sum(axis=0) / 20).astype(np.float32)
    amplitude = rng.uniform(0.5, 1.5, (400, 16, 16)).astype(np.float32)
    energy = np.sum(light * amplitude.astype(float) ** 2, axis=(1, 2))
    patterns = np.sqrt(energy)[:, None, None].astype(np.float32)
    figures = drawn_figures(amplitude, 0 * amplitude, light, patterns, patterns, intensity_scale=1e3)
    assert 0.05 < figures.demanded_variation < figures.amplitude_variation
    assert (figures.energy_ratio, figures.phase_at_pi) == (1.0, 0.0)
    assert math.isnan(figures.amplitude_at_bound)
    assert demanded_variation(energy, 1e3) == pytest.approx(energy.std(ddof=1) / energy.mean(), rel=1e-3)
    counts = rng.poisson(1e4, 4000).astype(float)
    assert demanded_variation(counts, 1.0) < 0.2 * counts.std() / counts.mean() < demanded_variation(counts, 1e3)


def test_what_is_drawn_in_figures() -> None:
    light = np.ones((4, 4), np.float32)
    light[0] = 0
    amplitude = np.full((2, 4, 4), 2.0, np.float32)
    amplitude[:, 0], amplitude[:, 1] = 50.0, 4.0
    phase = np.zeros_like(amplitude)
    phase[:, 1], phase[:, 2] = 0.995 * math.pi, -math.pi
    one = np.ones_like(amplitude)
    figures = drawn_figures(amplitude, phase, light, one, 0.5 * one, intensity_scale=1.0, bound=4.0)
    assert figures.mean_amplitude == pytest.approx(8 / 3)
    assert figures.amplitude_variation == pytest.approx(np.std([4.0, 4.0, 16.0]) / 8)
    assert figures.energy_ratio == pytest.approx(0.25)
    assert figures.demanded_amplitude == pytest.approx(2 * np.sqrt(8))
    assert figures.in_trough == 0
    amplitude[:, 3] = -0.2
    sunk = drawn_figures(amplitude, phase, light, one, one, intensity_scale=1.0)
    assert sunk.in_trough == pytest.approx(1 / 3)
    assert figures.phase_at_pi == pytest.approx(2 / 3)
    assert figures.amplitude_at_bound == pytest.approx(1 / 3)
    amplitude[0, 0, 0] = np.nan
    assert drawn_figures(amplitude, phase, light, one, one, intensity_scale=1.0).finite < 1
