"""Flags made from the settings: name, help, unit, bounds and default are written once, in ``config.py``."""

import argparse
import json
from dataclasses import MISSING
from pathlib import Path
from typing import Any, TypeVar

from ptycho_engine.cli import UsageError
from ptycho_engine.config import Config, Option, options_of
from ptycho_engine.errors import ConfigError, InputError

ConfigT = TypeVar("ConfigT", bound=Config)


def add_config_options(
    parser: argparse.ArgumentParser,
    config: type[Config],
    *,
    names: dict[str, str] | None = None,
    empty: dict[str, str] | None = None,
    leave_out: tuple[str, ...] = (),
) -> None:
    """Add one flag for each setting.

    A flag that is not given leaves no trace in the arguments, so that a configuration file can stand behind the flags.

    Parameters
    ----------
    parser
        Where the flags are added.
    config
        The settings.
    names
        Flags that are not called as their setting, with the name of their value where it is to be told
        (``{"from_file": "--from FILE"}``).
    empty
        The words that stand for an empty setting (``{"n_groups": "all"}``).
    leave_out
        Settings without a flag.
    """
    for name, (entry, default, kind) in options_of(config).items():
        if name in leave_out:
            continue
        flag, _, metavar = (names or {}).get(name, f"--{name.replace('_', '-')}").partition(" ")
        word = (empty or {}).get(name)
        text = _help(entry, default, word)
        if kind == "bool":
            parser.add_argument(
                flag, dest=name, action=argparse.BooleanOptionalAction, default=argparse.SUPPRESS, help=text
            )
            continue
        numeric = "int" in kind or "float" in kind
        parser.add_argument(
            flag,
            dest=name,
            default=argparse.SUPPRESS,
            type=_reader(kind, word, entry),
            metavar=None if entry.choices and not numeric else metavar or _metavar(flag),
            choices=entry.choices if entry.choices and not numeric else None,
            help=text,
        )


def config_from(arguments: argparse.Namespace, config: type[ConfigT], file: str | None = None, **fixed: Any) -> ConfigT:
    """Build settings from a configuration file, the flags that were given, and fixed values, the later ones first.

    Raises
    ------
    UsageError
        If a flag lies outside its bounds.
    InputError
        If the configuration file cannot be used.
    """
    values = {} if file is None else read_config_file(Path(file), config)
    values |= {name: getattr(arguments, name) for name in options_of(config) if hasattr(arguments, name)}
    try:
        return config.from_dict(values | fixed)
    except ConfigError as error:
        raise UsageError(error.message, error.hint) from error


def read_config_file(path: Path, config: type[Config]) -> dict[str, Any]:
    """Return the settings of a JSON file, or of the ``run.json`` of an earlier run.

    Raises
    ------
    InputError
        If the file cannot be read or holds a setting that is unknown or out of bounds.
    """
    try:
        values = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", "Check the path.", file=path) from error
    except ValueError as error:
        raise InputError(f"is not JSON ({error})", "Correct the file.", file=path) from error
    if isinstance(values, dict) and isinstance(values.get("configuration"), dict):
        values = values["configuration"]
    if not isinstance(values, dict):
        raise InputError("holds no table of settings", 'Write it as {"epochs": 50, …}.', file=path)
    try:
        config.from_dict(values)
    except (ConfigError, TypeError) as error:
        hint = error.hint if isinstance(error, ConfigError) else "Correct the file."
        message = error.message if isinstance(error, ConfigError) else f"cannot be used ({error})"
        raise InputError(message, hint, file=path) from error
    return values


def _help(entry: Option, default: Any, word: str | None) -> str:
    parts = [entry.unit] if entry.unit else []
    if entry.minimum is not None and entry.maximum is not None:
        parts.append(f"{_shown(entry.minimum)} to {_shown(entry.maximum)}")
    elif entry.minimum is not None:
        parts.append(f"from {_shown(entry.minimum)}")
    if default is None and word is not None:
        parts.append(f"default {word}")
    elif default is not MISSING and default is not None and not isinstance(default, bool):
        parts.append(f"default {_shown(default) if isinstance(default, float) else default}")
    elif isinstance(default, bool):
        parts.append(f"default {'on' if default else 'off'}")
    text = entry.help.split("; empty")[0]
    text = text[0].lower() + text[1:]
    return f"{text} [{', '.join(parts)}]".replace("%", "%%") if parts else text.replace("%", "%%")


def _shown(number: float) -> str:
    """Write a bound so that it can be typed again."""
    return str(int(number)) if number == int(number) and abs(number) < 1e10 else f"{number:g}"


def _metavar(flag: str) -> str:
    return flag.rsplit("-", 1)[-1].upper()


def _reader(kind: str, word: str | None, entry: Option) -> Any:
    """Return what turns the text of a flag into its value, with argparse's own kind of message."""

    def read(text: str) -> Any:
        if word is not None and text == word:
            return None
        if "int" in kind:
            # 1e5 is how people write such numbers.
            number = float(text)
            if number != int(number):
                raise ValueError(text)
            return int(number)
        return float(text) if "float" in kind else text

    read.__name__ = "whole number" if "int" in kind else "number" if "float" in kind else "value"
    if word is not None:
        read.__name__ += f" (or {word!r})"
    return read
