"""What an inference does in the way of an older PtychoPINN release: its input level, its groups, its canvas.

One entry of :data:`MODES` for each way. Facts about those releases are kept here and in
:mod:`ptycho_engine.geometry.compatibility`, so that the right way needs to know of none.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ptycho_engine.arrays import PositionArray
from ptycho_engine.config import InferConfig
from ptycho_engine.documents import Bundle, Dataset
from ptycho_engine.errors import ConfigError
from ptycho_engine.geometry.compatibility import (
    JULY_2026,
    JULY_2026_BARYCENTRIC,
    NOVEMBER_2025,
    BarycentricStitcher,
    CompatibleStitcher,
    FirstPatchStitcher,
    MirroredStitcher,
)
from ptycho_engine.geometry.grouping import Grouping, subsets_of_neighbors
from ptycho_engine.physics.scaling import dataset_input_scale
from ptycho_engine.stoppable_reading import go_on_of

Described = Literal["canvas", "all patches"]
"""What the one entry of a release's patch statistics describes."""
BOUNDS = (0.1, 0.9)
"""Part of the extent of the positions, along each axis, inside which the barycentric route takes patterns."""
SUBSETS = 7
"""Groups that the barycentric route draws for each position."""
CROP = 20
"""Side of the central square that the uniform route of July 2026 stitches [px]."""
TRIM = 32
"""Side of the central square that its barycentric route stitches [px]."""


@dataclass(frozen=True, slots=True)
class CompatibilityMode:
    """How one release infers."""

    name: str
    note: str
    """In words, what it does differently; the right way is what a person expects."""
    input_scale: Callable[[Dataset, Bundle, Grouping], float]
    """The factor on the measured amplitudes."""
    groups: Callable[[Dataset, Bundle, InferConfig], Grouping]
    stitcher: Callable[[Dataset, Bundle, PositionArray, InferConfig], CompatibleStitcher]
    """Made for the positions of all patches."""
    described: Described
    without_effect: tuple[str, ...]
    """Settings that the release does not have."""
    takes_whole_scan: bool = False
    """Whether it leaves no choice of how many patterns are taken."""

    def ignored(self, config: InferConfig) -> list[str]:
        """Return the names of the settings that were given, as they are not the default, and do nothing here."""
        defaults = {spec.name: spec.default for spec in fields(config)}
        return [name for name in self.without_effect if getattr(config, name) != defaults[name]]


def compatibility_mode(config: InferConfig) -> CompatibilityMode | None:
    """Return the release to follow, ``None`` for the right way.

    Raises
    ------
    ConfigError
        If the settings ask for what that release's way has no place for.
    """
    if config.compatibility == "none":
        return None
    mode = MODES[config.compatibility]
    if config.refine:
        raise ConfigError(
            f"compatibility {mode.name} reproduces what that release showed, and it refined nothing",
            "Refine without the compatibility setting.",
        )
    return mode


def _normalised(dataset: Dataset, bundle: Bundle, grouping: Grouping) -> float:
    return dataset_input_scale(dataset, grouping.group_indices[:, 0])


def _by_intensity_scale(dataset: Dataset, bundle: Bundle, grouping: Grouping) -> float:
    return bundle.intensity_scale


def _twice_normalised(dataset: Dataset, bundle: Bundle, grouping: Grouping) -> float:
    # N/sqrt(mean total) where training had (N/2)/sqrt(mean total), over all patterns of the file.
    return 2.0 * dataset_input_scale(dataset)


def _first_patterns(dataset: Dataset, bundle: Bundle, config: InferConfig) -> Grouping:
    """Take the first patterns in the order of the file, each of them as all members of its group."""
    count = dataset.n_scan if config.n_groups is None else min(config.n_groups, dataset.n_scan)
    channels = bundle.model.gridsize**2
    indices = np.repeat(np.arange(count, dtype=np.int64)[:, None], channels, axis=1)
    return Grouping(indices, dataset.scan_positions[:count], np.zeros((count, channels, 2)))


def _neighbours_in_bounds(dataset: Dataset, bundle: Bundle, config: InferConfig) -> Grouping:
    if config.n_groups is not None:
        raise ConfigError(
            f"compatibility {JULY_2026_BARYCENTRIC} takes every pattern that lies away from the rim of the scan",
            "Leave the number of groups out.",
        )
    positions, data = dataset.scan_positions, _recorded(bundle, "data_config")
    bounds = [_bounds(data.get(name)) for name in ("y_bounds", "x_bounds")]
    inside = np.all([_within(positions[:, axis], *bounds[axis]) for axis in (0, 1)], axis=0)
    return subsets_of_neighbors(
        positions,
        np.flatnonzero(inside),
        channels=bundle.model.gridsize**2,
        neighbor_count=config.neighbor_count,
        n_subsets=_whole(data.get("n_subsample"), SUBSETS, 1000) if bundle.model.object_big else 1,
        seed=config.seed,
        go_on=go_on_of(dataset),
    )


def _recorded(bundle: Bundle, table: str) -> Mapping[str, Any]:
    """Return one table of what a bundle of July 2026 says of its settings, empty where it says nothing."""
    records = bundle.provenance.get("upstream_records")
    found = records.get(table) if isinstance(records, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _bounds(value: Any) -> tuple[float, float]:
    """Return recorded bounds, those of that release where a file holds none that can be."""
    if not (isinstance(value, list | tuple) and len(value) == 2 and all(isinstance(one, int | float) for one in value)):
        return BOUNDS
    low, high = float(value[0]), float(value[1])
    return (low, high) if 0 <= low < high <= 1 else BOUNDS


def _whole(value: Any, default: int, greatest: int) -> int:
    return value if type(value) is int and 1 <= value <= greatest else default


def _within(values: NDArray[np.float64], low: float, high: float) -> NDArray[np.bool_]:
    first, extent = values.min(), np.ptp(values)
    return np.asarray((values >= first + low * extent) & (values <= first + high * extent))


def _first_patch(dataset: Dataset, bundle: Bundle, positions: PositionArray, config: InferConfig) -> CompatibleStitcher:
    return FirstPatchStitcher(positions, dataset.n)


def _mirrored(dataset: Dataset, bundle: Bundle, positions: PositionArray, config: InferConfig) -> CompatibleStitcher:
    return MirroredStitcher(positions, dataset.n, config.crop or CROP)


def _barycentric(dataset: Dataset, bundle: Bundle, positions: PositionArray, config: InferConfig) -> CompatibleStitcher:
    recorded = _recorded(bundle, "inference_config").get("middle_trim")
    return BarycentricStitcher(positions, dataset.n, dataset.probe, config.crop or _whole(recorded, TRIM, dataset.n))


MODES: dict[str, CompatibilityMode] = {
    mode.name: mode
    for mode in (
        CompatibilityMode(
            NOVEMBER_2025,
            "Numbers as of PtychoPINN 2025-11: raw patterns times the intensity scale instead of normalised ones, each "
            "pattern copied into all members of its group, and only the first patch on the canvas",
            input_scale=_by_intensity_scale,
            groups=_first_patterns,
            stitcher=_first_patch,
            described="all patches",
            without_effect=("neighbor_count", "weights", "crop", "seed"),
        ),
        CompatibilityMode(
            JULY_2026,
            "Numbers as of PtychoPINN 2026-07: each pattern copied into all members of its group, patches placed "
            "point-mirrored about the mean position, central squares of 20 px",
            input_scale=_normalised,
            groups=_first_patterns,
            stitcher=_mirrored,
            described="canvas",
            without_effect=("neighbor_count", "weights", "seed"),
        ),
        CompatibilityMode(
            JULY_2026_BARYCENTRIC,
            "Numbers as of the barycentric route of PtychoPINN 2026-07: patterns twice as bright as in training, none "
            "of the outer tenth of the scan, patches weighted with the probe's intensity",
            input_scale=_twice_normalised,
            groups=_neighbours_in_bounds,
            stitcher=_barycentric,
            described="canvas",
            without_effect=("weights",),
            takes_whole_scan=True,
        ),
    )
}
"""The compatibility modes by their names."""
