"""How fast the engine's hot paths are, each beside a plain reference in the same run (``make bench``)."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from scipy.spatial import cKDTree

from ptycho_engine.bundles import read_bundle, save_bundle
from ptycho_engine.config import ModelConfig
from ptycho_engine.documents import Bundle
from ptycho_engine.geometry.canvas import CanvasStitcher, stitch_weights
from ptycho_engine.geometry.grouping import cover_positions
from ptycho_engine.models.pinn import build_network, state_of

N_PATCHES = 1024
SIDE = 64


def scan(n: int, extent: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.random.default_rng(0).uniform(SIDE, extent - SIDE, (n, 2))


def patches() -> np.ndarray[Any, np.dtype[np.complex64]]:
    rng = np.random.default_rng(1)
    return (rng.normal(size=(N_PATCHES, SIDE, SIDE)) + 1j * rng.normal(size=(N_PATCHES, SIDE, SIDE))).astype(
        np.complex64
    )


@pytest.mark.benchmark(group="stitch 1024 patches of 64 px")
def test_stitch(benchmark: BenchmarkFixture) -> None:
    positions, drawn = scan(N_PATCHES, 608), patches()

    def stitch() -> None:
        stitcher = CanvasStitcher(positions, SIDE, SIDE, stitch_weights("uniform", SIDE))
        stitcher.add(drawn, positions)

    benchmark(stitch)


@pytest.mark.benchmark(group="stitch 1024 patches of 64 px")
def test_stitch_reference_four_shifts_a_patch(benchmark: BenchmarkFixture) -> None:
    positions, drawn = scan(N_PATCHES, 608), patches()

    def stitch() -> None:
        canvas, weight = np.zeros((700, 700), np.complex64), np.zeros((700, 700), np.float32)
        for patch, (y, x) in zip(drawn, positions - SIDE / 2, strict=True):
            row, column = int(y), int(x)
            down, right = np.float32(y - row), np.float32(x - column)
            for i, share_y in ((0, 1 - down), (1, down)):
                for j, share_x in ((0, 1 - right), (1, right)):
                    window = slice(row + i, row + i + SIDE), slice(column + j, column + j + SIDE)
                    canvas[window] += share_y * share_x * patch
                    weight[window] += share_y * share_x

    benchmark(stitch)


@pytest.mark.benchmark(group="cover 100,000 positions by groups of 4")
def test_cover_positions(benchmark: BenchmarkFixture) -> None:
    positions = scan(100_000, 20_000)
    benchmark(lambda: cover_positions(positions, 2, 6, 0))


@pytest.mark.benchmark(group="cover 100,000 positions by groups of 4")
def test_cover_reference_tree_query(benchmark: BenchmarkFixture) -> None:
    positions = scan(100_000, 20_000)
    benchmark(lambda: cKDTree(positions).query(positions, k=7))


@pytest.mark.benchmark(group="one batch of 16 patterns through the network (1 thread)")
@pytest.mark.parametrize("memory", ["contiguous", "channels_last"])
@pytest.mark.parametrize("architecture", ["cnn", "full_patch_cnn"])
def test_forward(benchmark: BenchmarkFixture, architecture: str, memory: str) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = build_network(ModelConfig(n=64, gridsize=1, architecture=architecture)).eval()
    images = torch.rand(16, 1, 64, 64)
    if memory == "channels_last":
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        images = images.contiguous(memory_format=torch.channels_last)

    def forward() -> None:
        with torch.inference_mode():
            network(images)

    benchmark(forward)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = ModelConfig()
    path = tmp_path_factory.mktemp("bundle") / "wts.h5.zip"
    save_bundle(Bundle("mine", None, model.release, model, state_of(build_network(model)), 988.2, "computed"), path)
    return path


@pytest.mark.benchmark(group="read a bundle of 2.4 million parameters")
def test_read_bundle(benchmark: BenchmarkFixture, bundle: Path) -> None:
    benchmark(read_bundle, bundle)


@pytest.mark.benchmark(group="read a bundle of 2.4 million parameters")
def test_read_bundle_reference_torch_load_of_its_tensors(benchmark: BenchmarkFixture, bundle: Path) -> None:
    def load() -> None:
        with zipfile.ZipFile(bundle) as archive:
            torch.load(io.BytesIO(archive.read("diffraction_to_obj/model.pth")), weights_only=True)

    benchmark(load)
