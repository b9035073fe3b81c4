"""How settings are declared and checked: each field of a configuration with help, unit, bounds and default."""

from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, dataclass, field, fields
from numbers import Integral, Real
from typing import Any, Self

from ptycho_engine.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Option:
    """How one setting presents itself to a person."""

    help: str
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    advanced: bool = False
    """Shown only when the person asks for all settings."""


def option(
    default: Any,
    help: str,
    *,
    unit: str = "",
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
    advanced: bool = False,
) -> Any:
    """Declare a dataclass field that carries an :class:`Option`."""
    return field(default=default, metadata={"option": Option(help, unit, minimum, maximum, choices, advanced)})


class Config:
    """What all settings share: checks, and plain dictionaries in both directions."""

    __slots__ = ()

    def __post_init__(self) -> None:
        for spec in fields(self):  # type: ignore[arg-type]
            _check(spec, getattr(self, spec.name))

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as plain values, fit for JSON."""
        return asdict(self)  # type: ignore[call-overload,no-any-return]

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build from plain values; an unknown name is an error that lists the known ones."""
        known = options_of(cls)
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise ConfigError(
                f"unknown setting {', '.join(unknown)} for {cls.__name__}", f"Known are: {', '.join(known)}."
            )
        return cls(**values)


def options_of(config: type[Config]) -> dict[str, tuple[Option, Any, str]]:
    """Return, for each field of a configuration, its option, its default and its type as written.

    The default is ``dataclasses.MISSING`` where the field must be given.
    """
    result: dict[str, tuple[Option, Any, str]] = {}
    for spec in fields(config):  # type: ignore[arg-type]
        entry = spec.metadata.get("option", Option(""))
        kind = spec.type if isinstance(spec.type, str) else getattr(spec.type, "__name__", str(spec.type))
        default = spec.default if spec.default is not MISSING else MISSING
        result[spec.name] = (entry, default, kind)
    return result


_KINDS: dict[str, tuple[type, str]] = {
    "bool": (bool, "true or false"),
    "int": (Integral, "a whole number"),
    "float": (Real, "a number"),
    "str": (str, "a text"),
}


def _check_kind(spec: "Field[Any]", value: Any) -> None:
    kind = spec.type if isinstance(spec.type, str) else getattr(spec.type, "__name__", str(spec.type))
    names = [name.strip() for name in kind.split("|")]
    if value is None and "None" in names:
        return
    wanted = [_KINDS[name] for name in names if name in _KINDS]
    fits = any(isinstance(value, kind) and (kind is bool or not isinstance(value, bool)) for kind, _ in wanted)
    if wanted and not fits:
        raise ConfigError(f"{spec.name} is {value!r}", f"It must be {wanted[0][1]}.")


def _check(spec: "Field[Any]", value: Any) -> None:
    entry: Option | None = spec.metadata.get("option")
    if entry is None:
        return
    _check_kind(spec, value)
    if value is None:
        return
    if entry.choices and str(value) not in entry.choices:
        raise ConfigError(f"{spec.name} is {value!r}", f"It must be one of {', '.join(entry.choices)}.")
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return
    if value != value:
        raise ConfigError(f"{spec.name} is not a number", "Give a finite value.")
    low, high = entry.minimum, entry.maximum
    if (low is not None and value < low) or (high is not None and value > high):
        bounds = f"from {low:g}" if high is None else f"up to {high:g}" if low is None else f"from {low:g} to {high:g}"
        raise ConfigError(f"{spec.name} is {value!r}", f"It must be {bounds}{' ' + entry.unit if entry.unit else ''}.")
