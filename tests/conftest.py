"""Fixtures for all tests: reference data beside the checkout, deterministic numpy and torch."""

import os
from pathlib import Path

import pytest

# Before anything imports Qt or torch: no screen, one thread, no surprises from the desktop's settings.
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("OMP_NUM_THREADS", "1")

SHARED = Path(os.environ.get("PTYCHOSCOPE_SHARED", Path(__file__).resolve().parents[1].parent / "shared"))


def _folder(*parts: str) -> Path:
    folder = SHARED.joinpath(*parts)
    if not folder.is_dir():
        pytest.skip(f"needs the reference data in {SHARED} (set PTYCHOSCOPE_SHARED to where it lies)")
    return folder


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder of reference data; the test is skipped where it is missing."""
    return _folder()


@pytest.fixture(scope="session")
def golden_dir() -> Path:
    """Reference results of the upstream program."""
    return _folder("golden")


@pytest.fixture(scope="session")
def run1084_dir() -> Path:
    """A real experiment's probe, object and positions, and datasets simulated from them."""
    return _folder("data")


@pytest.fixture(autouse=True)
def _isolated_settings(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep every test away from the settings and the state folder of the person who runs it."""
    home = tmp_path_factory.mktemp("home")
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(home / name.lower()))
