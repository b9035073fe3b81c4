"""What differs between two bundles, datasets, checkpoints or runs, worst first."""

from ptycho_engine.comparison.compare import compare_files
from ptycho_engine.comparison.differences import Comparison, Difference

__all__ = ["Comparison", "Difference", "compare_files"]
