"""What names and shapes of tensors tell of PtychoPINN's convolutional networks."""

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from ptycho_engine.config import ModelConfig
from ptycho_engine.errors import BundleError

_SIDES = {3: 64, 4: 128, 5: 256}
_PREFIX = "model.autoencoder."
_CONSTANTS = "model.forward_model."
_ASK = "Ask for the bundle again."
_CBAM, _ECA, _SPATIAL = "ChannelGate.mlp.1.weight", "conv.weight", "spatial_gate.compress.weight"

_BORDER = tuple(
    f"{head}.{layer}."
    for head in ("decoder_amp.amp", "decoder_phase.phase", "decoder_shared.head")
    for layer in ("conv2", "bn2")
)


def settings_from_shapes(state: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Return the settings of ``ModelConfig`` that the tensors decide, and ``channels``; nothing for other networks.

    Raises
    ------
    BundleError
        If they are of no network that is known.
    """
    depth = 0
    while f"{_PREFIX}encoder.blocks.{depth}.conv2.weight" in state:
        depth += 1
    if depth == 0:
        return {}
    bottleneck = state[f"{_PREFIX}encoder.blocks.{depth - 1}.conv2.weight"]
    first = state.get(f"{_PREFIX}encoder.blocks.0.conv1.weight")
    if depth not in _SIDES or first is None or first.ndim != 4 or bottleneck.ndim != 4 or bottleneck.shape[0] % 128:
        raise BundleError("the tensors are of no network that is known", _ASK)
    channels = first.shape[1]
    encoder = f"{_PREFIX}encoder.blocks.0."
    return {
        "n": _SIDES[depth],
        "n_filters_scale": bottleneck.shape[0] // 128,
        "channels": channels,
        "batch_norm": f"{encoder}bn1.running_mean" in state,
        "cbam_encoder": f"{encoder}attention.{_CBAM}" in state,
        "eca_encoder": f"{encoder}attention.{_ECA}" in state,
        "cbam_bottleneck": f"{_PREFIX}bottleneck_cbam.{_CBAM}" in state,
        "shared_decoder": f"{_PREFIX}decoder_shared.blocks.0.conv1.weight" in state,
        "n_datasets": max([1, *(len(value) for name, value in state.items() if _is_constant(name, value))]),
        **_decoder_attention(state),
        **_heads(state, channels),
    }


def _is_constant(name: str, value: NDArray[Any]) -> bool:
    return name.startswith(_CONSTANTS) and value.ndim == 1


def _decoder_attention(state: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    block = f"{_PREFIX}decoder_phase.attention_blocks.0."
    if f"{block}{_CBAM}" in state:
        return {"decoder_attention": "cbam"}
    if f"{block}{_ECA}" in state:
        return {"decoder_attention": "eca"}
    gate = state.get(f"{block}{_SPATIAL}")
    if gate is None or gate.ndim != 4:
        return {"decoder_attention": "none"}
    return {"decoder_attention": "spatial", "spatial_kernel": gate.shape[-1]}


def _heads(state: Mapping[str, NDArray[Any]], channels: int) -> dict[str, Any]:
    """Return the outputs of the amplitude's head and the features that draw borders, where they are not as usual."""
    heads = []
    for name in ("decoder_amp.amp", "decoder_phase.phase", "decoder_shared.head"):
        last = state.get(f"{_PREFIX}{name}.conv1.weight")
        border = state.get(f"{_PREFIX}{name}.conv_up_block.conv1.weight")
        if last is not None and border is not None and last.ndim == border.ndim == 4:
            heads.append((last.shape[0], border.shape[1]))
    if not heads:
        return {}
    outputs = heads[0][0] - channels if len(heads) == 1 else heads[0][0]
    usual = all(border == drawn for drawn, border in heads)
    return {
        "amplitude_outputs": None if outputs == channels else outputs,
        "border_channels": None if usual else heads[-1][1],
    }


def unused_tensors(state: Mapping[str, NDArray[Any]], model: ModelConfig) -> list[str]:
    """Return one sentence for each kind of tensors that a network keeps and never uses."""
    kinds = [
        (model.eca_encoder and not model.cbam_encoder, ".attention.conv.", "attention in the encoder"),
        (model.release != "2026-06", ".attention_blocks.", "attention in the decoders"),
        (not model.probe_big, (".conv_up_block.", *_BORDER), "the border of the patch, which is not drawn"),
    ]
    sentences = []
    for unused, parts, what in kinds:
        marks = (parts,) if isinstance(parts, str) else parts
        count = sum(any(mark in name for mark in marks) for name in state) if unused else 0
        if count:
            sentences.append(f"{count} tensors of {what} are kept in the bundle and never applied.")
    return sentences
