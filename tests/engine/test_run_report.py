"""Runs, debug dumps and patch statistics are told by content; the report lists what is there and escapes it."""

import hashlib
import json
import os
from html.parser import HTMLParser
from pathlib import Path

import pytest

from ptycho_engine.artefacts.report_html import report_html
from ptycho_engine.artefacts.run_report import report_run
from ptycho_engine.cli import main
from ptycho_engine.errors import InputError
from ptycho_engine.inspection import inspect_file
from ptycho_engine.runs.loss_table import read_loss_table
from ptycho_engine.runs.run_contents import find_run, read_dump

STATS = {"phase": "train", "batch_idx": 0, "batch_size": 4, "global_mean": 0.002, "global_std": 0.003,
         "var_zero_mean": 1e-5, "per_patch": []}  # fmt: skip
EVIL = '<script>alert("x")</script>\u202e\x1b[31m'


class Tags(HTMLParser):
    """Collects the tags of a page and checks that they close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.sources: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.sources += [value or "" for key, value in attrs if key in ("src", "href")]
        assert not any(key.startswith("on") for key, _ in attrs)
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of this program as it lies on the disk, with hostile names and values."""
    folder = tmp_path / "run"
    (folder / "analysis").mkdir(parents=True)
    description = {
        "format": "ptychoscope-run-1", "verb": "train", "state": "completed", "epoch": 2, "version": "0.1.0",
        "configuration": {"epochs": 2, "note": EVIL}, "seed": 7,
        "diagnoses": [{"id": "plateau", "severity": "warning", "message": EVIL, "hint": "h", "values": {"a": 1.0}},
                      {"id": "bad", "severity": "no such"}, "nonsense"],
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(description))
    (folder / "metrics.csv").write_text("step,epoch,train_loss,learning_rate\n0,0,3.5,\n1,0,2.5,1e-3\n2,1,2.7")
    (folder / "metrics.json").write_text(json.dumps({"metrics": {"psnr_db": 31.5, "n_pixels": 9}, "mode": "none"}))
    (folder / "analysis" / "torch_patch_stats.json").write_text(json.dumps([STATS]))
    infer = STATS | {"phase": "inference", "global_mean": 0.2}
    (folder / "analysis" / "torch_patch_stats_inference.json").write_text(json.dumps([infer]))
    (folder / "<b>.txt").write_text("x")
    (folder / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(50))
    (folder / "fake.png").write_bytes(b"<svg onload=alert(1)>")
    return folder


def test_an_own_run_is_read_with_its_figures(run: Path) -> None:
    found = find_run(run)
    assert found is not None
    assert (found.written_by, found.verb, found.state) == ("Ptychoscope", "train", "completed")
    assert found.losses is not None
    # The last row lacks a cell: it is still being written.
    assert (found.losses.n_rows, found.losses.n_epochs) == (2, 1)
    assert (found.losses.columns["train_loss"].first, found.losses.columns["train_loss"].least) == (3.5, 2.5)
    assert [each.id for each in found.diagnoses] == ["plateau"]
    assert [stored.entries[0].phase for stored in found.stats] == ["train", "inference"]
    assert inspect_file(run).diagnoses == found.diagnoses


def test_a_broken_part_does_not_hide_the_others(run: Path) -> None:
    (run / "metrics.csv").write_bytes(b"\xff\x00")
    (run / "wts.h5.zip").write_bytes(b"PK\x03\x04")
    os.mkfifo(run / "torch_patch_stats.json")
    found = find_run(run)
    assert found is not None
    assert found.losses is None
    assert len(found.problems) == 3
    assert all(str(run) in problem for problem in found.problems)
    assert found.metrics


def test_the_report_lists_every_file_with_its_digest(run: Path) -> None:
    (run / "link").symlink_to("/etc/passwd")
    os.mkfifo(run / "pipe")
    report = report_run(run)
    entries = {entry.name: entry for entry in report.files}
    for name in ("run.json", "analysis/torch_patch_stats.json", "<b>.txt"):
        data = (run / name).read_bytes()
        assert (entries[name].n_bytes, entries[name].sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert (entries["link"].sha256, entries["link"].problem) == ("", "a link to /etc/passwd")
    assert entries["pipe"].problem == "no ordinary file"
    metrics = {(each.group, each.name): each.value for each in report.metrics}
    assert metrics["training", "train_loss, last"] == 2.5
    assert metrics["patch amplitude, inference / training", "global_mean"] == pytest.approx(100)
    assert metrics["against the data and the known object", "metrics.psnr_db"] == 31.5


def test_the_page_escapes_everything_and_needs_nothing(run: Path) -> None:
    page = report_html(report_run(run))
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert tags.seen <= {"html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "table", "thead", "tbody",
                         "tr", "th", "td", "ul", "li", "strong", "code", "figure", "img", "figcaption"}  # fmt: skip
    assert all(source.startswith("data:image/png;base64,iVBOR") for source in tags.sources)
    assert len(tags.sources) == 1
    assert "default-src &#x27;none&#x27;" in page or "default-src 'none'" in page
    assert "\u202e" not in page
    assert "\x1b" not in page
    assert "&lt;script&gt;" in page
    assert "&lt;b&gt;.txt" in page


def test_the_verb_writes_text_json_and_html(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(run), "--html"]) == 0
    text = capsys.readouterr().out
    assert "train by Ptychoscope, completed" in text
    assert "warning [plateau]" in text
    assert "\x1b" not in text
    assert (run / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert main(["report", str(run), "--out", str(tmp_path / "other.html"), "--json"]) == 0
    reported, _, result = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert "report.html" not in [entry["name"] for entry in reported["files"]]
    assert reported["configuration"]["epochs"] == 2
    assert result["html"] == str(tmp_path / "other.html")
    assert (tmp_path / "other.html").is_file()
    assert main(["report", str(run), "--out", str(tmp_path / "no" / "folder.html")]) == 4
    assert "Traceback" not in capsys.readouterr().err


def test_what_is_no_run_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (tmp_path, tmp_path / "missing", tmp_path / "file"):
        (tmp_path / "file").write_text("x")
        assert main(["report", str(path)]) == 3
        assert capsys.readouterr().err.startswith(f"{path}: ")


def test_folders_are_told_by_content_not_by_name(tmp_path: Path) -> None:
    (tmp_path / "stats.json").write_text('{"files": 3}')
    with pytest.raises(InputError, match="neither a run folder nor a debug dump"):
        inspect_file(tmp_path)
    assert read_dump(tmp_path) is None
    (tmp_path / "offsets.json").write_text('{"count": 1, "first_offsets_px": []}')
    assert inspect_file(tmp_path).kind == "dump"
    file = tmp_path / "anything.dat"
    file.write_text(json.dumps([STATS, STATS | {"global_std": None}]))
    found = inspect_file(file)
    assert (found.kind, found.summary["n_batches"], found.summary["phases"]) == ("stats", 2, ["train"])


def test_a_foreign_run_that_has_not_ended(tmp_path: Path) -> None:
    for version, loss in ((0, 9.0), (10, 2.0), (9, 5.0)):
        folder = tmp_path / "lightning_logs" / f"version_{version}"
        folder.mkdir(parents=True)
        (folder / "metrics.csv").write_text(f"epoch,poisson_train_loss_step,step\n0,{loss},0\n")
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.ckpt").write_bytes(b"x")
    found = inspect_file(tmp_path)
    assert (found.kind, found.summary["written_by"], found.summary["state"]) == ("run", "PtychoPINN", "unfinished")
    assert [each["last"] for each in found.summary["losses"]] == [2.0]
    assert found.summary["checkpoints"] == ["last.ckpt"]


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "\0\0", "x" * 200_000])
def test_a_table_without_counters_is_no_table_of_metrics(tmp_path: Path, text: str) -> None:
    (tmp_path / "metrics.csv").write_text(text)
    with pytest.raises(InputError, match="is not a table of metrics"):
        read_loss_table(tmp_path / "metrics.csv")


@pytest.mark.shared_data
def test_the_reference_run_is_read_whole(golden_dir: Path) -> None:
    found = find_run(golden_dir / "gs1")
    assert found is not None
    assert (found.written_by, found.verb, found.state, found.problems) == ("PtychoPINN", "train", "completed", ())
    assert found.losses is not None
    rows = (golden_dir / "gs1" / "metrics.csv").read_text().splitlines()
    assert (found.losses.n_rows, found.losses.n_epochs) == (len(rows) - 1, 6)
    assert list(found.dumps) == ["debug_dump"]
    assert found.dumps["debug_dump"]["canvas"]["num_patch_slots"] == 271
    assert len(found.stats) == 2
    assert inspect_file(golden_dir / "gs1" / "debug_dump").kind == "dump"
