"""Which settings of an inference mean nothing, and that the engine agrees."""

from dataclasses import replace

import pytest

from ptycho_engine.config import InferConfig, ModelConfig
from ptycho_engine.documents import Bundle
from ptycho_engine.inference_compatibility import MODES
from ptycho_engine.inference_settings import with_meaning, without_meaning

AMPLITUDE = Bundle("a", None, "2026-07", ModelConfig(), {}, 1.0, "")
COUNTS = replace(AMPLITUDE, model=ModelConfig(output="real_imag", forward_model="counts"))
OPEN = replace(AMPLITUDE, assumed=("output",))


@pytest.mark.parametrize(("bundle", "meant"), [(AMPLITUDE, False), (COUNTS, True), (OPEN, True), (None, True)])
def test_varpro_means_something_where_two_parts_are_drawn(bundle: Bundle | None, meant: bool) -> None:
    wanted = InferConfig(varpro=True)
    assert ("varpro" not in without_meaning(wanted, bundle)) is meant
    assert with_meaning(wanted, bundle).varpro is meant


@pytest.mark.parametrize("mode", list(MODES))
def test_what_an_older_release_has_not_is_left_out(mode: str) -> None:
    given = InferConfig(compatibility=mode, varpro=True, refine=3, weights="probe", n_groups=4, seed=1, fit_ramp=False)
    usual = with_meaning(given, COUNTS)
    assert MODES[mode].ignored(usual) == []
    assert (usual.varpro, usual.refine, usual.fit_ramp, usual.compatibility) == (False, 0, True, mode)
    assert usual.n_groups == (None if mode == "2026-07-barycentric" else 4)
    assert all(reason.endswith(".") for reason in without_meaning(given, COUNTS).values())


def test_one_pattern_at_a_time_has_no_neighbours() -> None:
    alone = replace(AMPLITUDE, model=ModelConfig(gridsize=1, object_big=False))
    assert "neighbor_count" in without_meaning(InferConfig(), alone)
    assert "neighbor_count" not in without_meaning(InferConfig(), AMPLITUDE)
