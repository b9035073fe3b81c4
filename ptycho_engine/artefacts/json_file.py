"""Write JSON files atomically."""

from pathlib import Path
from typing import Any, BinaryIO

from ptycho_engine.artefacts.strict_json import json_text
from ptycho_engine.bundles.atomic import atomic_write


def write_json(value: Any, path: Path) -> None:
    """Write strict JSON atomically, indented by two."""
    data = (json_text(value) + "\n").encode()

    def write(file: BinaryIO) -> None:
        file.write(data)

    atomic_write(path, write, None)
