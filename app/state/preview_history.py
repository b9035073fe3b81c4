"""Earlier previews of patches, thinned so that their number and their memory stay bounded."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from ptycho_engine.events import Delivery, PatchPreview

MAX_PREVIEWS = 48
"""As many as a run folder keeps."""
MAX_BYTES = 32 * 2**20
"""Memory of the previews of one history; at least three are kept, however large."""


@dataclass(frozen=True, slots=True, eq=False)
class PreviewHistory:
    """The previews of one job or run, oldest first: the first and the newest, and evenly spread ones in between."""

    source: str = ""
    """Id of the job, or key of the run."""
    items: tuple[PatchPreview, ...] = ()

    def __len__(self) -> int:
        return len(self.items)

    def with_preview(self, preview: PatchPreview) -> "PreviewHistory":
        """Return a history that ends with ``preview``; where there is no room, one in the closest company goes.

        A training that goes on from a checkpoint draws some steps again: those take the place of the earlier ones.
        """
        items = [one for one in self.items if one.step < preview.step]
        if items:
            preview = _sharing(preview, items[-1])
        items.append(preview)
        while len(items) > MAX_PREVIEWS or (len(items) > 3 and _n_bytes(items) > MAX_BYTES):
            gaps = [items[i + 1].step - items[i - 1].step for i in range(1, len(items) - 1)]
            del items[1 + gaps.index(min(gaps))]
        return replace(self, items=tuple(items))

    def nearest(self, step: int) -> int | None:
        """Return the place of the preview closest to ``step``, ``None`` if there is none."""
        if not self.items:
            return None
        return min(range(len(self.items)), key=lambda place: abs(self.items[place].step - step))


@dataclass(frozen=True, slots=True, eq=False)
class PreviewsRead:
    """The previews that a run folder holds were read."""

    delivery: ClassVar[Delivery] = Delivery.EVERY
    history: PreviewHistory


def _sharing(preview: PatchPreview, before: PatchPreview) -> PatchPreview:
    """Return ``preview`` with the measured patterns of the one before, where they are the same: a training's are."""
    same = preview.measured.shape == before.measured.shape and np.array_equal(preview.measured, before.measured)
    return replace(preview, measured=before.measured) if same else preview


def _n_bytes(items: list[PatchPreview]) -> int:
    arrays = {id(a): a.nbytes for one in items for a in (one.patches, one.measured, one.predicted) if a is not None}
    return sum(arrays.values())
