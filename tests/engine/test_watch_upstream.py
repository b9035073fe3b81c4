import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ptycho_engine import events
from ptycho_engine.artefacts.patch_stats_file import read_patch_stats
from ptycho_engine.events import EngineEvent
from ptycho_engine.watching.growing_lines import GrowingLines
from ptycho_engine.watching.lightning_table import LightningTable
from ptycho_engine.watching.settled_files import SettledFiles
from ptycho_engine.watching.watch import watch
from tests.helpers.replayed_run import replay, table_of

_WHOLE_SECOND = 1_790_000_000 * 10**9


class Watched:
    """Follows a folder; what somebody else does there happens between two looks."""

    def __init__(self, folder: Path, script: Iterator[None] | None = None, *, ahead_s: float = 0.0) -> None:
        self.folder = folder
        self.script = script if script is not None else iter(())
        self.ahead_s = ahead_s
        """How far the clock of the watcher is ahead of that of the files."""
        self.before = snapshot(folder)

    def wait(self, seconds: float) -> None:
        assert snapshot(self.folder) == self.before, "something was written into the watched folder"
        if next(self.script, self) is self:
            self.ahead_s += 10.0
        self.before = snapshot(self.folder)

    def now(self) -> float:
        return max([at for _, _, at in self.before], default=0) / 1e9 + self.ahead_s

    def events(self) -> Iterator[EngineEvent]:
        return watch(self.folder, wait=self.wait, now=self.now)


def snapshot(folder: Path) -> list[tuple[str, int, int]]:
    paths = sorted(folder.rglob("*"))
    return [(path.name, (status := path.stat()).st_size, status.st_mtime_ns) for path in paths]


def until(told: Iterator[EngineEvent], done: Callable[[EngineEvent], bool]) -> list[EngineEvent]:
    found = []
    for event in told:
        found.append(event)
        if done(event):
            return found
    raise AssertionError("it ended before")


@pytest.mark.parametrize(("run", "piece"), [("gs1", 1), ("gs2", 17)])
def test_every_value_of_a_replayed_run_arrives_once(golden_dir: Path, tmp_path: Path, run: str, piece: int) -> None:
    golden = golden_dir / run
    found = list(Watched(tmp_path, replay(golden, tmp_path, piece=piece)).events())
    rows = table_of(golden / "metrics.csv")
    steps = [(int(r["epoch"]), int(r["step"]), float(cell)) for r in rows if (cell := r["poisson_train_loss_step"])]
    losses = [event for event in found if isinstance(event, events.LossMeasured)]
    assert [(event.epoch, event.step, event.loss) for event in losses] == steps
    epochs = [event for event in found if isinstance(event, events.EpochDone)]
    means = [float(cell) for r in rows if (cell := r["poisson_train_loss_epoch"])]
    validations = [float(cell) for r in rows if (cell := r["poisson_val_loss"])]
    rates = [float(cell) for r in rows if (cell := r["learning_rate"])]
    assert [(event.train_loss, event.validation_loss, event.learning_rate) for event in epochs] == list(
        zip(means, validations, rates, strict=True)
    )
    assert {event.n_epochs for event in epochs} == {6}
    assert [event.best for event in epochs] == [each == min(validations[: k + 1]) for k, each in enumerate(validations)]
    stats = [event.stats for event in found if isinstance(event, events.StatsMeasured)]
    assert stats == read_patch_stats(golden / "train_analysis" / "torch_patch_stats.json")
    bundles = [event.bundle for event in found if isinstance(event, events.BundleLoaded)]
    assert [bundle.model.gridsize for bundle in bundles] == [int(run[-1])]
    assert sum(isinstance(event, events.RunFound) for event in found) == 1
    assert not [event for event in found if isinstance(event, events.MessageLogged)]
    ended = found[-1]
    assert isinstance(ended, events.RunEnded)
    assert (ended.run.state, ended.died, ended.run.bundle) == ("completed", False, tmp_path / "wts.h5.zip")


def test_the_checkpoints_are_told_as_they_come(golden_dir: Path, tmp_path: Path) -> None:
    found = list(Watched(tmp_path, replay(golden_dir / "gs2", tmp_path, piece=4000)).events())
    told = [(event.path.name, event.best) for event in found if isinstance(event, events.CheckpointSaved)]
    assert ("last.ckpt", False) in told
    assert ("epoch=epoch=05-poisson_val=1.0.ckpt", True) in told


def test_a_run_without_news_is_called_silent_and_never_dead(tmp_path: Path) -> None:
    logs = tmp_path / "lightning_logs" / "version_0"
    logs.mkdir(parents=True)
    (logs / "metrics.csv").write_text("epoch,poisson_train_loss_step,step\n0,5.0,0\n")
    # On whole seconds a clock of floating numbers is exact.
    for path in (*tmp_path.rglob("*"), tmp_path):
        os.utime(path, ns=(_WHOLE_SECOND, _WHOLE_SECOND))
    told = Watched(tmp_path).events()

    def observed() -> list[tuple[float, bool]]:
        looks = []
        for event in told:
            if isinstance(event, events.RunObserved):
                looks.append((event.seconds_without_news, event.silent))
            if len(looks) == 20:
                return looks
        raise AssertionError("it ended")

    assert observed() == [(10.0 * k, 10.0 * k >= 120.0) for k in range(20)]


def test_a_second_run_in_the_same_folder_begins_anew(tmp_path: Path) -> None:
    def script() -> Iterator[None]:
        for version, losses in enumerate(((5.0, 4.0), (7.0,))):
            logs = tmp_path / "lightning_logs" / f"version_{version}"
            logs.mkdir(parents=True)
            rows = "".join(f"0,{loss},{step}\n" for step, loss in enumerate(losses))
            (logs / "metrics.csv").write_text(f"epoch,mae_train_loss_step,step\n{rows}")
            yield

    told = Watched(tmp_path, script()).events()
    found = until(told, lambda event: isinstance(event, events.LossMeasured) and event.loss == 7.0)
    kept = [event for event in found if isinstance(event, (events.RunFound, events.LossMeasured))]
    assert [event.loss if isinstance(event, events.LossMeasured) else "run" for event in kept] == [
        "run", 5.0, 4.0, "run", 7.0,
    ]  # fmt: skip


def test_the_bundle_of_an_earlier_run_does_not_end_the_new_one(golden_dir: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "wts.h5.zip"
    bundle.write_bytes((golden_dir / "gs1" / "wts.h5.zip").read_bytes())
    os.utime(bundle, (1e9, 1e9))
    logs = tmp_path / "lightning_logs" / "version_1"
    logs.mkdir(parents=True)
    (logs / "hparams.yaml").write_text("training_config:\n  epochs: 6\n")
    told = Watched(tmp_path).events()
    looks = until(told, lambda event: isinstance(event, events.RunObserved) and event.silent)
    assert any(isinstance(event, events.BundleLoaded) for event in looks)
    assert not any(isinstance(event, events.RunEnded) for event in looks)


def test_a_table_replaced_by_that_of_another_run_is_told_whole(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    table = LightningTable(path)
    assert table.poll().rows == []
    path.write_text("epoch,step,loss\n0,0,1.0\n0,1,2.0\n0,2,3")
    assert [row["loss"] for row in table.poll().rows] == [1.0, 2.0]
    path.write_text("epoch,step,loss\n0,0,1.0\n0,1,9.0\n")
    new = table.poll()
    assert new.another_run
    assert [row["loss"] for row in new.rows] == [1.0, 9.0]
    path.unlink()
    assert table.poll().rows == []


def test_columns_without_a_place_of_their_own_are_told_under_their_names(tmp_path: Path) -> None:
    logs = tmp_path / "lightning_logs" / "version_0"
    logs.mkdir(parents=True)
    (logs / "metrics.csv").write_text(
        "epoch,grad_norm_preclip_step,mae_pred_l2_alpha_step,poisson_train_Amp_loss_step,step\n0,3.5,0.25,nan,0\n"
    )
    found = until(Watched(tmp_path).events(), lambda event: isinstance(event, events.FiguresLogged))
    loss = next(event for event in found if isinstance(event, events.LossMeasured))
    assert loss.gradient_norm == 3.5
    assert loss.loss != loss.loss
    assert found[-1] == events.FiguresLogged(0, 0, {"mae_pred_l2_alpha_step": 0.25})


def test_a_file_that_shrinks_for_a_moment_goes_on_where_it_stood(tmp_path: Path) -> None:
    path = tmp_path / "log"
    lines = GrowingLines(path)
    path.write_bytes(b"one\ntwo\nthr")
    assert lines.poll() == (["one", "two"], False)
    path.write_bytes(b"one\n")
    assert lines.poll() == ([], False)
    path.write_bytes(b"one\ntwo\nthree\n")
    assert lines.poll() == (["three"], False)
    path.write_bytes(b"another\n")
    assert lines.poll() == (["another"], True)
    path.write_bytes(b"")
    assert lines.poll() == ([], False)
    path.write_bytes(b"a third, and longer\n")
    assert lines.poll() == (["a third, and longer"], True)


def test_a_file_is_told_once_it_rests(tmp_path: Path) -> None:
    files = SettledFiles(tmp_path)
    told = []
    for content in (b"", b"1", b"12", b"12", b"12", b"123", b"123", b"123"):
        if not (tmp_path / "a").exists() or (tmp_path / "a").read_bytes() != content:
            (tmp_path / "a").write_bytes(content)
        told.append(files.settled(["a", "none"]))
    assert told == [[], [], [], ["a"], [], [], ["a"], []]
    files.again("a")
    assert files.settled(["a"]) == ["a"]
