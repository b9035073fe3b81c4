"""Model bundles and checkpoints: read without running them, written atomically."""

from ptycho_engine.bundles.read import read_bundle
from ptycho_engine.bundles.write import save_bundle

__all__ = ["read_bundle", "save_bundle"]
