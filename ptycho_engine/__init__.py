"""The engine of Ptychoscope: PtychoPINN networks, physics and files, without a screen.

What a notebook or another program calls is imported from here, and loaded when it is first used::

    from ptycho_engine import TrainConfig, build_model, infer, read_bundle, read_dataset, train
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ptycho_engine.bundles.read import read_bundle
    from ptycho_engine.bundles.write import save_bundle
    from ptycho_engine.config import GroupingConfig, InferConfig, ModelConfig, TrainConfig
    from ptycho_engine.documents import Bundle, Canvas, Dataset
    from ptycho_engine.errors import EngineError
    from ptycho_engine.formats import read_dataset, write_dataset
    from ptycho_engine.inference import infer
    from ptycho_engine.models.pinn import build_model
    from ptycho_engine.opening import open_bundle, open_dataset
    from ptycho_engine.physics.simulate import SimulateConfig, simulate_scan
    from ptycho_engine.prediction import predict_amplitude, predict_intensity
    from ptycho_engine.training import train
    from ptycho_engine.watching.watch import watch

__version__ = "0.1.0"

_HOMES = {
    "Bundle": "documents",
    "Canvas": "documents",
    "Dataset": "documents",
    "EngineError": "errors",
    "GroupingConfig": "config",
    "InferConfig": "config",
    "ModelConfig": "config",
    "SimulateConfig": "physics.simulate",
    "TrainConfig": "config",
    "build_model": "models.pinn",
    "infer": "inference",
    "open_bundle": "opening",
    "open_dataset": "opening",
    "predict_amplitude": "prediction",
    "predict_intensity": "prediction",
    "read_bundle": "bundles.read",
    "read_dataset": "formats",
    "save_bundle": "bundles.write",
    "simulate_scan": "physics.simulate",
    "train": "training",
    "watch": "watching.watch",
    "write_dataset": "formats",
}

__all__ = [
    "Bundle",
    "Canvas",
    "Dataset",
    "EngineError",
    "GroupingConfig",
    "InferConfig",
    "ModelConfig",
    "SimulateConfig",
    "TrainConfig",
    "__version__",
    "build_model",
    "infer",
    "open_bundle",
    "open_dataset",
    "predict_amplitude",
    "predict_intensity",
    "read_bundle",
    "read_dataset",
    "save_bundle",
    "simulate_scan",
    "train",
    "watch",
    "write_dataset",
]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first asked for: torch is only imported by those that compute."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
