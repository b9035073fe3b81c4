"""``python -m ptycho_engine VERB …``."""

from typing import NoReturn

from ptycho_engine.cli import main
from ptycho_engine.process_end import end_process


def run() -> NoReturn:
    """Start a verb as an installed program."""
    end_process(main())


if __name__ == "__main__":
    run()
