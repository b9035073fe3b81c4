"""What the pictures of the Patches panel show, and its figures as tables."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from app.display.canvas_pictures import CYCLE
from app.display.levels import Levels, percentile_levels, symmetric_levels
from app.display.normalise import Normalisation, normalise
from app.display.patch_numbers import COLUMN_KEYS, Quantity, patch_numbers
from ptycho_engine.arrays import FloatArray
from ptycho_engine.documents import AmplitudeScale
from ptycho_engine.events import PatchPreview


@dataclass(frozen=True)
class ShownPatches:
    """A preview in one quantity and scale; what takes its time is worked out when it is first asked for."""

    preview: PatchPreview
    values: FloatArray
    quantity: Quantity
    scale: AmplitudeScale
    label: str
    normalisation: Normalisation

    @cached_property
    def levels(self) -> Levels:
        """The one range of all patches."""
        return CYCLE if self.quantity == "phase" else percentile_levels(self.values)

    @cached_property
    def normalized(self) -> FloatArray:
        """Each patch normalized by itself."""
        return normalise(self.values, self.normalisation)

    @cached_property
    def normalized_levels(self) -> Levels:
        """The one range of all normalized patches."""
        return symmetric_levels(self.normalized) if self.normalisation == "z-score" else (0.0, 1.0)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns of ``rows``."""
        kind = f"{self.quantity}_{self.scale}" if self.quantity == "amplitude" else "phase_rad"
        return ("patch", "frame", "y_px", "x_px", *(f"{kind}_{key}" for key in COLUMN_KEYS))

    def rows(self) -> list[tuple[float, ...]]:
        """Return the figures of each patch."""
        places = zip(self.preview.frame_indices, self.preview.scan_positions, strict=True)
        return [
            (i, int(frame), float(y), float(x), *patch_numbers(self.values[i : i + 1]).as_tuple())
            for i, (frame, (y, x)) in enumerate(places)
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return the figures of each patch and of all, with their scales."""
        preview, columns = self.preview, self.columns
        return {
            "phase": preview.phase,
            "step": preview.step,
            "quantity": self.label,
            "network_per_physical": preview.network_per_physical,
            "intensity_scale": preview.intensity_scale,
            "all": dict(zip(COLUMN_KEYS, patch_numbers(self.values).as_tuple(), strict=True)),
            "patches": [dict(zip(columns, row, strict=True)) for row in self.rows()],
        }
