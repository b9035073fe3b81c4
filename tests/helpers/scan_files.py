"""Scans and bundles in files, as the headless program reads them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ptycho_engine.cli import main
from ptycho_engine.documents import Dataset


def written(dataset: Dataset, path: Path, **others: Any) -> Path:
    """Write a scan as an archive; arrays given by their keys replace its own."""
    arrays: dict[str, Any] = {
        "diff3d": dataset.frames.read(slice(None)),
        "ycoords": dataset.scan_positions[:, 0],
        "xcoords": dataset.scan_positions[:, 1],
        "probeGuess": dataset.probe[0],
    }
    np.savez(path, **(arrays | others))
    return path


def told(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> list[dict[str, Any]]:
    """Run the headless program; return what it printed as JSON."""
    capsys.readouterr()
    assert main([*words, "--json"]) == status
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def inspected(capsys: pytest.CaptureFixture[str], path: Path, status: int = 0) -> dict[str, dict[str, Any]]:
    """Return the diagnoses that ``inspect`` prints for a file, by id, without the reader's notes."""
    found = told(capsys, "inspect", str(path), status=status)[0]["diagnoses"]
    for one in found:
        assert {"id", "severity", "message", "hint", "values"} <= set(one)
    return {one["id"]: one for one in found if one["id"] != "note"}
