"""The headless program: one verb, its flags, its events as text or JSON.

Nothing heavy is imported before it is clear which verb runs; torch only by the verbs that compute.
"""

import argparse
import errno
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Protocol, cast

from ptycho_engine import __version__
from ptycho_engine.cli.console import Console
from ptycho_engine.cli.interrupt import Interrupt, Interrupted
from ptycho_engine.cli.several import EndedElsewhere
from ptycho_engine.errors import ConfigError, EngineError
from ptycho_engine.ranks import own_rank

VERBS = {
    "simulate": "make a dataset, from nothing or from a file's probe, object and positions",
    "inspect": "say what files are and what is wrong with them",
    "compare": "say what differs between two bundles, checkpoints, datasets or runs, worst first",
    "report": "list the artefacts of a run: files, digests, configuration, key metrics, diagnoses",
    "train": "train a network on a scan and write the run folder",
    "infer": "reconstruct the object of a scan with a trained network",
    "watch": "follow a run that is being written, of this program or of PtychoPINN, and tell its events until it ends",
    "bench": "measure this machine: each figure to reach beside the figure reached, and a plain reference",
    "study": "train with different recipes, seeds and switches, and make tables of what comes out",
}
USAGE_ERROR = 2
INTERNAL_ERROR = 4
BROKEN_PIPE = 141


class Verb(Protocol):
    """What the module of a verb has to offer; ``MAY_BE_SHARED = True`` if several processes may do it together."""

    EXAMPLE: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the flags."""
        ...

    def run(self, arguments: argparse.Namespace, console: Console, interrupt: Interrupt) -> int:
        """Do the work and return the exit status."""
        ...


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; return 0 done, 2 usage, 3 bad input, 4 job failed, 130 interrupted (128 + n for a signal n)."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        parser, verb = _parser(words)
        arguments = parser.parse_args(words)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else USAGE_ERROR
    assert verb is not None  # argparse has refused a missing or unknown verb
    # Of several processes only the first speaks.
    silent = getattr(verb, "MAY_BE_SHARED", False) and own_rank() > 0
    log_file = None if silent else arguments.log_file
    with Console(json=arguments.json, quiet=arguments.quiet, silent=silent, log_file=log_file) as console:
        return _run(verb, arguments, console)


def _run(verb: Verb, arguments: argparse.Namespace, console: Console) -> int:
    interrupt = Interrupt(console)
    try:
        with interrupt:
            return verb.run(arguments, console, interrupt)
    except (Interrupted, EndedElsewhere) as stopped:
        return stopped.exit_status
    except KeyboardInterrupt as at_once:
        return 128 + (at_once.args[0] if at_once.args else signal.SIGINT)
    except OSError as error:
        if not isinstance(error, BrokenPipeError) and error.errno != errno.EIO:
            return _defect(error, arguments, console)
        # Whoever read has gone: a pipe, or the terminal with its connection.
        console.silence()
        return BROKEN_PIPE if interrupt.heard is None else 128 + interrupt.heard
    except UsageError as error:
        console.error(error)
        return USAGE_ERROR
    except EngineError as error:
        _show_traceback(arguments)
        console.error(error)
        return error.exit_status
    except Exception as error:  # noqa: BLE001 - the last resort: one line instead of a traceback
        return _defect(error, arguments, console)


def _defect(error: Exception, arguments: argparse.Namespace, console: Console) -> int:
    _show_traceback(arguments)
    what = f"{type(error).__name__}: {error}".splitlines()[0]
    console.error(EngineError(f"an error of the program itself ({what})", "Run with --debug and report it."))
    return INTERNAL_ERROR


class UsageError(ConfigError):
    """Flags that contradict each other or lie outside their bounds."""


def _parser(words: list[str]) -> tuple[argparse.ArgumentParser, Verb | None]:
    parser = argparse.ArgumentParser(
        prog="ptychoscope-engine",
        description="Ptychoscope without a screen: simulate, train, infer and inspect ptychography data.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"Ptychoscope {__version__}")
    verbs = parser.add_subparsers(title="verbs", dest="verb", required=True, metavar="VERB")
    asked = next((word for word in words if not word.startswith("-")), None)
    module: Verb | None = None
    for name, summary in VERBS.items():
        sub = verbs.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        if name != asked:
            continue
        module = cast("Verb", import_module(f"ptycho_engine.cli.{name}"))
        sub.epilog = f"example:\n  python -m ptycho_engine {module.EXAMPLE}"
        module.add_arguments(sub)
        _add_common(sub)
    return parser, module


def _add_common(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("common")
    group.add_argument("--json", action="store_true", help="one JSON object a line on stdout, for each event")
    group.add_argument("--quiet", action="store_true", help="print results and errors only")
    group.add_argument("--log-file", metavar="FILE", help="append all messages to this file, with their time")
    group.add_argument("--debug", action="store_true", help="show the traceback of an error")


def _show_traceback(arguments: argparse.Namespace) -> None:
    if arguments.debug:
        import traceback

        traceback.print_exc()
