"""How much memory a training would take, asked in a job thread: torch follows the network for it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NoReturn

from ptycho_engine.config import TrainConfig
from ptycho_engine.documents import Bundle, Dataset
from ptycho_engine.errors import EngineError


@dataclass(frozen=True, slots=True)
class MemoryAnswer:
    """What is shown beside the settings of a training."""

    text: str
    fits: bool


def read_memory_need(
    datasets: Sequence[Dataset], config: TrainConfig, start_from: Bundle | None, into: list[MemoryAnswer]
) -> Iterator[NoReturn]:
    """Append what a training would take, and whether it fits, to ``into``; tells nothing on the way.

    What else is wrong with the settings is told by the training itself.
    """
    from ptycho_engine.device import choose_device
    from ptycho_engine.errors import DeviceError
    from ptycho_engine.memory_need import free_for, memory_note, require_memory
    from ptycho_engine.recipes import plan_training
    from ptycho_engine.training_memory import training_need, with_bundle

    try:
        device = choose_device(config.accelerator)
        plan = with_bundle(plan_training(config, datasets[0].n, datasets[0].probe), start_from)
        free = free_for(device)
        need = training_need(datasets, config, plan, device, free)
    except EngineError:
        return
    try:
        require_memory(need, free)
    except DeviceError as error:
        text = str(error)
        into.append(MemoryAnswer(text[0].upper() + text[1:], fits=False))
    else:
        into.append(MemoryAnswer(f"{memory_note(need, free)}.", fits=True))
    yield from ()
