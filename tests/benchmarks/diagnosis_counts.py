"""How often the diagnoses of a scan are right: false alarms over healthy scans, detections over broken ones.

``python -m tests.benchmarks.diagnosis_counts [N]`` simulates N scans (200 by default) of varied objects, probes, steps,
photons and units, examines each, breaks it in every way of the list, and examines it again. Nothing is drawn at random
but by the number of the scan, so the table comes out the same each time. 200 take about a minute of one core.
"""

import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ptycho_engine.arrays import FloatArray, frozen_array
from ptycho_engine.documents import Dataset, Diagnosis
from ptycho_engine.examination import examine_dataset, findings
from ptycho_engine.formats.frames import ArrayFrames
from ptycho_engine.geometry.canvas import extract_patches
from ptycho_engine.physics.simulate import scan_raster
from ptycho_engine.physics.specimens import OBJECT_KINDS, PROBE_KINDS, make_object, make_probe

N = 64
_MARGIN = 4


@dataclass(frozen=True)
class Simulated:
    """A healthy scan and what is needed to break it."""

    counts: FloatArray
    """(n_scan, N, N) whole numbers."""
    scale: float
    """Root counts for the amplitude in the units of the probe."""
    plain: bool
    """Whether the patterns are stored as plain roots of counts, and not in the units of the probe."""
    dataset: Dataset
    rng: np.random.Generator

    def with_frames(self, frames: np.ndarray) -> Dataset:
        """Return the scan with other patterns."""
        return replace(self.dataset, frames=ArrayFrames(frames.astype(np.float32)))

    @property
    def amplitude(self) -> FloatArray:
        """The patterns as stored."""
        return self.dataset.frames.read(slice(None))

    @property
    def positions(self) -> np.ndarray:
        """(n_scan, 2) ``(y, x)``."""
        return self.dataset.scan_positions


def simulated(number: int) -> Simulated:
    """Return a healthy scan: 100 to 150 positions, steps of 1.5 to 5 px, 1e3 to 1e7 photons."""
    rng = np.random.default_rng([number, 5])
    n_scan, step = int(rng.integers(100, 151)), float(rng.uniform(1.5, 5.0))
    n_photons = float(10 ** rng.uniform(3, 7))
    lead = N // 2 + _MARGIN + 0.3 * step
    positions = scan_raster(n_scan, step, (lead, lead), number)
    side = [int(np.ceil(top)) + N // 2 + _MARGIN for top in positions.max(axis=0)]
    object_ = make_object(OBJECT_KINDS[number % 3], (side[0], side[1]), number)
    probe = make_probe(N, PROBE_KINDS[number // 3 % 3])
    patches = extract_patches(object_, positions, N)
    waves = np.fft.fftshift(np.fft.fft2(patches * probe[0], norm="ortho"), axes=(1, 2))
    intensity = np.square(np.abs(waves.astype(np.complex128)))
    scale = float(np.sqrt(n_photons * n_scan / intensity.sum()))
    counts = rng.poisson(intensity * scale**2).astype(np.float32)
    plain = number % 2 == 1
    amplitude = np.sqrt(counts) / np.float32(1.0 if plain else scale)
    dataset = Dataset(
        name=f"scan-{number}",
        path=None,
        frames=ArrayFrames(amplitude),
        scan_positions=frozen_array(positions, np.float64),
        probe=probe,
        n_photons=n_photons,
    )
    return Simulated(counts, scale, plain, dataset, rng)


def _moved(scan: Simulated, positions: np.ndarray) -> Dataset:
    return replace(scan.dataset, scan_positions=frozen_array(positions, np.float64))


def _chosen(scan: Simulated, share: float) -> np.ndarray:
    n_scan = scan.dataset.n_scan
    return scan.rng.choice(n_scan, max(1, round(share * n_scan)), replace=False)


def _some_frames(scan: Simulated, change: Callable[[FloatArray, np.ndarray], None]) -> Dataset:
    frames = scan.amplitude.copy()
    change(frames, _chosen(scan, 0.05))
    return scan.with_frames(frames)


def _far(scan: Simulated) -> Dataset:
    positions = scan.positions.copy()
    chosen = _chosen(scan, 0.03)
    angle, distance = scan.rng.uniform(0, 2 * np.pi, len(chosen)), scan.rng.uniform(300, 3000, len(chosen))
    positions[chosen] += np.stack([distance * np.sin(angle), distance * np.cos(angle)], axis=1)
    return _moved(scan, positions)


def _sparse(scan: Simulated) -> Dataset:
    """Stretch the scan until neighbours are more than half a typical probe apart."""
    distance = float(np.median(np.abs(np.diff(scan.positions[:, 1]))))
    return _moved(scan, scan.positions * (scan.rng.uniform(20.0, 60.0) / distance))


def _gained(scan: Simulated) -> FloatArray:
    """Return counts after a flat-field correction, which blurs their steps."""
    gain = scan.rng.uniform(0.95, 1.05, (N, N)).astype(np.float32)
    return scan.counts * gain


def _dead(scan: Simulated) -> Dataset:
    frames = scan.amplitude.copy()
    lit = np.argwhere((frames > 0).mean(axis=0) > 0.5)
    for row, column in scan.rng.permutation(lit)[: int(scan.rng.integers(3, 20))]:
        frames[:, row, column] = 0
    return scan.with_frames(frames)


def _rolled(scan: Simulated) -> Dataset:
    down, right = (int(scan.rng.integers(3, 9)) * int(scan.rng.choice([-1, 1])) for _ in range(2))
    return scan.with_frames(np.roll(scan.amplitude, (down, right), axis=(1, 2)))


def _wrong_probe(scan: Simulated) -> Dataset:
    factor = float(10 ** (scan.rng.uniform(0.7, 2.0) * scan.rng.choice([-1, 1])))
    known = np.sqrt(scan.counts) / np.float32(scan.scale)
    return replace(scan.with_frames(known), probe=frozen_array(scan.dataset.probe * factor, np.complex64))


def _no_number(frames: FloatArray, chosen: np.ndarray) -> None:
    frames[chosen, 3, 5] = np.nan


def _dark(frames: FloatArray, chosen: np.ndarray) -> None:
    frames[chosen] = 0


def _repeated(frames: FloatArray, chosen: np.ndarray) -> None:
    frames[chosen] = frames[chosen - 1]


BROKEN: dict[str, tuple[str, Callable[[Simulated], Dataset]]] = {
    "x and y swapped": ("swapped-axes", lambda scan: _moved(scan, scan.positions[:, ::-1])),
    "x negated": ("swapped-axes", lambda scan: _moved(scan, scan.positions * [1, -1])),
    "swapped and negated": ("swapped-axes", lambda scan: _moved(scan, scan.positions[:, ::-1] * [1, -1])),
    "positions in metres": (
        "positions-units",
        lambda scan: _moved(scan, scan.positions * 10 ** scan.rng.uniform(-9, -7)),
    ),
    "sparse positions": ("low-overlap", _sparse),
    "a few far positions": ("isolated-positions", _far),
    "counts, in the probe's units": (
        "intensity-not-amplitude",
        lambda scan: scan.with_frames(scan.counts / np.float32(scan.scale**2)),
    ),
    "counts, flat-fielded": ("intensity-not-amplitude", lambda scan: scan.with_frames(_gained(scan))),
    "zero frequency in the corner": (
        "not-centred",
        lambda scan: scan.with_frames(np.fft.ifftshift(scan.amplitude, axes=(1, 2))),
    ),
    "3 to 8 px off centre": ("not-centred", _rolled),
    "3 to 19 dead pixels": ("dead-pixels", _dead),
    "clipped at half": (
        "saturated-pixels",
        lambda scan: scan.with_frames(np.minimum(scan.amplitude, 0.5 * scan.amplitude.max())),
    ),
    "dark frames": ("unusable-patterns", lambda scan: _some_frames(scan, _dark)),
    "frames with NaN": ("unusable-patterns", lambda scan: _some_frames(scan, _no_number)),
    "repeated frames": ("duplicate-patterns", lambda scan: _some_frames(scan, _repeated)),
    "probe 5 to 100 times off": ("probe-energy-mismatch", _wrong_probe),
    "a thousand times the level": (
        "unnormalized-dataset",
        lambda scan: scan.with_frames(1e3 * scan.amplitude),
    ),
}


def examine(dataset: Dataset) -> list[Diagnosis]:
    """Return what is found of a scan."""
    return findings(examine_dataset(dataset))


def count(n_scans: int) -> tuple[Counter[str], dict[str, int], dict[str, Counter[str]], int]:
    """Return alarms over healthy scans by id, detections of each kind, what else was told above info, healthy ones."""
    alarms: Counter[str] = Counter()
    detected = dict.fromkeys(BROKEN, 0)
    beside: dict[str, Counter[str]] = {kind: Counter() for kind in BROKEN}
    n_alarmed = 0
    for number in range(n_scans):
        scan = simulated(number)
        flat_fielded = scan.with_frames(np.sqrt(_gained(scan)) / np.float32(1.0 if scan.plain else scan.scale))
        told = {one.id for one in examine(flat_fielded if number % 4 < 2 else scan.dataset) if one.severity != "info"}
        alarms.update(told)
        n_alarmed += bool(told)
        for kind, (name, broken) in BROKEN.items():
            found = examine(broken(scan))
            detected[kind] += any(one.id == name for one in found)
            beside[kind].update({one.id for one in found if one.severity != "info"} - {name})
    return alarms, detected, beside, n_alarmed


def main() -> None:
    """Print the table."""
    n_scans = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    started = time.process_time()
    alarms, detected, beside, n_alarmed = count(n_scans)
    lines = [
        f"healthy scans with a finding above info: {n_alarmed} of {n_scans}; by id: {dict(alarms)}",
        f"{'broken by':32} {'expected':26} {'found':>7}  also told above info",
    ]
    for kind, (name, _) in BROKEN.items():
        also = ", ".join(f"{other} {times}" for other, times in beside[kind].most_common(3))
        lines.append(f"{kind:32} {name:26} {detected[kind]:>7}  {also}")
    lines.append(f"{time.process_time() - started:.0f} s of processor time")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
