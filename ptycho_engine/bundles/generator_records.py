"""What bundles of PtychoPINN's generators say: read from tensors and records, and written into records again.

Where they disagree the shapes of the tensors are believed, as for the other networks.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ptycho_engine.config import ModelConfig
from ptycho_engine.errors import BundleError

if TYPE_CHECKING:
    from ptycho_engine.bundles.identify import Records

GENERATORS = ("fno", "fno_vanilla", "ffno", "neuralop_uno")
"""The architectures whose tensors stand in a bundle both as ``model.generator`` and as ``model.autoencoder``."""
_PREFIX = "model.autoencoder."
_SPECTRAL = {
    "fno": "fno_blocks.{}.spectral.weights",
    "fno_vanilla": "blocks.{}.spectral.weights",
    "ffno": "ffno_stack.blocks.{}.shared_spectral.weights_x",
}
_REFINERS = {"fno": "cnn_refiner.{}.0.weight", "ffno": "refiners.{}.conv1.weight"}
_UNO_LIFTING = "uno.lifting.fcs.0.weight"
_UNO_SPECTRAL = "uno.fno_blocks.0.convs.0.weight.tensor"
_GRID_CHANNELS = 2
"""The two coordinates that ``neuralop_uno`` gets beside the patterns."""
_ASK = "Ask for the bundle again."


def generator_of(state: Mapping[str, NDArray[Any]]) -> str | None:
    """Return the architecture of a generator's tensors, ``None`` if they are of none."""
    if f"{_PREFIX}{_UNO_LIFTING}" in state:
        return "neuralop_uno"
    if f"{_PREFIX}lifter.conv1.weight" not in state:
        return None
    found = [name for name, spectral in _SPECTRAL.items() if f"{_PREFIX}{spectral.format(0)}" in state]
    if len(found) != 1:
        raise BundleError("the tensors are of no generator that is known", _ASK)
    return found[0]


def generator_shapes(state: Mapping[str, NDArray[Any]]) -> dict[str, int]:
    """Return channels, width, frequencies and numbers of blocks by the names of the settings; nothing for others."""
    name = generator_of(state)
    if name is None:
        return {}
    if name == "neuralop_uno":
        _, width, modes, *_ = _shape(state, _UNO_SPECTRAL, 4)
        return {
            "channels": _shape(state, _UNO_LIFTING, 3)[1] - _GRID_CHANNELS,
            "fno_width": width,
            "fno_modes": modes,
        }
    width, channels, *_ = _shape(state, "lifter.conv1.weight", 4)
    shapes = {
        "channels": channels,
        "fno_width": width,
        "fno_modes": _shape(state, _SPECTRAL[name].format(0), 3)[2],
        "fno_blocks": _count(state, _SPECTRAL[name]),
    }
    if name in _REFINERS:
        shapes["fno_cnn_blocks"] = _count(state, _REFINERS[name])
    return shapes


def generator_settings(state: Mapping[str, NDArray[Any]], records: "Records", notes: list[str]) -> dict[str, Any]:
    """Return what decides a generator beside the shapes; nothing for other networks.

    Raises
    ------
    BundleError
        If it takes more than the pattern itself.
    """
    name = generator_of(state)
    if name is None:
        return {}
    if records.model("learned_input_channels", "learned_input_channels", 1) != 1:
        raise BundleError(
            "the network takes further images beside each pattern, which no scan here has",
            "It can only be used where it was trained.",
        )
    called = str(records.model("architecture", "architecture", name))
    if called != name:
        notes.append(
            f"The records call the network {called[:40]}, the tensors are of {name}; the tensors are believed."
        )
    said = str(records.model("generator_output_mode", "generator_output_mode", "real_imag"))
    output = said
    if f"{_PREFIX}output_amp.weight" not in state:
        output = "real_imag"
    elif said not in ("amp_phase", "amp_phase_logits"):
        output = "amp_phase"
    if output != said:
        notes.append(f"The records say that it draws {said[:40]}, the tensors {output}; the tensors are believed.")
    transform = records.model("fno_input_transform", "fno_input_transform", "none")
    settings = {
        "architecture": name,
        "output": output,
        "input_transform": str(transform),
    }
    if name == "neuralop_uno":
        settings["fno_blocks"] = records.model("fno_blocks", "fno_blocks", 4)
        notes.append(
            "Neither tensors nor records say which levels of the operator halve the side; "
            "those of its package's own example are assumed."
        )
    if name not in _REFINERS:
        settings["fno_cnn_blocks"] = records.model("fno_cnn_blocks", "fno_cnn_blocks", 2)
    return settings


def generator_records(model: ModelConfig) -> dict[str, Any]:
    """Return the entries of upstream's tables that describe a generator; nothing for other networks."""
    if model.architecture not in GENERATORS:
        return {}
    return {
        "fno_modes": model.fno_modes,
        "fno_width": model.fno_width,
        "fno_blocks": model.fno_blocks,
        "fno_cnn_blocks": model.fno_cnn_blocks,
        "generator_output_mode": model.output,
    }


def _shape(state: Mapping[str, NDArray[Any]], name: str, dimensions: int) -> tuple[int, ...]:
    tensor = state.get(f"{_PREFIX}{name}")
    if tensor is None or tensor.ndim < dimensions:
        raise BundleError("the tensors are of no generator that is known", _ASK)
    return tensor.shape


def _count(state: Mapping[str, NDArray[Any]], pattern: str) -> int:
    count = 0
    while f"{_PREFIX}{pattern.format(count)}" in state:
        count += 1
    return count
