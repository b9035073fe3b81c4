"""A run of PtychoPINN written anew, piece by piece, as its training writes it."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

_COLUMNS = (
    ("epoch", "poisson_train_loss_step", "step"),
    ("epoch", "poisson_train_loss_step", "poisson_val_loss", "step"),
    ("epoch", "learning_rate", "poisson_train_loss_epoch", "poisson_train_loss_step", "poisson_val_loss", "step"),
)
"""The header grows when the first validation, then the first mean of an epoch, is logged."""


def table_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def replay(golden: Path, folder: Path, *, piece: int, version: int = 0) -> Iterator[None]:
    """Write a copy of the run ``golden`` into ``folder``; each step is one write of at most ``piece`` bytes."""
    logs = folder / "lightning_logs" / f"version_{version}"
    logs.mkdir(parents=True)
    yield
    yield from _pieces(logs / "hparams.yaml", (golden / "hparams.yaml").read_bytes(), 1000)
    rows = table_of(golden / "metrics.csv")
    columns: tuple[str, ...] = _COLUMNS[0]
    yield from _pieces(logs / "metrics.csv", _text(columns, []), piece)
    for index, row in enumerate(rows):
        needed = next(wide for wide in _COLUMNS if all(name in wide for name, cell in row.items() if cell))
        if len(needed) > len(columns):
            columns = needed
            # Truncated, and all of it written again.
            (logs / "metrics.csv").write_bytes(b"")
            yield
            yield from _pieces(logs / "metrics.csv", _text(columns, rows[:index]), piece)
        line = _text(columns, [row]).split(b"\r\n", 1)[1]
        yield from _pieces(logs / "metrics.csv", line, piece, append=True)
        if row["poisson_train_loss_epoch"]:
            yield from _checkpoint(folder / "checkpoints", int(row["epoch"]))
    yield from _pieces(folder / "wts.h5.zip", (golden / "wts.h5.zip").read_bytes(), 2**20, pauses=True)
    stats = (golden / "train_analysis" / "torch_patch_stats.json").read_bytes()
    yield from _pieces(folder / "analysis" / "torch_patch_stats.json", stats, 100, pauses=True)


def _pieces(path: Path, data: bytes, piece: int, *, append: bool = False, pauses: bool = False) -> Iterator[None]:
    path.parent.mkdir(exist_ok=True)
    if not append:
        path.write_bytes(b"")
    for start in range(0, len(data), piece):
        with path.open("ab") as file:
            file.write(data[start : start + piece])
        yield
        if pauses:
            yield


def _text(columns: tuple[str, ...], rows: list[dict[str, str]]) -> bytes:
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, columns, extrasaction="ignore")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue().encode()


def _checkpoint(folder: Path, epoch: int) -> Iterator[None]:
    """Write the best one under its new name, delete the old one, write the last one again."""
    before = list(folder.glob("epoch=*"))
    yield from _pieces(folder / f"epoch=epoch={epoch:02d}-poisson_val=1.0.ckpt", bytes(10), 10)
    for old in before:
        old.unlink()
    yield from _pieces(folder / "last.ckpt", bytes(10 + epoch), 100)
