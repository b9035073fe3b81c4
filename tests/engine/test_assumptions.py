"""What a bundle leaves open about its network: said, settled by a person, or by the patterns."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ptycho_engine.assumptions import CHOICES, assume, rank_assumptions
from ptycho_engine.bundles import read_bundle, save_bundle
from ptycho_engine.bundles.upstream_tables import PARAMS
from ptycho_engine.cli import main
from ptycho_engine.config import InferConfig, ModelConfig
from ptycho_engine.documents import Bundle, Dataset
from ptycho_engine.errors import BundleError, ConfigError
from ptycho_engine.events import EngineEvent, MessageLogged
from ptycho_engine.formats import read_dataset
from ptycho_engine.formats.frames import ArrayFrames
from ptycho_engine.formats.npz_writer import write_dataset
from ptycho_engine.inference import infer
from ptycho_engine.models.pinn import build_network, state_of
from tests.helpers.cancelled import until
from tests.helpers.golden_states import golden_state
from tests.helpers.tiny_scan import tiny_scan
from tests.helpers.upstream_archive import write_upstream

MODEL = ModelConfig(gridsize=1, object_big=False, n_filters_scale=1)
OPEN = ("output", "amp_activation", "probe_big")


def deaf_network(model: ModelConfig) -> Any:
    """Return a network that draws the same rough patch whatever it is given."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network = build_network(model).eval()
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if name.endswith("encoder.blocks.0.conv1.weight"):
                weight.zero_()
            elif ".amp.conv" in name or ".phase.conv" in name:
                weight.mul_(4.0)
    return network


def scan_of(model: ModelConfig) -> Dataset:
    """Return a scan whose patterns are those of the patch that :func:`deaf_network` draws, in plain numpy."""
    scan = tiny_scan()
    with torch.inference_mode():
        patch = deaf_network(model)(torch.zeros(1, 1, 64, 64))[0, 0].numpy().astype(complex)
    pattern = np.abs(np.fft.fftshift(np.fft.fft2(patch * scan.probe[0], norm="ortho"))).astype(np.float32)
    return replace(scan, frames=ArrayFrames(np.repeat(pattern[None], scan.n_scan, axis=0)))


def open_bundle(model: ModelConfig = MODEL, names: tuple[str, ...] = OPEN) -> Bundle:
    state = state_of(deaf_network(model))
    return Bundle("old", None, "2026-07", model, state, 988.2, "computed", assumed=names)


@pytest.mark.parametrize("words", [("amp_phase", "silu"), ("amp_phase", "sigmoid"), ("real_imag", "silu")])
@pytest.mark.parametrize("border", ["true", "false"])
def test_the_reading_that_made_the_patterns_comes_first(words: tuple[str, str], border: str) -> None:
    truth = dict(zip(OPEN, (*words, border), strict=True))
    model = replace(MODEL, **{name: CHOICES[name][word] for name, word in truth.items()})
    ranked = rank_assumptions(scan_of(model), open_bundle(), n_groups=2)
    assert len(ranked) == 6
    assert dict(ranked[0].words) == truth
    assert ranked[0].r_factor < 1e-3 < ranked[1].r_factor
    assert [one.deviance for one in ranked] == sorted(one.deviance for one in ranked)


@pytest.mark.shared_data
@pytest.mark.parametrize("case", ["gs1", "gs2"])
def test_the_reference_networks_are_read_right_without_their_record(
    golden_dir: Path, run1084_dir: Path, tmp_path: Path, case: str
) -> None:
    flat = {**PARAMS, "gridsize": int(case[-1]), "object.big": case == "gs2"}
    path = write_upstream(tmp_path / "a.zip", golden_state(golden_dir / case / "wts.h5.zip"), flat, None)
    bundle = read_bundle(path)
    assert bundle.assumed == ("output",)
    assert "No record says output; amp_phase is assumed." in bundle.notes
    ranked = rank_assumptions(read_dataset(run1084_dir / "run1084_test.npz"), bundle, n_groups=6)
    assert [dict(one.words) for one in ranked] == [{"output": "amp_phase"}, {"output": "real_imag"}]


def messages(dataset: Dataset, bundle: Bundle) -> list[MessageLogged]:
    def began(event: EngineEvent) -> bool:
        return not isinstance(event, MessageLogged)

    return [event for event in until(infer(dataset, bundle, InferConfig()), began) if isinstance(event, MessageLogged)]


def test_an_inference_settles_what_is_open_and_says_so() -> None:
    told = messages(scan_of(replace(MODEL, output="real_imag")), open_bundle(names=("output",)))
    assert any("output=real_imag fits the patterns best" in one.text and one.level == "info" for one in told)


def test_what_the_patterns_do_not_decide_stays_as_is_usual() -> None:
    bundle = open_bundle(names=("output",))
    nothing = {name: np.zeros_like(array) for name, array in bundle.state.items()}
    told = messages(tiny_scan(), replace(bundle, state=nothing))
    assert any("do not decide: output=amp_phase is assumed" in one.text and one.level == "warning" for one in told)


def test_a_person_settles_it() -> None:
    bundle = assume(open_bundle(), {"output": "real_imag", "probe_big": "false"})
    assert (bundle.model.output, bundle.model.probe_big, bundle.assumed) == ("real_imag", False, ("amp_activation",))
    assert bundle.notes[-1] == "Taken as probe_big=false, which no record says."
    with pytest.raises(BundleError, match="says itself what its output is: real_imag"):
        assume(bundle, {"output": "amp_phase"})
    with pytest.raises(ConfigError, match="output=other cannot be assumed"):
        assume(open_bundle(), {"output": "other"})


def test_what_is_open_stays_open_when_saved(tmp_path: Path) -> None:
    save_bundle(open_bundle(), tmp_path / "a.zip")
    assert read_bundle(tmp_path / "a.zip").assumed == OPEN


def test_the_flag_of_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = write_upstream(tmp_path / "b.zip", state_of(deaf_network(MODEL)), {**PARAMS, "gridsize": 1}, None)
    scan = tiny_scan()
    write_dataset(
        tmp_path / "t.npz",
        diffraction=scan.diffraction(slice(None)),
        scan_positions=scan.scan_positions,
        probe=scan.probe,
    )
    flags = ["infer", "--bundle", str(bundle), "--data", str(tmp_path / "t.npz"), "--out", str(tmp_path / "out")]
    assert main([*flags, "--assume", "output=real_imag"]) == 0
    assert "Taken as output=real_imag" in "".join(capsys.readouterr())
    assert main([*flags, "--assume", "output=nonsense"]) == 2
    assert "output=amp_phase|real_imag" in capsys.readouterr().err
    assert main([*flags, "--assume", "probe_big=false"]) != 0
    assert "says itself what its probe_big is" in capsys.readouterr().err
