import json
from pathlib import Path

import pytest

from app.settings import RECENT_LIMIT, Settings, SettingsStore, config_folder, runs_folder, state_folder


def test_settings_survive_a_restart() -> None:
    store = SettingsStore()
    assert store.settings == Settings()
    store.put(store.settings.with_recent(Path("/data/a.npz")))
    store.change(layout="inspect", docks={"train": "AAA="}, training={"epochs": 3, "learning_rate": None})
    again = SettingsStore()
    assert again.settings == store.settings
    assert again.problem == ""
    assert again.settings.last_folder == "/data"
    assert json.loads(again.path.read_text())["schema"] == 1


def test_recent_files_are_bounded_and_named_once() -> None:
    settings = Settings()
    for number in range(20):
        settings = settings.with_recent(Path(f"/data/{number}.npz"))
    settings = settings.with_recent(Path("/data/10.npz"))
    assert settings.recent_files[0] == "/data/10.npz"
    assert len(set(settings.recent_files)) == len(settings.recent_files) == RECENT_LIMIT


@pytest.mark.parametrize(
    "text",
    ["", "{", "[1]", '{"schema": 99}', '{"schema": 1, "recent_files": [3]}', '{"schema": 1, "theme": "pink"}', "\xff"],
)
def test_a_corrupt_file_is_set_aside_and_told(text: str) -> None:
    path = config_folder() / "settings.json"
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="latin-1")
    store = SettingsStore()
    assert store.settings == Settings()
    assert str(path) in store.problem
    (aside,) = path.parent.glob("settings.json.broken-*")
    assert aside.read_text(encoding="latin-1") == text
    store.change(theme="dark")
    assert SettingsStore().settings.theme == "dark"


def test_unknown_keys_of_the_same_schema_are_ignored() -> None:
    path = config_folder() / "settings.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"schema": 1, "novelty": 3, "theme": "light"}')
    assert SettingsStore().settings == Settings(theme="light")


def test_a_file_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "sub").write_text("a file where a folder should be")
    store = SettingsStore(tmp_path / "sub" / "settings.json")
    store.change(theme="dark")
    assert "could not be" in store.problem
    assert store.settings.theme == "dark"


def test_folders_follow_the_desktop_s_rules(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "c"))
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("PTYCHOSCOPE_HOME", str(tmp_path / "h"))
    assert config_folder() == tmp_path / "c" / "ptychoscope"
    assert state_folder() == Path.home() / ".local/state/ptychoscope"
    assert runs_folder() == tmp_path / "h" / "runs"
