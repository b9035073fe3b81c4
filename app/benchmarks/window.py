"""Measure what the window draws: ``python -m app.benchmarks.window ROUNDS``, one JSON object a line for each case."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtWidgets import QApplication, QWidget

from app.display.colormaps import colour_table
from app.widgets.curve_plot import CurvePlot
from app.widgets.image_view import ImageView
from app.widgets.patch_grid import PatchGrid
from app.widgets.scan_plot import ScanPlot
from ptycho_engine.benchmarks.measuring import Timing, in_turns
from ptycho_engine.benchmarks.row import OWN, Figure, Row, at_most, faster, within

_GRID, _PATCH = 16, 64
_POSITIONS = 100_000
_LOSSES = 10_000_000
_FRAME_MS = 100.0
"""What a person takes for at once."""


def _shown(widget: QWidget) -> QWidget:
    widget.resize(900, 900)
    widget.show()
    QApplication.processEvents()
    return widget


def patch_grid(rounds: int) -> Row:
    """Measure one picture of all patches, against an item for each patch."""
    patches = np.random.default_rng(0).random((4, _GRID**2, _PATCH, _PATCH)).astype(np.float32)
    grid = PatchGrid("patches")
    _shown(grid)
    items, layout = [], pg.GraphicsLayoutWidget()
    view = layout.addViewBox()
    for index in range(_GRID**2):
        item = pg.ImageItem(patches[0, index], levels=(0.0, 1.0), lut=colour_table("inferno"))
        item.setPos(index % _GRID * (_PATCH + 1), index // _GRID * (_PATCH + 1))
        view.addItem(item)
        items.append(item)
    _shown(layout)
    turn = [0]

    def own() -> None:
        turn[0] += 1
        grid.set_patches(patches[turn[0] % 4], levels=(0.0, 1.0), columns=_GRID)
        grid.view.graphics.viewport().repaint()

    def one_by_one() -> None:
        turn[0] += 1
        for item, patch in zip(items, patches[turn[0] % 4], strict=True):
            item.setImage(patch, autoLevels=False)
        layout.viewport().repaint()

    reference = "an item for each patch (pyqtgraph)"
    timings = in_turns({OWN: own, reference: one_by_one}, rounds)
    figure = faster(">= 8x faster than an item for each patch", 8, timings[OWN], timings[reference])
    return Row("window", f"{_GRID} x {_GRID} patches of {_PATCH} px, drawn anew", timings, (figure,))


def scan_map(rounds: int) -> Row:
    """Measure the positions of a scan, against one scatter item."""
    rng = np.random.default_rng(0)
    points, figures = rng.uniform(0, 5000, (_POSITIONS, 2)), rng.random((4, _POSITIONS))
    brushes = np.array([pg.mkBrush(level) for level in range(256)])
    plot = ScanPlot("scan")
    _shown(plot)
    scatter, bare = pg.ScatterPlotItem(pxMode=True, size=4), pg.PlotWidget()
    bare.addItem(scatter)
    _shown(bare)
    turn = [0]

    def own() -> None:
        turn[0] += 1
        plot.set_points(points, figures[turn[0] % 4], "figure")
        plot.graphics.viewport().repaint()

    def all_items() -> None:
        turn[0] += 1
        chosen = brushes[(255 * figures[turn[0] % 4]).astype(int)]
        scatter.setData(points[:, 1], points[:, 0], brush=chosen, pen=None)
        bare.viewport().repaint()

    reference = "one scatter item (pyqtgraph)"
    timings = in_turns({OWN: own, reference: all_items}, rounds)
    figures_ = (
        faster(">= 50x faster than one scatter item", 50, timings[OWN], timings[reference]),
        _at_once(timings[OWN]),
    )
    return Row("window", f"{_POSITIONS:,} scan positions, coloured anew", timings, figures_)


def image_update(rounds: int) -> Row:
    """Measure one picture with title, colour bar and read-out, against the bare item."""
    pictures = np.random.default_rng(0).random((4, 512, 512)).astype(np.float32)
    view = ImageView("picture")
    _shown(view)
    item, bare = pg.ImageItem(), pg.PlotWidget()
    bare.addItem(item)
    _shown(bare)
    turn = [0]

    def own() -> None:
        turn[0] += 1
        view.set_image(pictures[turn[0] % 4], levels=(0.0, 1.0))
        view.graphics.viewport().repaint()

    def bare_item() -> None:
        turn[0] += 1
        item.setImage(pictures[turn[0] % 4], levels=(0.0, 1.0))
        bare.viewport().repaint()

    reference = "the bare image item (pyqtgraph)"
    timings = in_turns({OWN: own, reference: bare_item}, rounds)
    figure = within("<= 2x the bare item", 2, timings[OWN], timings[reference])
    return Row("window", "a picture of 512 x 512, drawn anew", timings, (figure,))


def loss_curve(rounds: int) -> Row:
    """Measure a loss curve of ten million points, with one more."""
    plot = CurvePlot("loss")
    _shown(plot)
    steps = np.arange(_LOSSES, dtype=np.float64)
    losses = 1.0 + 1.0 / (1.0 + steps) + 0.1 * np.random.default_rng(0).standard_normal(_LOSSES)
    turn = [0]

    def append() -> None:
        turn[0] += 1
        plot.set_series("train", steps[: _LOSSES - turn[0] % 8], losses[: _LOSSES - turn[0] % 8])
        plot.grab()

    timings = in_turns({OWN: append, "drawing it without a change": plot.grab}, rounds)
    return Row("window", f"{_LOSSES:,} losses: one more", timings, (_at_once(timings[OWN]),))


def _at_once(timing: Timing) -> Figure:
    return at_most("<= 100 ms of CPU", _FRAME_MS, timing.median * 1e3, "ms")


def start(rounds: int) -> Row:
    """Measure the CPU time until the first window is painted, and until all is there, each in a process of its own."""
    found: dict[str, list[float]] = {"ours": [], "bare": []}
    whole: list[float] = []
    torch_imported = False
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"XDG_CONFIG_HOME": folder, "XDG_STATE_HOME": folder}
        # Once each before: what is compiled for the first time is not counted, and is kept whatever was asked for.
        environment["PYTHONPYCACHEPREFIX"] = str(Path(folder) / "compiled")
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for turn in range(rounds + 1):
            for which in found:
                command = [sys.executable, "-m", "app.benchmarks.first_window", which, folder]
                done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
                told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
                torch_imported = torch_imported or (which == "ours" and told["torch"])
                if turn:
                    found[which].append(told["cpu_s"])
                    whole += [told["whole_cpu_s"]] if which == "ours" else []
    reference = "an empty main window (Qt)"
    timings = {
        OWN: Timing(tuple(found["ours"])),
        "with what is built after that": Timing(tuple(whole)),
        reference: Timing(tuple(found["bare"])),
    }
    figures = (
        within("<= 5x an empty main window", 5, timings[OWN], timings[reference]),
        at_most("torch is not imported", 0, float(torch_imported)),
    )
    return Row("window", "start until the first window", timings, figures)


def rows(rounds: int) -> Iterator[Row]:
    """Measure one case after another."""
    for measure in (image_update, patch_grid, scan_map, loss_curve, start):
        yield measure(rounds)


def main(words: list[str]) -> int:
    """Print the rows."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    pg.setConfigOptions(imageAxisOrder="row-major")
    qt = QApplication(sys.argv[:1])
    qt.setStyle("Fusion")
    for row in rows(int(words[0])):
        sys.stdout.write(json.dumps(row.as_dict()) + "\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
