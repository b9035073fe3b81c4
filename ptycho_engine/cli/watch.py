"""``watch``: follow a run that is being written and print its events until it ends."""

import argparse
from pathlib import Path

from ptycho_engine.cli.console import Console
from ptycho_engine.cli.interrupt import Interrupt
from ptycho_engine.errors import EngineError
from ptycho_engine.events import BundleLoaded, LossMeasured, RunEnded, RunObserved
from ptycho_engine.watching.watch import INTERVAL_S, QUIET_S, watch

EXAMPLE = "watch run --json"
FAILED = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("folder", metavar="DIR", help="the run folder, of this program or of PtychoPINN")
    parser.add_argument(
        "--quiet-after",
        type=_seconds,
        default=QUIET_S,
        metavar="SECONDS",
        help=f"say so when nothing was written for this long (default {QUIET_S:g})",
    )
    parser.add_argument(
        "--give-up-after",
        type=_seconds,
        metavar="SECONDS",
        help="end, with status 4, when nothing was written for this long; by default watch for ever",
    )
    parser.add_argument(
        "--every",
        type=_seconds,
        default=INTERVAL_S,
        metavar="SECONDS",
        help=f"time between two looks (default {INTERVAL_S:g})",
    )


def run(arguments: argparse.Namespace, console: Console, interrupt: Interrupt) -> int:
    """Watch."""
    folder = Path(arguments.folder)
    told: tuple[object, ...] = ()
    steps, loss, bundle = 0, None, None
    for event in interrupt.until(watch(folder, quiet_s=arguments.quiet_after, interval_s=arguments.every)):
        if isinstance(event, RunObserved):
            # Told at each look; printed when something else than the time has changed.
            state = (event.run, event.silent)
            if state != told:
                told = state
                console.event(event)
            if arguments.give_up_after is not None and event.seconds_without_news >= arguments.give_up_after:
                raise EngineError(
                    f"no news for {event.seconds_without_news:.0f} s", "The run may be dead.", file=folder
                )
            continue
        console.event(event)
        if isinstance(event, LossMeasured):
            steps, loss = steps + 1, event.loss
        elif isinstance(event, BundleLoaded):
            bundle = event.bundle.path
        elif isinstance(event, RunEnded):
            _tell(event, steps, loss, bundle, console)
            return FAILED if event.died or event.run.state == "failed" else 0
    raise AssertionError("a watch ends with the end of its run")


def _tell(ended: RunEnded, steps: int, loss: float | None, bundle: Path | None, console: Console) -> None:
    values = {
        "event": "result",
        "verb": "watch",
        "run_folder": ended.run.path,
        "state": ended.run.state,
        "died": ended.died,
        "message": ended.message,
        "steps": steps,
        "loss": loss,
        "bundle": bundle,
    }
    text = f"{ended.run.path.name}: {'died' if ended.died else ended.run.state}"
    text += f" ({ended.message})" if ended.message else ""
    text += "" if loss is None else f", {steps} steps, loss {loss:.6g}"
    console.record(values, text if bundle is None else f"{text}\nbundle: {bundle}")


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"{text} is not a time above 0 s")
    return value
