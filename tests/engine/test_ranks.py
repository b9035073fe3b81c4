"""Two processes give what one gives: gradients, losses, canvas; and end together."""

import json
import pickle
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.multiprocessing.spawn import spawn

from ptycho_engine.config import InferConfig
from ptycho_engine.errors import ConfigError, EngineError
from ptycho_engine.inference import infer
from ptycho_engine.ranks import ALONE, Ranks
from ptycho_engine.runs.run_folder import read_run
from tests.helpers.shared_work import N_PROCESSES, RECIPES, bits, canvas, fails, gradients, losses, work
from tests.helpers.tiny_scan import tiny_scan


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    """What both processes found, and the folder of their runs."""
    folder = tmp_path_factory.mktemp("together")
    spawn(work, args=(folder, _free_port()), nprocs=N_PROCESSES)  # type: ignore[no-untyped-call]
    return folder, [pickle.loads((folder / f"{rank}.pickle").read_bytes()) for rank in range(N_PROCESSES)]


Together = tuple[Path, list[dict[str, Any]]]


@pytest.mark.parametrize("recipe", RECIPES)
def test_gradients_add_up_to_those_of_one_process(together: Together, recipe: str) -> None:
    alone = gradients(recipe, ALONE)
    for found in together[1]:
        shared = found["gradients"][recipe]
        assert float((shared - alone).norm() / alone.norm()) < 1e-6
    assert torch.equal(*(found["gradients"][recipe] for found in together[1]))


@pytest.mark.parametrize("recipe", RECIPES)
def test_losses_are_those_of_one_process(together: Together, recipe: str, tmp_path: Path) -> None:
    alone = losses(recipe, ALONE, tmp_path / "run")
    for found in together[1]:
        np.testing.assert_allclose(found["losses"][recipe], alone, rtol=1e-4)
    assert together[1][0]["losses"] == together[1][1]["losses"]


@pytest.mark.parametrize("recipe", RECIPES)
def test_two_processes_have_the_bits_of_one(together: Together, recipe: str) -> None:
    alone = bits(recipe, ALONE)
    assert len(alone[0]) == 3
    for found in together[1]:
        assert found["bits"][recipe] == alone


def test_a_training_of_two_goes_on_from_its_checkpoint(together: Together) -> None:
    folder, (first, second) = together
    assert first["resumed"] == second["resumed"]
    # Four steps and two epochs before, two and one more.
    assert len(first["resumed"]) == 6 + 3
    assert first["resumed"][:4] == first["losses"]["compatible"][:4]
    assert read_run(folder / "compatible").state == "completed"
    lines = (folder / "reliable" / "events.jsonl").read_text().splitlines()
    assert [json.loads(line)["event"] for line in lines].count("epoch_done") == 2


@pytest.mark.parametrize("gridsize", [1, 2])
def test_the_canvas_is_that_of_one_process(together: Together, gridsize: int) -> None:
    alone = canvas(gridsize)
    for found in together[1]:
        shared = found["canvases"][gridsize]
        scale = np.abs(alone.object_).max()
        assert np.abs(shared.object_ - alone.object_).max() < 1e-5 * scale
        np.testing.assert_allclose(shared.weight, alone.weight, atol=1e-4)
        assert np.array_equal(shared.scan_positions, alone.scan_positions)
        assert shared.dropped == alone.dropped


def test_what_one_process_lacks_all_are_told(together: Together) -> None:
    for found in together[1]:
        memory, settings = found["told"]
        assert memory == "1.5 GiB"
        assert "different seed" in settings
        assert "scan" not in settings.split(".")[0]


def test_only_the_process_that_failed_says_why(tmp_path: Path) -> None:
    spawn(fails, args=(tmp_path, _free_port()), nprocs=N_PROCESSES)  # type: ignore[no-untyped-call]
    assert (tmp_path / "1.txt").read_text() == "EngineError True"
    assert (tmp_path / "0.txt").read_text() == "PeerLost False"


@pytest.mark.parametrize("count", [0, 1, 5, 16])
@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_shares_are_all_of_it_once(count: int, size: int) -> None:
    things = np.arange(count)
    shares = [things[Ranks(rank, size).share(count)] for rank in range(size)]
    assert np.concatenate(shares).tolist() == things.tolist()
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_what_cannot_be_shared_is_refused() -> None:
    from tests.engine.test_inference import _bundle

    several = Ranks(0, 2)
    with pytest.raises(ConfigError, match="varpro, refine"):
        list(infer(tiny_scan(), _bundle(), InferConfig(accelerator="cpu", varpro=True, refine=3), ranks=several))
    with pytest.raises(EngineError, match="debug dump"):
        list(infer(tiny_scan(), _bundle(), InferConfig(), debug_dump="x", ranks=several))
