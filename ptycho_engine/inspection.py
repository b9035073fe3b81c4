"""What a file is, told by its content, and what there is to say about it."""

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ptycho_engine.diagnostics.diagnoses import diagnose
from ptycho_engine.diagnostics.diagnoses.scan_evidence import CountEvidence
from ptycho_engine.diagnostics.layer_figures import layer_figures
from ptycho_engine.documents import Dataset, Diagnosis
from ptycho_engine.errors import DatasetError
from ptycho_engine.events import DiagnosisFound
from ptycho_engine.examination import examine_bundle, examine_dataset, findings
from ptycho_engine.ordinary_file import require_readable
from ptycho_engine.runs.event_record import bundle_summary, canvas_summary, dataset_summary
from ptycho_engine.zip_directory import open_zip

Kind = Literal["dataset", "bundle", "checkpoint", "run", "dump", "stats", "reconstruction"]
_BLOCK = 256


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found."""

    kind: Kind
    summary: Mapping[str, Any]
    diagnoses: tuple[Diagnosis, ...] = ()


def inspect_file(path: str | Path, *, layers: bool = False, frames: bool = False) -> Inspection:
    """Tell what a file or folder is, by its content.

    Parameters
    ----------
    path
        The file or folder.
    layers
        List every tensor of a bundle or checkpoint.
    frames
        Read all patterns of a dataset and describe them.

    Raises
    ------
    InputError
        If it is none of the known kinds, or a bad one.
    """
    from ptycho_engine.inspection_folders import inspect_folder, inspect_patch_stats, looks_like_json

    file = Path(path)
    require_readable(file)
    if file.is_dir():
        return inspect_folder(file)
    names = _member_names(file)
    if names is None and _is_safetensors(file):
        return _checkpoint(file, layers)
    if names is not None and {"canvas.npy", "origin_px.npy"} <= names:
        return _reconstruction(file)
    if names is not None and not any(name.endswith(".npy") for name in names):
        return _bundle(file, layers)
    if names is None and looks_like_json(file):
        return inspect_patch_stats(file)
    return _dataset(file, frames)


def _dataset(file: Path, frames: bool) -> Inspection:
    from ptycho_engine.formats import read_dataset

    dataset = read_dataset(file)
    positions = dataset.scan_positions
    summary = dataset_summary(dataset) | {
        "positions_y": [float(positions[:, 0].min()), float(positions[:, 0].max())],
        "positions_x": [float(positions[:, 1].min()), float(positions[:, 1].max())],
        "arrays": [
            {
                "key": one.key,
                "shape": list(one.shape),
                "dtype": one.dtype,
                "range": None if one.value_range is None else list(one.value_range),
                "n_bytes": one.n_bytes,
                "role": one.role,
            }
            for one in dataset.arrays
        ],
    }
    if frames:
        summary["frames"] = _describe_frames(dataset)
    return Inspection("dataset", summary, (*_examined(dataset), *_notes(dataset.notes)))


def _examined(dataset: Dataset) -> list[Diagnosis]:
    """Return what is wrong with a scan; patterns that cannot be read are a finding as well."""
    found: list[Diagnosis] = []
    try:
        for event in examine_dataset(dataset):
            if isinstance(event, DiagnosisFound):
                found.append(event.diagnosis)
    except DatasetError as error:
        message = f"The patterns cannot be read: {error.message.rstrip('.')}."
        found.append(Diagnosis("unusable-patterns", "error", message, error.hint, place="dataset"))
    return found


def uneven_counts(file: Path) -> Diagnosis | None:
    """Return the finding that a scan which is refused has not one position for each pattern; else ``None``."""
    from ptycho_engine.formats.npz import array_table
    from ptycho_engine.formats.zip_members import read_archive

    try:
        shapes = {array.role: array.shape for array in array_table(read_archive(file)) if array.shape}
    except DatasetError:
        return None
    if not {"x", "y", "diffraction"} <= set(shapes) or len(shapes["diffraction"]) < 3:
        return None
    stack = shapes["diffraction"]
    n_patterns = stack[0] if stack[1] == stack[2] else stack[2]
    counts = CountEvidence(math.prod(shapes["y"]), math.prod(shapes["x"]), n_patterns)
    return next(iter(diagnose(counts)), None)


def _describe_frames(dataset: Dataset) -> dict[str, float | int]:
    totals, greatest = [], 0.0
    for first in range(0, dataset.n_scan, _BLOCK):
        block = dataset.diffraction(slice(first, min(first + _BLOCK, dataset.n_scan)))
        block = block[np.isfinite(block.reshape(len(block), -1)).all(axis=1)]
        totals.append(np.square(block, dtype=np.float64).sum(axis=(1, 2)))
        greatest = max(greatest, float(block.max(initial=0.0)))
    total = np.concatenate(totals)
    if total.size == 0:
        return {"n_not_finite": dataset.n_scan}
    mean = float(total.mean())
    return {
        "max_amplitude": greatest,
        "total_mean": mean,
        "total_min": float(total.min()),
        "total_max": float(total.max()),
        "n_empty": int(np.count_nonzero(total == 0)),
        "n_not_finite": dataset.n_scan - len(total),
        "input_scale": (dataset.n / 2) / math.sqrt(mean) if mean > 0 else 1.0,
    }


def _bundle(file: Path, layers: bool) -> Inspection:
    from ptycho_engine.bundles import read_bundle

    bundle = read_bundle(file)
    summary = bundle_summary(bundle) | {
        "model": bundle.model.as_dict(),
        "parameters": dict(bundle.params),
        "training": dict(bundle.training),
        "provenance": dict(bundle.provenance),
        "members": [{"name": m.name, "n_bytes": m.n_bytes, "sha256": m.sha256} for m in bundle.members],
    }
    if layers:
        summary["layers"] = describe_layers(bundle.state)
    return Inspection("bundle", summary, (*findings(examine_bundle(bundle)), *_notes(bundle.notes)))


def describe_layers(state: Mapping[str, NDArray[Any]]) -> list[dict[str, Any]]:
    """Return name, shape, dtype and figures of each tensor."""
    rows = []
    for name, tensor in state.items():
        figures = layer_figures(name, tensor)
        rows.append(
            {
                "name": name,
                "shape": list(figures.shape),
                "dtype": figures.dtype,
                "count": figures.count,
                "mean": figures.mean,
                "std": figures.std,
                "min": figures.minimum,
                "max": figures.maximum,
                "n_not_finite": figures.n_not_finite,
            }
        )
    return rows


def _checkpoint(file: Path, layers: bool) -> Inspection:
    from ptycho_engine.bundles.checkpoint import read_checkpoint

    checkpoint = read_checkpoint(file)
    progress = checkpoint.values.get("progress")
    progress = progress if isinstance(progress, dict) else {}
    summary: dict[str, Any] = {
        "epoch": progress.get("epoch"),
        "step": progress.get("step"),
        "batch": progress.get("batch"),
        "best_loss": progress.get("best_loss"),
        "n_tensors": len(checkpoint.state),
        "n_parameters": sum(int(tensor.size) for tensor in checkpoint.state.values()),
        "configuration": checkpoint.values.get("configuration"),
        "input_scale": checkpoint.values.get("input_scale"),
    }
    if layers:
        summary["layers"] = describe_layers(checkpoint.state)
    return Inspection("checkpoint", summary)


def _reconstruction(file: Path) -> Inspection:
    from ptycho_engine.artefacts.reconstruction import read_reconstruction

    stored = read_reconstruction(file)
    return Inspection(
        "reconstruction",
        canvas_summary(stored.canvas)
        | {
            "intensity_scale": stored.intensity_scale,
            "dataset": stored.dataset,
            "bundle": stored.bundle,
            "refined": stored.network_canvas is not None,
        },
    )


def _notes(notes: tuple[str, ...]) -> tuple[Diagnosis, ...]:
    return tuple(Diagnosis("note", "info", note, "") for note in notes)


def _member_names(file: Path) -> set[str] | None:
    """Return the names in an archive, ``None`` if it is none."""
    try:
        with file.open("rb") as stream, open_zip(stream) as archive:
            return set(archive.namelist())
    except (BadZipFile, ValueError, NotImplementedError, OSError, EOFError, OverflowError, struct.error):
        return None


def _is_safetensors(file: Path) -> bool:
    """Whether a file begins with a header length and a JSON table, as safetensors does."""
    try:
        with file.open("rb") as stream:
            head = stream.read(9)
        size = file.stat().st_size
    except OSError:
        return False
    return len(head) == 9 and head[8:] == b"{" and int.from_bytes(head[:8], "little") <= size
