"""Build a network, and move its tensors between the network and a bundle, strictly."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ptycho_engine.arrays import frozen_array
from ptycho_engine.config import ModelConfig
from ptycho_engine.documents import TENSORFLOW_ERA, Bundle
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
    if model.output not in architecture.outputs:
        raise ConfigError(
            f"the network {model.architecture!r} does not draw {model.output}",
            f"Choose an output of {', '.join(architecture.outputs)}.",
        )
    return PatchNetwork(model, architecture.build(model))


def build_model(bundle: Bundle, device: "torch.device | str" = "cpu") -> "PatchNetwork":
    """Return the network of a bundle with its weights, ready to infer.

    Raises
    ------
    BundleError
        If the tensors are not exactly those of the network, or one of them is not finite.
    """
    require_runnable(bundle)
    try:
        network = build_network(bundle.model)
        load_state(network, bundle.state)
    except EngineError as error:
        raise BundleError(error.message, error.hint, file=bundle.path) from error
    return network.to(device).eval()


def require_runnable(bundle: Bundle) -> None:
    """Raise, saying what to do instead, if the network of a bundle is of a kind that cannot be built here.

    Raises
    ------
    BundleError
        If it is of TensorFlow.
    """
    if bundle.era == TENSORFLOW_ERA:
        raise BundleError(
            "this is a TensorFlow network of PtychoPINN, which can be looked at here, but not run",
            "Train a network anew on the same scan, or run this one with PtychoPINN's TensorFlow backend.",
            file=bundle.path,
        )


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
    tensors = network.state_dict(keep_vars=True)
    # A tensor with several names is one array with several names.
    arrays = {id(tensor): frozen_array(tensor.detach().cpu().contiguous().numpy()) for tensor in tensors.values()}
    return {name: arrays[id(tensor)] for name, tensor in tensors.items()}


def load_state(network: "PatchNetwork", state: Mapping[str, NDArray[Any]]) -> None:
    """Put ``state`` into the network: every tensor, of the right shape, finite; otherwise nothing is changed.

    Raises
    ------
    BundleError
        Naming the first five tensors that are missing, unexpected, of the wrong shape or kind, or not finite.
    """
    import torch

    own = network.state_dict(keep_vars=True)
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
    kinds = {
        name: "f" if tensor.is_floating_point() else "c" if tensor.is_complex() else "iu"
        for name, tensor in own.items()
    }
    _refuse(
        "hold the wrong kind of number",
        [f"{name} ({state[name].dtype})" for name in own if state[name].dtype.kind not in kinds[name]],
    )
    _refuse(
        "hold values that are not finite",
        [name for name in own if kinds[name] in "fc" and not np.isfinite(state[name]).all()],
    )
    _refuse("have values that contradict each other", _contradictions(own, state))
    with torch.no_grad():
        for name, tensor in own.items():
            # A copy, because torch warns of arrays that may not be written.
            tensor.copy_(torch.from_numpy(np.array(state[name], copy=True)))


def _contradictions(own: "Mapping[str, torch.Tensor]", state: Mapping[str, NDArray[Any]]) -> list[str]:
    """Return the names under which one tensor of the network would get other values than under its first name."""
    first: dict[int, str] = {}
    for name, tensor in own.items():
        first.setdefault(id(tensor), name)
    return [name for name, tensor in own.items() if not np.array_equal(state[name], state[first[id(tensor)]])]


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
