import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from ptycho_engine.config import ModelConfig, TrainConfig
from ptycho_engine.errors import ConfigError
from ptycho_engine.gradient_clip import GradientClip
from ptycho_engine.models.architectures import ARCHITECTURES
from ptycho_engine.recipes import plan_training, transparent_amplitude, warm_up_then_cosine

PROBE = np.full((1, 64, 64), 0.5 + 0.5j, np.complex64)


@pytest.mark.parametrize("recipe", ["reliable", "compatible", "upstream"])
def test_every_recipe_makes_a_plan(recipe: str) -> None:
    config = TrainConfig(recipe=recipe, gridsize=1, n_filters_scale=1)
    plan = plan_training(config, 64, PROBE)
    assert (plan.model.n, plan.model.gridsize, plan.model.n_filters_scale) == (64, 1, 1)
    assert ARCHITECTURES.get(plan.model.architecture).upstream == (recipe != "reliable")
    assert (plan.start_amplitude is None) == (recipe == "upstream")
    assert (plan.clip_factor is None) == (recipe == "upstream")
    assert plan_training(TrainConfig(recipe=recipe, learning_rate=0.25), 64, PROBE).learning_rate == 0.25


def test_reliable_is_the_default() -> None:
    plan = plan_training(TrainConfig(), 64, PROBE)
    assert (plan.model.architecture, plan.model.input_transform) == ("full_patch_cnn", "backpropagated")
    assert plan.learning_rate == 2e-3


def test_upstream_never_changes_its_rate() -> None:
    plan = plan_training(TrainConfig(recipe="upstream"), 64, PROBE)
    assert [plan.schedule(done) for done in (0.0, 0.5, 0.999)] == [1.0, 1.0, 1.0]


def test_schedule_rises_then_falls_to_its_floor() -> None:
    schedule = warm_up_then_cosine(0.2, 0.01)
    rates = [schedule(done) for done in np.linspace(0, 1, 101)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[20] == pytest.approx(1.0)
    assert rates[-1] == pytest.approx(0.01)
    assert all(np.diff(rates[:21]) > 0)
    assert all(np.diff(rates[20:]) < 0)


def test_an_unknown_side_or_recipe_is_refused() -> None:
    with pytest.raises(ConfigError, match="patterns of 50 × 50 px"):
        plan_training(TrainConfig(), 50, PROBE)
    with pytest.raises(ConfigError):
        TrainConfig(recipe="magic")


def test_empty_object_of_the_start_has_the_energy_of_the_data() -> None:
    amplitude = transparent_amplitude(PROBE, 4.0)
    wave = np.fft.fft2(amplitude * PROBE[0] / 4.0, norm="ortho")
    assert np.sum(np.abs(wave) ** 2) == pytest.approx(32.0**2)
    twice = np.concatenate([PROBE, PROBE])
    assert transparent_amplitude(twice, 4.0) == pytest.approx(amplitude / 2)
    assert math.isfinite(transparent_amplitude(0 * PROBE, 4.0))


def _clip(clip: GradientClip, gradient: list[float], scale: float) -> torch.Tensor:
    parameter = torch.nn.Parameter(torch.zeros(len(gradient)))
    parameter.grad = torch.tensor(gradient) * scale
    clip.apply([parameter])
    return parameter.grad / scale


def test_clip_is_relative_to_what_is_usual_and_free_of_scale() -> None:
    results = []
    for scale in (1.0, 1e9):
        clip = GradientClip(4.0, torch.device("cpu"))
        usual = [_clip(clip, [3.0, 4.0], scale) for _ in range(5)]
        assert all(torch.allclose(one, torch.tensor([3.0, 4.0])) for one in usual)
        results.append(_clip(clip, [300.0, 400.0], scale))
    assert torch.allclose(results[0], torch.tensor([12.0, 16.0]))
    assert torch.allclose(results[0], results[1])


def test_clip_state_goes_on_where_it_was() -> None:
    one, other = GradientClip(2.0, torch.device("cpu")), GradientClip(2.0, torch.device("cpu"))
    for size in (1.0, 2.0, 3.0):
        _clip(one, [size], 1.0)
    other.restore(*one.state())
    assert torch.equal(_clip(one, [50.0], 1.0), _clip(other, [50.0], 1.0))


def test_no_factor_only_measures() -> None:
    clip = GradientClip(None, torch.device("cpu"))
    parameter = torch.nn.Parameter(torch.zeros(2))
    parameter.grad = torch.tensor([300.0, 400.0])
    assert float(clip.apply([parameter])) == pytest.approx(500.0)
    assert parameter.grad.tolist() == [300.0, 400.0]


@pytest.mark.parametrize(
    "values", [{"epochs": "x"}, {"epochs": 2.5}, {"epochs": True}, {"epochs": None}, {"recipe": 3}]
)
def test_a_setting_of_the_wrong_kind_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="It must be"):
        TrainConfig.from_dict(values)


def test_architecture_can_be_chosen_apart_from_the_recipe() -> None:
    plan = plan_training(TrainConfig(architecture="cnn", gridsize=1), 64, PROBE)
    assert (plan.model.architecture, plan.model.input_transform, plan.learning_rate) == ("cnn", "none", 2e-3)


def test_only_the_network_and_the_values_that_it_was_tried_with_rehearse() -> None:
    counts = TrainConfig(recipe="compatible", profile="count-intensity")
    other = TrainConfig(recipe="compatible", architecture="fno_vanilla")
    assert [plan_training(one, 64, PROBE).rehearsal_steps for one in (counts, other)] == [0, 0]


@pytest.mark.parametrize(
    ("gridsize", "batch_size", "rate"), [(1, 16, 2e-3), (2, 16, 4e-3), (3, 64, 6e-3), (1, 4, 1e-3)]
)
def test_larger_steps_of_the_reliable_recipe_go_further(gridsize: int, batch_size: int, rate: float) -> None:
    plan = plan_training(TrainConfig(gridsize=gridsize, batch_size=batch_size), 64, PROBE)
    assert plan.learning_rate == pytest.approx(rate)


@pytest.mark.parametrize(("n", "rate"), [(64, 2e-3), (128, 1e-3), (256, 5e-4)])
@pytest.mark.parametrize("recipe", ["reliable", "compatible"])
def test_networks_of_larger_patches_take_smaller_steps(recipe: str, n: int, rate: float) -> None:
    plan = plan_training(TrainConfig(gridsize=1, recipe=recipe), n, np.ones((1, n, n), np.complex64))
    assert plan.learning_rate == pytest.approx(rate)


@pytest.mark.parametrize(("gridsize", "batch_size"), [(1, 16), (2, 4), (3, 2), (5, 1)])
def test_a_step_takes_16_patterns_at_every_gridsize_except_in_ptychopinn_s_recipe(
    gridsize: int, batch_size: int
) -> None:
    for recipe in ("reliable", "compatible"):
        assert plan_training(TrainConfig(gridsize=gridsize, recipe=recipe), 64, PROBE).batch_size == batch_size
    assert plan_training(TrainConfig(gridsize=gridsize, recipe="upstream"), 64, PROBE).batch_size == 16
    assert plan_training(TrainConfig(gridsize=gridsize, batch_size=7), 64, PROBE).batch_size == 7


def test_the_reliable_recipe_shares_one_object_and_reads_patterns_alone() -> None:
    plan = plan_training(TrainConfig(gridsize=2), 64, PROBE)
    assert plan.shared_object
    assert not plan.model.object_big


def test_the_compatible_recipe_trains_ptychopinn_s_network_as_the_reliable_one_trains_its_own() -> None:
    reliable, compatible = (
        plan_training(TrainConfig(gridsize=2, recipe=name), 64, PROBE) for name in ("reliable", "compatible")
    )
    assert (reliable.own_weight, compatible.own_weight) == (0.01, 1.0)
    assert (reliable.rehearsal_steps, compatible.rehearsal_steps) == (0, 400)
    alike = replace(reliable, model=compatible.model, schedule=compatible.schedule, own_weight=1.0)
    assert replace(alike, rehearsal_steps=400) == compatible
    assert [reliable.schedule(done / 10) for done in range(11)] == [
        compatible.schedule(done / 10) for done in range(11)
    ]
    assert compatible.model == replace(ModelConfig(n=64, gridsize=2), n_filters_scale=1)
    assert not plan_training(TrainConfig(recipe="upstream"), 64, PROBE).shared_object
