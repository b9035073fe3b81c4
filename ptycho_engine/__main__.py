"""``python -m ptycho_engine VERB …``."""

import sys

from ptycho_engine.cli import main

if __name__ == "__main__":
    sys.exit(main())
