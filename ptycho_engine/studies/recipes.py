"""The study of the training recipes: which trials its tables need."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ptycho_engine.config import TrainConfig
from ptycho_engine.studies.trial import Trial
from ptycho_engine.studies.variants import VARIANTS

SCAN, SHORT, ABLATION, SIMULATED = "scan", "short", "ablation", "simulated"
TABLES = (SCAN, SHORT, ABLATION, SIMULATED)
TITLES = {
    SCAN: "Recipes on the scan",
    SHORT: "Many starts, short trainings",
    ABLATION: "The recipe `reliable` with one change",
    SIMULATED: "Simulated scans",
}
RECIPES = ("reliable", "compatible", "upstream")


@dataclass(frozen=True, slots=True)
class StudyConfig:
    """How much of the study is run."""

    n_groups: int = 816
    """Patches seen in an epoch, at every gridsize."""
    epochs: int = 25
    short_epochs: int = 8
    seeds: int = 3
    short_seeds: int = 10
    recipes: Sequence[str] = RECIPES
    gridsizes: Sequence[int] = (1, 2)
    variants: Sequence[str] = tuple(VARIANTS)
    filters: int | None = None
    """``n_filters_scale`` of all trials; ``None`` takes each recipe's own."""
    accelerator: str = "auto"
    precision: str = "32"


def recipe_trials(study: StudyConfig, tables: Sequence[str], scan: str, simulated: Mapping[str, str]) -> list[Trial]:
    """Return the trials of the tables, those on the scan first.

    Parameters
    ----------
    study
        How much of it.
    tables
        Some of :data:`TABLES`.
    scan
        Names the scan of the first three tables.
    simulated
        Title of each simulated scan, and its name.
    """
    base = TrainConfig(
        gridsize=1,
        n_groups=study.n_groups,
        epochs=study.epochs,
        n_filters_scale=study.filters,
        accelerator=study.accelerator,
        precision=study.precision,
        preview_interval_s=3600.0,
        preview_count=1,
    )
    makers = {
        SCAN: lambda: _on_the_scan(study, base, scan),
        SHORT: lambda: _short(study, base, scan),
        ABLATION: lambda: _ablation(study, base, scan),
        SIMULATED: lambda: _simulated(study, base, simulated),
    }
    return [trial for table in TABLES if table in tables for trial in makers[table]()]


def _on_the_scan(study: StudyConfig, base: TrainConfig, scan: str) -> Iterator[Trial]:
    for gridsize in study.gridsizes:
        for recipe in study.recipes:
            for seed in range(1, study.seeds + 1):
                config = replace(_of_gridsize(base, gridsize), recipe=recipe, seed=seed)
                yield Trial(SCAN, f"{recipe}, gridsize {gridsize}", scan, config)


def _of_gridsize(base: TrainConfig, gridsize: int) -> TrainConfig:
    """Return a training that sees the same number of patches, in as many groups as there are patterns at most."""
    patches = base.n_groups * base.epochs
    groups = base.n_groups if gridsize == 1 else max(1, base.n_groups * 5 // 8)
    return replace(base, gridsize=gridsize, n_groups=groups, epochs=max(1, round(patches / (groups * gridsize**2))))


def _short(study: StudyConfig, base: TrainConfig, scan: str) -> Iterator[Trial]:
    for recipe in study.recipes:
        for seed in range(1, study.short_seeds + 1):
            yield Trial(SHORT, recipe, scan, replace(base, recipe=recipe, epochs=study.short_epochs, seed=seed))


def _ablation(study: StudyConfig, base: TrainConfig, scan: str) -> Iterator[Trial]:
    short = replace(base, epochs=study.short_epochs)
    for seed in range(1, study.seeds + 1):
        for variant in study.variants:
            yield Trial(ABLATION, variant, scan, replace(short, seed=seed), variant)
        yield Trial(ABLATION, "loss: mean absolute error", scan, replace(short, seed=seed, loss="mae"))


def _simulated(study: StudyConfig, base: TrainConfig, simulated: Mapping[str, str]) -> Iterator[Trial]:
    for title, scan in simulated.items():
        for recipe in study.recipes:
            config = replace(base, recipe=recipe, epochs=study.short_epochs, seed=1)
            yield Trial(SIMULATED, f"{title}, {recipe}", scan, config)
