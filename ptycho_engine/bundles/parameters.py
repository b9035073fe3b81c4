"""Everything that a bundle says about itself as one table: name, value, usual value, meaning, and where it is kept."""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass
from typing import Any

from ptycho_engine.bundles.parameter_meanings import MEANINGS
from ptycho_engine.bundles.upstream_tables import (
    DATA_CONFIG,
    INFERENCE_CONFIG,
    MODEL_CONFIG,
    PARAMS,
    PARAMS_2025_11,
    TRAINING_CONFIG,
)
from ptycho_engine.config import ModelConfig, TrainConfig
from ptycho_engine.documents import TENSORFLOW_ERA, Bundle
from ptycho_engine.options import Config, options_of

_RECORDS: dict[str, dict[str, Any]] = {
    "data_config": DATA_CONFIG,
    "model_config": MODEL_CONFIG,
    "training_config": TRAINING_CONFIG,
    "inference_config": INFERENCE_CONFIG,
}
_OF_ITS_OWN = {
    *("intensity_scale", "output_prefix", "output_dir", "train_data_file_path", "test_data_file_path"),
    *("train_data_file", "test_data_file"),
}
"""Parameters of which each training has another: nobody takes a usual value for them."""
_BEFORE_JULY_2026 = ("2025-11", "2026-02", "2026-06")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One setting of a bundle."""

    name: str
    value: Any
    kept_in: str
    """Which table of the bundle says so; ``"network"`` for what was read out of all of them and of the tensors."""
    meaning: str = ""
    unit: str = ""
    has_default: bool = False
    default: Any = None
    """What the program that wrote the bundle takes where nothing is said, if ``has_default``."""

    @property
    def is_default(self) -> bool:
        """Whether it has its usual value."""
        return self.has_default and _plain(self.value) == _plain(self.default)


def bundle_parameters(bundle: Bundle) -> tuple[Parameter, ...]:
    """Return the parameters of a bundle: the network as it was read, then every table that the file holds."""
    return tuple(_parameters(bundle))


def _parameters(bundle: Bundle) -> Iterator[Parameter]:
    if bundle.era != TENSORFLOW_ERA:
        yield from _own("network", bundle.model.as_dict(), ModelConfig)
    yield from _upstream("params.dill", bundle.params, _params_defaults(bundle))
    if "recipe" in bundle.training:
        yield from _own("training", bundle.training, TrainConfig)
    else:
        yield from _upstream("training", bundle.training, TRAINING_CONFIG)
    for name, value in bundle.provenance.items():
        if name == "upstream_records" and isinstance(value, Mapping):
            yield from _records(value, with_training="recipe" in bundle.training)
        else:
            yield Parameter(name, value, "origin", MEANINGS.get(name, ""))


def _params_defaults(bundle: Bundle) -> Mapping[str, Any]:
    if bundle.era == TENSORFLOW_ERA:
        return {}
    return PARAMS_2025_11 if bundle.era in _BEFORE_JULY_2026 else PARAMS


def _records(records: Mapping[str, Any], *, with_training: bool) -> Iterator[Parameter]:
    for table, values in records.items():
        if isinstance(values, Mapping) and (with_training or table != "training_config"):
            yield from _upstream(table, values, _RECORDS.get(table, {}))


def _own(table: str, values: Mapping[str, Any], config: type[Config]) -> Iterator[Parameter]:
    options = options_of(config)
    for name, value in values.items():
        if name not in options:
            yield Parameter(name, value, table, MEANINGS.get(name, ""))
            continue
        option, default, _ = options[name]
        known = default is not MISSING
        yield Parameter(name, value, table, option.help, option.unit, known, default if known else None)


def _upstream(table: str, values: Mapping[str, Any], defaults: Mapping[str, Any]) -> Iterator[Parameter]:
    for name, value in values.items():
        known = name in defaults and name not in _OF_ITS_OWN
        yield Parameter(name, value, table, MEANINGS.get(name, ""), "", known, defaults[name] if known else None)


def _plain(value: Any) -> Any:
    """Return lists as tuples: a file keeps either."""
    return tuple(_plain(one) for one in value) if isinstance(value, (list, tuple)) else value
