"""One optimiser step in several processes: each draws its share of a batch, and all leave with the same gradients.

Where each pattern is predicted from its own group, the shares of the loss and of the gradients add up. Where patterns
are predicted from the one object that all patches of a batch are merged into, the patches of all processes are brought
together first: each process then computes the loss of the whole batch, which is little beside the network, and takes
its gradients to the patches that it drew itself. Both give what one process gives, up to rounding.
"""

from typing import TYPE_CHECKING

import torch

from ptycho_engine.batches import Batch
from ptycho_engine.device import drop_frames, lacking_memory
from ptycho_engine.ranks import Ranks
from ptycho_engine.recipes import Plan

if TYPE_CHECKING:
    from ptycho_engine.trainer import Scene, Trainer

_PAIR = 2
_HALVED = 16
"""Patterns of a step from which on two halves of it are drawn on a CPU, in 0.97 to 1.12 of the time of the whole."""
_Parts = tuple[list[torch.Tensor], list[torch.Tensor]]


def drawn_at_once(images: torch.Tensor, plan: Plan) -> list[torch.Tensor]:
    """Return what one process draws at once of a batch, so that its sums have the bits of those of two processes.

    A training makes much of little: what two processes add up in another order than one leads to other losses within
    ten steps. So one draws the shares of two where that costs little: on the CPU, in steps of 16 patterns and more.

    Parameters
    ----------
    images
        (B, C, N, N) patterns.
    plan
        The recipe. Without a shared object processes differ in more than this; and a network that normalises over the
        batch takes it as a whole.
    """
    halved = plan.shared_object and not plan.model.batch_norm and plan.batch_size * images.shape[1] >= _HALVED
    if images.device.type != "cpu" or not halved or len(images) < _PAIR:
        return [images]
    return [images[Ranks(rank, _PAIR).share(len(images))] for rank in range(_PAIR)]


def gradients_of_shares(trainer: "Trainer", batch: Batch, scene: "Scene") -> _Parts:
    """Leave the gradients of a batch with the parameters of every process; return losses and objects of its parts.

    Parameters
    ----------
    trainer
        The same in every process, weights included.
    batch
        The whole batch, the same in every process.
    scene
        Its scan.

    Raises
    ------
    SharedMemoryError
        In all processes, if one of them has run out of memory.
    PeerLost
        If another process has ended.
    """
    losses, drawn = [], []
    for part in batch.parts(trainer.n_parts):
        loss, patches = _part(trainer, part, batch, scene)
        losses.append(loss)
        with torch.no_grad():
            drawn.append(trainer.network.object_of(patches))
    if trainer.plan.shared_object:
        # Of what is beside the network every process has the whole gradient already, and they are added up.
        for parameter in trainer.network.model.forward_model.parameters():
            if parameter.grad is not None:
                parameter.grad /= trainer.ranks.size
    trainer.ranks.add_up_gradients(trainer.parameters)
    return losses, drawn


def _part(trainer: "Trainer", part: Batch, batch: Batch, scene: "Scene") -> tuple[torch.Tensor, torch.Tensor]:
    ranks = trainer.ranks
    counts = [len(part.groups[ranks.share(len(part.groups), rank)]) for rank in range(ranks.size)]
    own = part.share(ranks.share(len(part.groups)))
    loss = torch.zeros((), dtype=torch.float64, device=part.images.device)
    patches: torch.Tensor | None = None
    lacking = None
    try:
        if counts[ranks.rank]:
            if trainer.plan.shared_object:
                patches = trainer.draw(own, scene)
            else:
                patches, predicted = trainer.as_trained(own, scene)
                loss = trainer.loss(predicted, own, batch, scene)
                loss.backward()  # type: ignore[no-untyped-call]
    except (RuntimeError, MemoryError) as error:
        lacking = _lacking(error)
    # Before anything is exchanged: whoever has no patches would keep the others waiting.
    ranks.require_memory(lacking)
    if patches is None:
        patches = torch.zeros((0, *part.images.shape[1:]), dtype=torch.complex64, device=part.images.device)
    everyone = ranks.join(patches if trainer.plan.shared_object else patches.detach(), counts)
    if not trainer.plan.shared_object:
        loss = loss.detach().double()
        ranks.add_up(loss)
        return loss, everyone
    try:
        loss = trainer.loss(trainer.predict_merged(everyone, part, scene), part, batch, scene)
        loss.backward()  # type: ignore[no-untyped-call]
        lacking = None
    except (RuntimeError, MemoryError) as error:
        lacking = _lacking(error)
    ranks.require_memory(lacking)
    return loss.detach(), everyone.detach()


def _lacking(error: RuntimeError | MemoryError) -> str:
    lacking = lacking_memory(error)
    if lacking is None:
        raise error
    drop_frames(error)
    return lacking
