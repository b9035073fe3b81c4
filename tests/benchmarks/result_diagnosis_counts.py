"""How often the diagnoses of a result are right: false alarms of healthy inferences, detections of broken ones.

``python -m tests.benchmarks.result_diagnosis_counts [N]`` infers N scans (12 by default) of specimens that the shipped
network has never seen, as they are and broken in every way of the list; each inference takes about a second of a core.
"""

import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from ptycho_engine.arrays import frozen_array
from ptycho_engine.bundles import read_bundle
from ptycho_engine.config import InferConfig
from ptycho_engine.documents import Bundle, Dataset
from ptycho_engine.events import DiagnosisFound
from ptycho_engine.formats.frames import ArrayFrames
from ptycho_engine.geometry.canvas import extract_patches
from ptycho_engine.inference import infer
from ptycho_engine.physics.simulate import scan_raster
from ptycho_engine.physics.specimens import make_object, make_probe

N = 64
BUNDLE = Path(__file__).resolve().parents[2] / "resources" / "demo" / "wts.h5.zip"


def simulated(number: int) -> Dataset:
    """Return a scan of cells: 36 to 64 positions, steps of 2.5 to 4.5 px, 1e4 to 1e6 photons."""
    rng = np.random.default_rng([number, 9])
    n_scan, step, n_photons = int(rng.integers(36, 65)), float(rng.uniform(2.5, 4.5)), float(10 ** rng.uniform(4, 6))
    positions = scan_raster(n_scan, step, (38.0, 38.0), 1000 + number)
    side = [int(np.ceil(top)) + 36 for top in positions.max(axis=0)]
    object_, probe = make_object("cells", (side[0], side[1]), 1000 + number), make_probe(N)
    waves = np.fft.fftshift(np.fft.fft2(extract_patches(object_, positions, N) * probe[0], norm="ortho"), axes=(1, 2))
    intensity = np.square(np.abs(waves.astype(np.complex128)))
    scale = n_photons * n_scan / intensity.sum()
    amplitude = np.sqrt(rng.poisson(intensity * scale) / scale).astype(np.float32)
    return Dataset(
        f"cells-{number}", None, ArrayFrames(amplitude), frozen_array(positions, np.float64), probe, n_photons=n_photons
    )


def _placed(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Dataset], Dataset]:
    return lambda scan: replace(scan, scan_positions=frozen_array(change(scan.scan_positions), np.float64))


Broken = tuple[str, str, Callable[[Dataset], Dataset]]
BROKEN: dict[str, Broken] = {
    "both axes negated": ("mirrored-placement", "none", _placed(lambda yx: -yx)),
    "x negated": ("swapped-axes", "none", _placed(lambda yx: yx * [1, -1])),
    "x and y swapped": ("swapped-axes", "none", _placed(lambda yx: yx[:, ::-1])),
    "compatibility 2026-07": ("mirrored-placement", "2026-07", lambda scan: scan),
    "compatibility 2025-11: input": ("input-scale-mismatch", "2025-11", lambda scan: scan),
    "compatibility 2025-11: canvas": ("canvas-coverage", "2025-11", lambda scan: scan),
}


def told(scan: Dataset, bundle: Bundle, compatibility: str) -> dict[str, str]:
    """Return what an inference finds, id to severity."""
    events = infer(scan, bundle, InferConfig(accelerator="cpu", compatibility=compatibility))
    return {one.diagnosis.id: one.diagnosis.severity for one in events if isinstance(one, DiagnosisFound)}


def main() -> None:
    """Print the table."""
    n_scans = int(sys.argv[1]) if len(sys.argv) > 1 else 12
    started, bundle = time.process_time(), read_bundle(BUNDLE)
    detected, alarms = dict.fromkeys(BROKEN, 0), Counter[str]()
    n_alarmed = 0
    for number in range(n_scans):
        scan = simulated(number)
        serious = {name for name, severity in told(scan, bundle, "none").items() if severity != "info"}
        alarms.update(serious)
        n_alarmed += bool(serious)
        stories = {"2025-11": told(scan, bundle, "2025-11"), "2026-07": told(scan, bundle, "2026-07")}
        for kind, (name, compatibility, broken) in BROKEN.items():
            detected[kind] += name in (stories.get(compatibility) or told(broken(scan), bundle, compatibility))
    lines = [f"healthy results with a finding above info: {n_alarmed} of {n_scans}; by id: {dict(alarms)}"]
    lines += [f"{kind:32} {name:22} {detected[kind]:>4}" for kind, (name, _, _) in BROKEN.items()]
    lines.append(f"{time.process_time() - started:.0f} s of processor time")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
