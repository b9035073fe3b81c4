"""A network whose trained part goes through torch's compiler: the same numbers up to rounding, in faster steps.

The network itself stays as it is, with its tensors, names and hooks; only whole batches of one size are drawn by what
the compiler made of it. What is smaller is drawn by the network as it stands: another size would be compiled anew.
"""

import os
import shutil
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import torch

from ptycho_engine.device import drop_frames, lacking_memory
from ptycho_engine.events import MessageLogged
from ptycho_engine.models.network import PatchNetwork

_BACKEND = "inductor"
COMPILING = MessageLogged("info", "The network is to be compiled: about a minute, where there is a compiler")
_LONGEST_REASON = 160
"""Characters of what a compiler says that a person is shown."""
_Draw = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


def missing_compiler() -> str:
    """Return in a sentence that there is no C++ compiler for networks on the CPU; empty if there is one."""
    usual = {"win32": "cl", "darwin": "clang++"}.get(sys.platform, "g++")
    wanted = os.environ.get("CXX") or usual
    return "" if shutil.which(wanted) else f"No C++ compiler was found ({wanted})"


class CompiledNetwork:
    """Draws patches as a network does, batches of one size by compiled code.

    Parameters
    ----------
    network
        The network; it is not changed, and its weights may change at any time.
    """

    def __init__(self, network: PatchNetwork) -> None:
        self._network = network
        self._draw: _Draw | None = None
        self._shape: torch.Size | None = None

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Return the (B, C, N, N) patches of normalised patterns."""
        draw = self._draw if images.shape == self._shape else None
        patches: torch.Tensor = self._network(images) if draw is None else self._network(images, draw)
        return patches

    def compile_for(
        self, images: torch.Tensor, arithmetic: Callable[[], AbstractContextManager[object]], *, gradients: bool
    ) -> MessageLogged:
        """Compile for batches of the shape of some patterns, and say what came of it.

        Where it fails, the network draws everything as it stands, and the message is a warning; nothing is raised.
        Weights, buffers, gradients and random numbers are left as they are.

        Parameters
        ----------
        images
            (B, C, N, N) normalised patterns, laid out as those to come.
        arithmetic
            Makes the context in which the network computes.
        gradients
            Whether gradients of the weights will be asked for.
        """
        self._draw, self._shape = None, None
        missing = missing_compiler() if images.device.type == "cpu" else ""
        if missing:
            return _uncompiled(missing)
        begun = time.perf_counter()
        try:
            with _left_alone(self._network), _quiet(), arithmetic():
                draw = _compiler(self._network.autoencoder)
                patches = self._network(images, draw)
                if gradients:
                    self._backward(patches)
        # Whatever the compiler stumbles over: the network computes as well without it.
        except Exception as error:  # noqa: BLE001
            reason = _reason(error)
            drop_frames(error)
            return _uncompiled(reason)
        self._draw, self._shape = draw, images.shape
        return MessageLogged(
            "info", f"The network was compiled for batches of {len(images)} in {time.perf_counter() - begun:.0f} s"
        )

    def _backward(self, patches: torch.Tensor) -> None:
        trained = [one for one in self._network.autoencoder.parameters() if one.requires_grad]
        # Not ``backward``, which would leave gradients with the weights.
        torch.autograd.grad(torch.view_as_real(patches).sum(), trained, allow_unused=True)


def forget_compiled() -> None:
    """Drop what was compiled for networks that are gone: torch keeps it, and only so much of one function."""
    if "torch._dynamo" in sys.modules:
        torch.compiler.reset()


def _compiler(autoencoder: torch.nn.Module) -> _Draw:
    def draw(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        drawn: tuple[torch.Tensor, torch.Tensor] = autoencoder(images)
        return drawn

    # One at a time: the compiler would else leave processes of its own behind.
    options: dict[str, str | int | bool | Callable[..., object]] | None = None
    options = {"compile_threads": 1} if _BACKEND == "inductor" else None
    compiled: _Draw = torch.compile(draw, dynamic=False, backend=_BACKEND, options=options)
    return compiled


@contextmanager
def _left_alone(network: torch.nn.Module) -> Iterator[None]:
    """Put back what a pass changes beside its gradients: statistics of a batch, and random numbers."""
    kept = [(one, one.detach().clone()) for one in network.buffers()]
    with torch.random.fork_rng(devices=[]):
        try:
            yield
        finally:
            with torch.no_grad():
                for one, before in kept:
                    one.copy_(before)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep to itself what the compiler has to say of its own parts, and of operations that it leaves as they are."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _uncompiled(reason: str) -> MessageLogged:
    return MessageLogged("warning", f"{reason}: the network computes uncompiled, with the same results", shown=True)


def _reason(error: Exception) -> str:
    """Return in words why nothing was compiled, without what only the compiler's makers understand."""
    lacking = lacking_memory(error)
    if lacking is not None:
        return "There was too little memory to compile the network"
    lines = [line.strip() for line in str(error).splitlines()]
    told = next((line for line in lines if line and not line.startswith("backend=")), type(error).__name__)
    return f"The network could not be compiled ({told[:_LONGEST_REASON].rstrip('.:')})"
