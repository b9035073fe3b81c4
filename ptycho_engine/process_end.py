"""End the process at once when all is done.

The interpreter would first take torch apart, object by object: seconds on a busy machine, after the last file is
written and the window is gone.
"""

import logging
import os
import sys
from typing import NoReturn

_NOT_FLUSHED = 120
"""Python's own exit status when what was printed cannot be written."""


def end_process(status: int) -> NoReturn:
    """Write out what was printed and end with an exit status; nothing else is run any more."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            status = status or _NOT_FLUSHED
    logging.shutdown()
    os._exit(status)
