"""Model bundles and checkpoints: read without running them, written atomically."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ptycho_engine.bundles.read import read_bundle
    from ptycho_engine.bundles.write import save_bundle

__all__ = ["read_bundle", "save_bundle"]


def __getattr__(name: str) -> Any:
    """Load the readers and the writer when they are first asked for: whoever writes any file needs ``atomic`` alone."""
    if name == "read_bundle":
        from ptycho_engine.bundles.read import read_bundle

        return read_bundle
    if name == "save_bundle":
        from ptycho_engine.bundles.write import save_bundle

        return save_bundle
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
