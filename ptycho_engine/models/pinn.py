"""Build a network, and move its tensors between the network and a bundle, strictly."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ptycho_engine.config import ModelConfig
from ptycho_engine.documents import Bundle
from ptycho_engine.errors import BundleError, ConfigError, EngineError
from ptycho_engine.models.architectures import ARCHITECTURES

if TYPE_CHECKING:
    import torch

    from ptycho_engine.models.network import PatchNetwork

_N_LISTED = 5
_SINGULAR = {"are": "is", "have": "has", "hold": "holds"}


def build_network(model: ModelConfig) -> "PatchNetwork":
    """Return a fresh network with torch's own random start.

    Its ``forward`` takes normalised patterns ``(B, C, N, N)`` and returns patches ``(B, C, N, N)`` complex64.
    """
    from ptycho_engine.models.network import PatchNetwork

    try:
        architecture = ARCHITECTURES.get(model.architecture)
    except KeyError as error:
        known = ", ".join(ARCHITECTURES.names())
        raise ConfigError(
            f"networks of the architecture {model.architecture!r} cannot be built here", f"Those that can are: {known}."
        ) from error
    return PatchNetwork(model, architecture.build(model))


def build_model(bundle: Bundle, device: "torch.device | str" = "cpu") -> "PatchNetwork":
    """Return the network of a bundle with its weights, ready to infer.

    Raises
    ------
    BundleError
        If the tensors are not exactly those of the network, or one of them is not finite.
    """
    try:
        network = build_network(bundle.model)
        load_state(network, bundle.state)
    except EngineError as error:
        raise BundleError(error.message, error.hint, file=bundle.path) from error
    return network.to(device).eval()


def initialise_transparent(network: "PatchNetwork", model: ModelConfig, amplitude: float) -> None:
    """Set the network to start as a transparent object: this amplitude and phase zero at every pixel.

    Parameters
    ----------
    network
        A fresh network of :func:`build_network`.
    model
        Its configuration.
    amplitude
        Network amplitude of a transparent object, probe_scale times the input scale k.
    """
    if not (np.isfinite(amplitude) and amplitude > 0):
        raise ConfigError(
            f"a network of {model.architecture} cannot start at amplitude {amplitude:g}",
            "Check that the patterns are not empty and that probe_scale is positive.",
        )
    network.autoencoder.start_transparent(float(amplitude))


def state_of(network: "PatchNetwork") -> dict[str, NDArray[Any]]:
    """Return read-only host copies of all tensors, by upstream's names and in upstream's order."""
    state = {}
    for name, tensor in network.state_dict().items():
        array = tensor.detach().cpu().contiguous().numpy().copy()
        array.setflags(write=False)
        state[name] = array
    return state


def load_state(network: "PatchNetwork", state: Mapping[str, NDArray[Any]]) -> None:
    """Put ``state`` into the network: every tensor, of the right shape, finite; otherwise nothing is changed.

    Raises
    ------
    BundleError
        Naming the first five tensors that are missing, unexpected, of the wrong shape or kind, or not finite.
    """
    import torch

    own = network.state_dict()
    _refuse("are missing", [name for name in own if name not in state])
    _refuse("are not of this network", [name for name in state if name not in own])
    _refuse(
        "have the wrong shape",
        [
            f"{name} {tuple(state[name].shape)} instead of {tuple(tensor.shape)}"
            for name, tensor in own.items()
            if tuple(state[name].shape) != tuple(tensor.shape)
        ],
    )
    kinds = {name: "f" if tensor.is_floating_point() else "iu" for name, tensor in own.items()}
    _refuse(
        "hold the wrong kind of number",
        [f"{name} ({state[name].dtype})" for name in own if state[name].dtype.kind not in kinds[name]],
    )
    _refuse(
        "hold values that are not finite",
        [name for name in own if kinds[name] == "f" and not np.isfinite(state[name]).all()],
    )
    with torch.no_grad():
        for name, tensor in own.items():
            # A copy, because torch warns of arrays that may not be written.
            tensor.copy_(torch.from_numpy(np.array(state[name], copy=True)))


def _refuse(problem: str, names: list[str]) -> None:
    if not names:
        return
    more = f" and {len(names) - _N_LISTED} more" if len(names) > _N_LISTED else ""
    if len(names) == 1:
        verb, rest = problem.split(" ", 1)
        problem = f"{_SINGULAR[verb]} {rest}"
    subject = "one tensor" if len(names) == 1 else f"{len(names)} tensors"
    raise BundleError(
        f"{subject} {problem}: {', '.join(names[:_N_LISTED])}{more}",
        "The bundle is damaged or of another network; ask for it again.",
    )
