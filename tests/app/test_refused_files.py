"""A file that was refused is listed, and shown with what it would have run and where; nothing of it is run."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.jobs.verbs import EngineVerbs
from app.panels.bundle import BundlePanel
from app.panels.explorer import REFUSED, ExplorerPanel
from app.state.refused_files import SHOW, refused_key
from tests.app.fake_verbs import FakeVerbs
from tests.app.window import BUNDLE, SCAN, Shown
from tests.helpers.hostile_bundles import members, named_call, packed


class RealBundles(FakeVerbs):
    """Reads bundles from the disk."""

    def open_file(self, path: Path) -> Iterator[Any]:
        return EngineVerbs.open_file(self, path) if path.exists() else super().open_file(path)


@pytest.fixture
def stranger(tmp_path: Path) -> Path:
    path = tmp_path / "stranger.h5.zip"
    content = members() | {"manifest.dill": named_call("os", "system", f"touch {tmp_path}/run")}
    path.write_bytes(packed(content))
    return path


def shown_file(shown: Shown) -> str | None:
    return shown.state.refused_id


def rows_of(explorer: ExplorerPanel) -> list[str]:
    group = explorer._groups[REFUSED]
    items = [group.child(i) for i in range(group.childCount())]
    return [] if group.isHidden() else [item.text(0) for item in items if item is not None]


@pytest.mark.usefixtures("expects_notice")
def test_it_is_listed_and_shown_with_name_arguments_and_byte(shown: Shown, stranger: Path) -> None:
    shown.verbs.__class__ = RealBundles
    shown.open(SCAN, BUNDLE)
    explorer, panel = shown.window.panels["explorer"], shown.window.panels["bundle"]
    assert isinstance(explorer, ExplorerPanel)
    assert isinstance(panel, BundlePanel)
    assert rows_of(explorer) == []
    shown.open(stranger)
    (notice,) = shown.state.notices
    assert notice.action == SHOW
    assert rows_of(explorer) == ["stranger.h5.zip   refused"]
    shown.window.notice_bar.acted.emit(notice.key)
    shown.settle()
    assert panel.isVisible()
    assert panel.stack.currentWidget() is panel.refused
    assert str(stranger) in panel.refused.reason.text()
    assert "1 call of unknown code" in panel.refused.safety.verdict.text()
    rows = panel.refused.safety.table.shown_rows()
    call = next(row for row in rows if row[2].startswith("would have been run"))
    assert call[0] == "manifest.dill"
    assert "os.system" in call[2]
    assert "touch" in call[2]
    assert call[4].isdigit()
    assert not (stranger.parent / "run").exists()
    assert shown.state.notices == ()


@pytest.mark.usefixtures("expects_notice")
def test_it_goes_when_it_is_closed_or_opened_after_all(shown: Shown, stranger: Path) -> None:
    shown.verbs.__class__ = RealBundles
    shown.open(stranger)
    key = refused_key(stranger)
    shown.controller.choose_document(key)
    panel = shown.window.panels["bundle"]
    assert isinstance(panel, BundlePanel)
    panel.refused.close_button.click()
    assert shown_file(shown) is None
    assert key not in shown.state.refused
    shown.controller.undo_close()
    assert shown_file(shown) == key
    shown.open(BUNDLE)
    assert shown_file(shown) is None
    assert panel.stack.currentWidget() is panel.pages


@pytest.mark.usefixtures("expects_notice")
def test_what_is_no_file_is_not_looked_into(shown: Shown, tmp_path: Path) -> None:
    shown.open(tmp_path / "bad.npz")
    assert len(shown.state.notices) == 1
    assert not shown.state.refused
