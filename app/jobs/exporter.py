"""Writing what a panel exports: a generator for a job thread of the lane of files."""

from collections.abc import Iterator
from typing import BinaryIO

from app.display.exports import Export
from ptycho_engine.bundles.atomic import atomic_write
from ptycho_engine.events import FileWritten


def write_export(export: Export) -> Iterator[FileWritten]:
    """Write one file, whole or not at all; answers ``export_asked(Export)`` of a panel."""
    atomic_write(export.path, lambda stream: _write(export, stream), None)
    yield FileWritten(export.path)


def _write(export: Export, stream: BinaryIO) -> None:
    if isinstance(export.content, bytes):
        stream.write(export.content)
        return
    # Imported here: most sessions never write a TIFF.
    import tifffile

    # TIFF descriptions are 7-bit text.
    description = export.description.encode("ascii", "replace").decode()
    tifffile.imwrite(stream, export.content, description=description)
