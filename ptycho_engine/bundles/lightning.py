"""Read the checkpoints that a training of PtychoPINN with PyTorch Lightning leaves: weights and settings only."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from ptycho_engine.bundles.archive import Archive
from ptycho_engine.bundles.torch_file import read_torch_archive
from ptycho_engine.errors import BundleError

_WANTED = (
    "state_dict",
    "hyper_parameters",
    "ci_statistics",
    "epoch",
    "global_step",
    "pytorch-lightning_version",
)
"""What is read; the moments of the optimiser, two thirds of the file, are not."""
_TABLES = ("model_config", "data_config", "training_config", "inference_config")
_OPEN = "Open the wts.h5.zip that the training saved at its end, or a .ckpt of its Lightning run."


@dataclass(frozen=True, slots=True)
class LightningContents:
    """What a checkpoint says about its network."""

    state: Mapping[Any, Any]
    """The tensors, by the names they have in a bundle."""
    records: dict[str, dict[str, Any]]
    """The tables of settings, by the names they have in a bundle."""
    origin: dict[str, Any]
    """What wrote it, and how far the training was."""


def is_torch_file(archive: Archive) -> bool:
    """Whether an archive was written by ``torch.save``."""
    return any(path.name == "data.pkl" and len(path.parts) == 2 for path in map(PurePosixPath, archive.names))


def read_lightning(archive: Archive, notes: list[str]) -> LightningContents:
    """Return weights and settings of a checkpoint.

    Parameters
    ----------
    archive
        The open file.
    notes
        Receives what was odd but harmless, one sentence each.

    Raises
    ------
    BundleError
        If it is another torch file, is damaged, or would load anything but plain data and tensors.
    """
    content = read_torch_archive(archive, member="the checkpoint", notes=notes, only=_WANTED)
    if not isinstance(content, dict) or not isinstance(content.get("state_dict"), dict):
        raise BundleError("this torch file is not a Lightning checkpoint (it has no state_dict)", _OPEN)
    settings = content.get("hyper_parameters")
    tables = settings if isinstance(settings, dict) else {}
    records = {name: table for name in _TABLES if isinstance(table := tables.get(name), dict)}
    if "model_config" not in records or "data_config" not in records:
        raise BundleError("this Lightning checkpoint is not of PtychoPINN (it has no settings of a network)", _OPEN)
    if isinstance(content.get("ci_statistics"), dict):
        records["ci_statistics"] = content["ci_statistics"]
    version = str(content.get("pytorch-lightning_version", ""))[:40]
    origin: dict[str, Any] = {"written_by": f"PyTorch Lightning {version}".strip()}
    for name, key in (("epoch", "epoch"), ("step", "global_step")):
        if isinstance(content.get(key), int):
            origin[name] = content[key]
    return LightningContents(content["state_dict"], records, origin)
