"""The pages of the guide, read in a job thread."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

GUIDE = "guide.md"


def read_pages(into: dict[str, str]) -> Iterator[NoReturn]:
    """Read all pages by their names; there are none where the guide is not installed. Tells nothing on the way.

    Parameters
    ----------
    into
        Receives the text of each page.
    """
    folder = docs_folder()
    if folder is not None:
        for path in sorted(folder.glob("*.md")):
            try:
                into[path.name] = path.read_text(encoding="utf-8")
            except OSError as error:
                into[path.name] = f"This page cannot be read: {error}"
    yield from ()


def docs_folder() -> Path | None:
    """Return where the guide lies: beside the program, or where its installation has put it."""
    places = (Path(__file__).resolve().parents[2] / "docs", Path(sys.prefix) / "share" / "ptychoscope" / "docs")
    return next((place for place in places if (place / GUIDE).is_file()), None)
