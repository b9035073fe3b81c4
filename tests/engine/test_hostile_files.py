"""Files made to run something, to exhaust the machine, or to mislead: each is refused in one line, or opened as stated.

The time each takes is in ``pytest --durations``; pipes and devices would hang the test if they were opened.
"""

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from ptycho_engine.bundles import read_bundle
from ptycho_engine.bundles.safety import safety_report
from ptycho_engine.cli import main
from ptycho_engine.errors import InputError
from ptycho_engine.inspection import inspect_file
from tests.helpers import hostile_bundles, hostile_datasets, odd_files
from tests.helpers.hostile_bundles import CANARY, OPENS

RUN_FROM_FILES = {
    f"{what}: {name}": kind
    for what, kinds in (("bundle", hostile_bundles.would_run()), ("scan", hostile_datasets.would_run()))
    for name, kind in kinds.items()
}
OTHERS = {
    f"{what}: {name}": kind
    for what, kinds in (
        ("bundle", hostile_bundles.asks_too_much()),
        ("bundle", hostile_bundles.contradicts_itself()),
        ("scan", hostile_datasets.asks_too_much()),
        ("scan", hostile_datasets.contradicts_itself()),
        ("odd", odd_files.odd_files()),
    )
    for name, kind in kinds.items()
}
KINDS = RUN_FROM_FILES | OTHERS
FORBIDDEN = ("os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen", "pickle.find_class",
             "socket.connect", "shutil.rmtree")  # fmt: skip


class _Watch:
    """Hears of everything that code from a file might do; the interpreter keeps such a hook for ever."""

    def __init__(self) -> None:
        self.on = False
        self.heard: list[str] = []
        sys.addaudithook(self.hear)

    def hear(self, event: str, _arguments: object) -> None:
        if self.on and event in FORBIDDEN:
            self.heard.append(event)


@pytest.fixture(scope="module")
def watch() -> _Watch:
    return _Watch()


@pytest.fixture
def quiet(watch: _Watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder to make a file in; fails if anything was run while it was read."""
    monkeypatch.chdir(tmp_path)
    watch.heard.clear()
    yield tmp_path
    watch.on = False
    assert watch.heard == []
    assert not list(tmp_path.rglob(CANARY))


def _refusal(path: Path) -> InputError | None:
    """Return the error with which a file is refused, nothing if it is opened. Any other error fails the test."""
    try:
        inspect_file(path, layers=True, frames=True)
    except InputError as error:
        return error
    return None


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.timeout(20)
def test_each_kind_is_refused_or_opened_as_stated(name: str, quiet: Path, watch: _Watch) -> None:
    expected, make = KINDS[name]
    path = make(quiet)
    watch.on = True
    error = _refusal(path)
    watch.on = False
    assert (error is None) == (expected == OPENS), error
    if error is not None:
        assert re.search(expected, error.message), error.message
        assert error.file is not None
        assert error.file.startswith(str(path))
        assert error.hint
        assert "\n" not in error.message
        assert len(error.message) < 600


@pytest.mark.parametrize("name", RUN_FROM_FILES)
def test_the_safety_report_names_what_would_have_run(name: str, quiet: Path, watch: _Watch) -> None:
    path = RUN_FROM_FILES[name][1](quiet)
    watch.on = True
    report = safety_report(path)
    watch.on = False
    if name in ("scan: a header that is code", "scan: a reconstruction that is a call"):
        return  # What numpy evaluates, and objects that run nothing.
    assert not report.is_plain
    assert any(trace.globals or trace.problem or trace.would_run for trace in report.pickles)
    assert all(
        len(call.arguments) <= 200 and call.arguments.isprintable() for t in report.pickles for call in t.would_run
    )


def test_there_are_at_least_sixty_kinds() -> None:
    assert len({id(make) for _, make in KINDS.values()}) == len(KINDS) >= 60


@pytest.mark.parametrize("name", ["bundle: weights that are not finite", "bundle: bytes behind the end"])
def test_what_is_odd_but_harmless_is_noted(name: str, quiet: Path) -> None:
    notes = " ".join(read_bundle(KINDS[name][1](quiet)).notes)
    assert re.search("not finite|4 bytes after its end", notes)
    assert len(notes) < 300


def test_four_hundred_odd_files_in_one_call_of_inspect(
    quiet: Path, watch: _Watch, capsys: pytest.CaptureFixture[str]
) -> None:
    kinds = [*odd_files.odd_files().items(), ("a scan", (OPENS, hostile_datasets.scan()))]
    paths, n_open = [], 0
    for number in range(400):
        name, (expected, make) = kinds[number % len(kinds)]
        folder = quiet / f"{number} {name}"
        folder.mkdir()
        paths.append(str(make(folder)))
        n_open += expected == OPENS
    assert main(["inspect", *paths, "--json"]) == 3
    told = capsys.readouterr()
    lines = [json.loads(line) for line in told.out.splitlines()]
    names = Counter(line["event"] for line in lines)
    assert names == {"inspected": n_open, "error": 400 - n_open, "result": 1}
    assert (lines[-1]["n_files"], lines[-1]["n_bad"]) == (400, 400 - n_open)
    assert len(told.err.splitlines()) == 400 - n_open
    assert told.err.replace("\n", "").isprintable()
    assert "Traceback" not in told.err
