"""What survives a restart: a small JSON file in the person's configuration folder, and where other files are kept."""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from ptycho_engine.bundles.atomic import atomic_write
from ptycho_engine.errors import OutputError

SCHEMA = 1
RECENT_LIMIT = 12
THEMES = ("desktop", "light", "dark")


@dataclass(frozen=True, slots=True)
class Settings:
    """The remembered settings; all have a default."""

    recent_files: tuple[str, ...] = ()
    geometry: str = ""
    """Place and size of the window, as Qt packs it, base64."""
    layout: str = "train"
    """The layout in use."""
    docks: Mapping[str, str] = field(default_factory=dict)
    """Where the docks are, for each layout, as Qt packs it, base64."""
    tabs: Mapping[str, str] = field(default_factory=dict)
    """The panel in front in the middle, for each layout."""
    theme: str = "desktop"
    last_folder: str = ""
    """Where files were opened last."""
    resume_run: str = ""
    """The folder of a training that was stopped with the window, to be opened again at the next start."""
    session: Mapping[str, Any] = field(default_factory=dict)
    """The documents that are open, to be opened again at the next start."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """The training form as it was used last."""

    def with_recent(self, path: Path) -> "Settings":
        """Return settings with ``path`` in front of the recent files."""
        others = tuple(name for name in self.recent_files if name != str(path))
        return replace(self, recent_files=(str(path), *others)[:RECENT_LIMIT], last_folder=str(path.parent))


class SettingsStore:
    """Reads the settings once and writes them whenever they change.

    Parameters
    ----------
    path
        The file; by default ``ptychoscope/settings.json`` in the configuration folder.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path if path is not None else config_folder() / "settings.json"
        self.problem = ""
        """What was wrong with the file, in words for a notice; empty if nothing was."""
        self.settings = self._read()

    def change(self, **changes: Any) -> None:
        """Replace some settings and write the file."""
        self.put(replace(self.settings, **changes))

    def put(self, settings: Settings) -> None:
        """Replace the settings and write the file; that it cannot be written is told once, in ``problem``."""
        if settings == self.settings:
            return
        self.settings = settings
        self._save(settings)

    def _save(self, settings: Settings) -> None:
        text = json.dumps({"schema": SCHEMA, **asdict(settings)}, indent=2)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            atomic_write(self.path, lambda stream: _write(stream, text), None)
        except (OSError, OutputError) as error:
            self.problem = f"The settings could not be saved in {self.path}: {error}"

    def _read(self) -> Settings:
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return Settings()
        except (OSError, UnicodeDecodeError) as error:
            return self._set_aside(str(error))
        try:
            settings, refused = settings_from(json.loads(text))
        except (ValueError, RecursionError) as error:
            return self._set_aside(str(error))
        return self._set_aside("; ".join(refused), settings) if refused else settings

    def _set_aside(self, reason: str, usable: Settings | None = None) -> Settings:
        aside = self.path.with_name(f"{self.path.name}.broken-{time.strftime('%Y%m%d-%H%M%S')}")
        try:
            self.path.replace(aside)
            kept = f"It was kept as {aside.name}."
        except OSError:
            kept = "It could not be set aside."
        instead = "the defaults are used" if usable is None else "the rest is used"
        self.problem = f"The settings file {self.path} could not be read ({reason}); {instead}. {kept}"
        if usable is None:
            return Settings()
        self._save(usable)
        return usable


def _write(stream: Any, text: str) -> None:
    stream.write(text.encode())


def settings_from(values: Any) -> tuple[Settings, list[str]]:
    """Build settings from the content of the file, and say which entries do not fit; these have their default.

    Raises
    ------
    ValueError
        If it is no settings file of this version at all.
    """
    if not isinstance(values, dict):
        raise ValueError("not an object")  # noqa: TRY004 - one kind of error for whatever the file holds
    if values.get("schema") != SCHEMA:
        raise ValueError(f"schema {values.get('schema')!r} instead of {SCHEMA}")
    given: dict[str, Any] = {}
    refused = []
    for entry in fields(Settings):
        if entry.name in values:
            try:
                given[entry.name] = _checked(entry.name, values[entry.name])
            except ValueError as error:
                refused.append(str(error))
    return Settings(**given), refused


def _checked(name: str, value: Any) -> Any:
    if name == "recent_files":
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ValueError(f"{name} is no list of names")
        return tuple(value[:RECENT_LIMIT])
    if name in ("docks", "tabs", "training", "session"):
        if not isinstance(value, dict):
            raise ValueError(f"{name} is no object")
        if name in ("docks", "tabs") and not all(isinstance(item, str) for item in value.values()):
            raise ValueError(f"{name} holds something else than text")
        return value
    if not isinstance(value, str):
        raise ValueError(f"{name} is no text")  # noqa: TRY004 - one kind of error, as above
    if name == "theme" and value not in THEMES:
        raise ValueError(f"theme is {value!r}")
    return value


def config_folder() -> Path:
    """Return where settings are kept, by the XDG rules."""
    return _xdg("XDG_CONFIG_HOME", ".config")


def state_folder() -> Path:
    """Return where logs of crashes are kept, by the XDG rules."""
    return _xdg("XDG_STATE_HOME", ".local/state")


def runs_folder() -> Path:
    """Return where runs are kept unless another place is chosen; ``PTYCHOSCOPE_HOME`` moves it."""
    return Path(os.environ.get("PTYCHOSCOPE_HOME") or Path.home() / "Ptychoscope") / "runs"


def _xdg(variable: str, usual: str) -> Path:
    given = os.environ.get(variable, "")
    # The XDG rules say that a relative path is to be ignored.
    base = Path(given) if given and Path(given).is_absolute() else Path.home() / usual
    return base / "ptychoscope"
