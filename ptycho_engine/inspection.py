"""What a file is, told by its content, and what there is to say about it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.typing import NDArray

from ptycho_engine.diagnostics.diagnoses import diagnose
from ptycho_engine.diagnostics.diagnoses.scan_evidence import CountEvidence
from ptycho_engine.documents import Dataset, Diagnosis
from ptycho_engine.errors import DatasetError, InputError
from ptycho_engine.examination import examine_bundle, examine_dataset, findings
from ptycho_engine.runs.event_record import bundle_summary, canvas_summary, dataset_summary

Kind = Literal["dataset", "bundle", "checkpoint", "run", "dump", "reconstruction"]
_DUMP_FILES = ("stats.json", "canvas.json", "offsets.json")
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
    file = Path(path)
    if file.is_dir():
        return _folder(file)
    names = _member_names(file)
    if names is None and _is_safetensors(file):
        return _checkpoint(file, layers)
    if names is not None and {"canvas.npy", "origin_px.npy"} <= names:
        return _reconstruction(file)
    if names is not None and not any(name.endswith(".npy") for name in names):
        return _bundle(file, layers)
    return _dataset(file, frames)


def _dataset(file: Path, frames: bool) -> Inspection:
    from ptycho_engine.formats import read_dataset

    try:
        dataset = read_dataset(file)
    except DatasetError as error:
        finding = uneven_counts(file)
        if finding is None:
            raise
        return Inspection("dataset", {"name": file.stem, "path": file, "problem": str(error)}, (finding,))
    positions = dataset.scan_positions
    summary = dataset_summary(dataset) | {
        "positions_y": [float(positions[:, 0].min()), float(positions[:, 0].max())],
        "positions_x": [float(positions[:, 1].min()), float(positions[:, 1].max())],
        "arrays": [
            {"key": a.key, "shape": list(a.shape), "dtype": a.dtype, "n_bytes": a.n_bytes, "role": a.role}
            for a in dataset.arrays
        ],
    }
    if frames:
        summary["frames"] = _describe_frames(dataset)
    found = findings(examine_dataset(dataset))
    return Inspection("dataset", summary, (*found, *_notes(dataset.notes)))


def uneven_counts(file: Path) -> Diagnosis | None:
    """Return the finding that a file has not one position for each pattern, ``None`` if that is not what is wrong."""
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
        totals.append(np.square(block, dtype=np.float64).sum(axis=(1, 2)))
        greatest = max(greatest, float(block.max(initial=0.0)))
    total = np.concatenate(totals)
    mean = float(total.mean())
    return {
        "max_amplitude": greatest,
        "total_mean": mean,
        "total_min": float(total.min()),
        "total_max": float(total.max()),
        "n_empty": int(np.count_nonzero(total == 0)),
        "input_scale": (dataset.n / 2) / math.sqrt(mean) if mean > 0 else 1.0,
    }


def _bundle(file: Path, layers: bool) -> Inspection:
    from ptycho_engine.bundles import read_bundle

    bundle = read_bundle(file)
    summary = bundle_summary(bundle) | {
        "model": bundle.model.as_dict(),
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
        values = np.asarray(tensor, np.float64)
        finite = values[np.isfinite(values)]
        rows.append(
            {
                "name": name,
                "shape": list(tensor.shape),
                "dtype": str(tensor.dtype),
                "count": int(tensor.size),
                "mean": float(finite.mean()) if finite.size else None,
                "std": float(finite.std()) if finite.size else None,
                "min": float(finite.min()) if finite.size else None,
                "max": float(finite.max()) if finite.size else None,
                "n_not_finite": int(values.size - finite.size),
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


def _folder(folder: Path) -> Inspection:
    import json

    from ptycho_engine.runs.run_folder import RUN_FILE, list_checkpoints, read_run

    if (folder / RUN_FILE).exists():
        run = read_run(folder)
        return Inspection(
            "run",
            {
                "verb": run.verb,
                "state": run.state,
                "epoch": run.epoch,
                "n_epochs": run.n_epochs,
                "bundle": run.bundle,
                "checkpoints": [path.name for path in list_checkpoints(folder)],
                "files": sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()),
            },
        )
    found = [name for name in _DUMP_FILES if (folder / name).is_file()]
    if not found:
        raise InputError(
            "is neither a run folder nor a debug dump", "Give a folder with a run.json or a stats.json.", file=folder
        )
    summary: dict[str, Any] = {}
    for name in found:
        try:
            summary[name.removesuffix(".json")] = json.loads((folder / name).read_bytes())
        except (OSError, ValueError) as error:
            raise InputError(f"cannot be read ({error})", "Write the dump again.", file=folder / name) from error
    return Inspection("dump", summary)


def _notes(notes: tuple[str, ...]) -> tuple[Diagnosis, ...]:
    return tuple(Diagnosis("note", "info", note, "") for note in notes)


def _member_names(file: Path) -> set[str] | None:
    """Return the names in an archive, ``None`` if it is none."""
    try:
        with ZipFile(file) as archive:
            return set(archive.namelist())
    except (BadZipFile, ValueError, NotImplementedError, OSError):
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
