"""The names of the members of a bundle, and the one that this program adds."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from ptycho_engine import __version__
from ptycho_engine.artefacts.strict_json import json_text
from ptycho_engine.documents import Bundle, LossHistory
from ptycho_engine.errors import BundleError

ERA = "2026-07"
"""The release family whose networks are trained and whose layout is written for them."""
REFACTORED = "2026-07 refactored"
"""The same networks in the archive of the refactored program."""
MANIFEST = "manifest.dill"
MODEL = "diffraction_to_obj"
SENTINEL_MODEL = "autoencoder"
WEIGHTS = "model.pth"
PARAMS = "params.dill"
METADATA = "torch_scaling_metadata.pt"
OWN = "ptychoscope.json"
MANIFEST_VERSION = "2.0-pytorch"
_FORMAT = 1
_MAX_OWN_BYTES = 256 * 2**20


def own_member(bundle: Bundle) -> bytes:
    """Return the content of the member that records what the others cannot."""
    provenance = {key: value for key, value in bundle.provenance.items() if key != "upstream_records"}
    if str(provenance.get("written_by", "")).startswith("Ptychoscope "):
        del provenance["written_by"]  # The version below says so.
    content = {
        "format": _FORMAT,
        "version": __version__,
        "model": bundle.model.as_dict(),
        "input_scale": bundle.input_scale,
        "intensity_scale": float(bundle.intensity_scale),
        "intensity_scale_origin": bundle.intensity_scale_origin,
        "n_photons": bundle.n_photons,
        "training": dict(bundle.training),
        "provenance": provenance,
        "history": None if bundle.history is None else _history(bundle.history),
    }
    if bundle.assumed:
        content["assumed"] = list(bundle.assumed)
    return (json_text(content) + "\n").encode()


def _history(history: LossHistory) -> dict[str, list[Any]]:
    return {
        "steps": history.steps.tolist(),
        "step_losses": history.step_losses.tolist(),
        "epochs": history.epochs.tolist(),
        "train_losses": history.train_losses.tolist(),
        "validation_losses": history.validation_losses.tolist(),
    }


def read_own_member(data: bytes) -> Mapping[str, Any]:
    """Return the content of :func:`own_member` again.

    Raises
    ------
    BundleError
        If it is not as this program writes it.
    """
    if len(data) > _MAX_OWN_BYTES:
        raise BundleError(f"{OWN} is too large", "It is damaged; ask for the bundle again.")
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{OWN} is not readable ({error})", "It is damaged; ask for the bundle again.") from error
    if not isinstance(content, dict) or not isinstance(content.get("model"), dict):
        raise BundleError(f"{OWN} does not describe a model", "It is damaged; ask for the bundle again.")
    if content.get("format") != _FORMAT:
        raise BundleError(
            f"the bundle was written by a newer Ptychoscope ({str(content.get('version'))[:40]})",
            "Install that version to open it.",
        )
    return content


def history_from(content: Mapping[str, Any]) -> LossHistory | None:
    """Return the loss history of :func:`read_own_member`'s result."""
    stored = content.get("history")
    if stored is None:
        return None
    try:
        return LossHistory(
            steps=np.array(stored["steps"], np.int64),
            step_losses=np.array(stored["step_losses"], np.float64),
            epochs=np.array(stored["epochs"], np.int64),
            train_losses=np.array(stored["train_losses"], np.float64),
            # A missing value is stored as null.
            validation_losses=np.array(stored["validation_losses"], np.float64),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise BundleError(f"{OWN} holds a broken history ({error})", "It is damaged; ask for it again.") from error
