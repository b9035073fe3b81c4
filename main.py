"""Start the Ptychoscope desktop app; nothing else."""

import sys

from app.application import main
from ptycho_engine.process_end import end_process

if __name__ == "__main__":
    end_process(main(sys.argv))
