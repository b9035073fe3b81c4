"""An event as one line of JSON: for ``--json``, for ``events.jsonl``, without arrays."""

import re
from dataclasses import asdict, fields
from typing import Any

import numpy as np

from ptycho_engine.documents import Bundle, Canvas, Dataset, LossHistory
from ptycho_engine.events import EngineEvent


def event_name(event: EngineEvent) -> str:
    """Return the name in JSON, e.g. ``"loss_measured"``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__).lower()


def event_record(event: EngineEvent) -> dict[str, Any]:
    """Return an event as plain data; arrays are told by their shape, documents by a summary."""
    return {"event": event_name(event)} | {spec.name: _brief(getattr(event, spec.name)) for spec in fields(event)}


def dataset_summary(dataset: Dataset) -> dict[str, Any]:
    """Return what one line says about a scan."""
    return {
        "name": dataset.name,
        "path": dataset.path,
        "n_scan": dataset.n_scan,
        "n": dataset.n,
        "probe_modes": int(dataset.probe.shape[0]),
        "object_shape": None if dataset.object_ is None else list(dataset.object_.shape),
        "n_photons": dataset.n_photons,
        "measurement": dataset.measurement,
        "stored_dtype": dataset.frames.stored_dtype,
        "fingerprint": dataset.fingerprint,
    }


def bundle_summary(bundle: Bundle) -> dict[str, Any]:
    """Return what one line says about a bundle."""
    return {
        "name": bundle.name,
        "path": bundle.path,
        "era": bundle.era,
        "architecture": bundle.model.architecture,
        "n": bundle.model.n,
        "gridsize": bundle.model.gridsize,
        "n_parameters": bundle.n_parameters,
        "intensity_scale": bundle.intensity_scale,
        "intensity_scale_origin": bundle.intensity_scale_origin,
        "input_scale": bundle.input_scale,
        "n_photons": bundle.n_photons,
        "forward_model": bundle.model.forward_model,
        "count_statistics": None if bundle.count_statistics is None else asdict(bundle.count_statistics),
    }


def canvas_summary(canvas: Canvas) -> dict[str, Any]:
    """Return what one line says about a canvas."""
    return {
        "shape": list(canvas.object_.shape),
        "origin_px": list(canvas.origin_px),
        "n_patches": len(canvas.scan_positions),
        "scale": canvas.scale,
        "network_per_physical": canvas.network_per_physical,
        "mode": canvas.mode,
        "crop": canvas.crop,
        "dropped": canvas.dropped,
    }


def _brief(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return {"shape": list(value.shape), "dtype": str(value.dtype)}
    if isinstance(value, Dataset):
        return dataset_summary(value)
    if isinstance(value, Bundle):
        return bundle_summary(value)
    if isinstance(value, Canvas):
        return canvas_summary(value)
    if isinstance(value, LossHistory):
        return {"n_steps": len(value.steps), "n_epochs": len(value.epochs)}
    return value
