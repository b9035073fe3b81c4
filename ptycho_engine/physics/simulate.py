"""Simulated scans: a specimen, a probe, positions, and the counts a detector would see."""

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho_engine.arrays import ComplexArray, IndexArray, PositionArray
from ptycho_engine.config import Config, option
from ptycho_engine.errors import InputError
from ptycho_engine.events import EngineEvent, FileWritten, JobStarted, MessageLogged, Progressed
from ptycho_engine.formats.experiment import read_experiment
from ptycho_engine.formats.npz_writer import NpzWriter, add_geometry, photon_metadata
from ptycho_engine.geometry.canvas import extract_patches
from ptycho_engine.physics.specimens import OBJECT_KINDS, PROBE_KINDS, make_object, make_probe

__all__ = ["SimulateConfig", "make_object", "make_probe", "scan_raster", "simulate_scan", "test_path"]

_BLOCK = 128
_MARGIN = 4
_JITTER = 0.3


@dataclass(frozen=True, slots=True)
class SimulateConfig(Config):
    """A simulated scan, complete: the same settings give the same file."""

    n_scan: int = option(
        1024, "Number of patterns, those of the test scan among them", unit="patterns", minimum=1, maximum=10_000_000
    )
    n: int = option(64, "Side N of a diffraction pattern", unit="px", choices=("64", "128", "256"))
    n_photons: float = option(1e5, "Photons in an average pattern", unit="photons", minimum=1.0, maximum=1e15)
    object_kind: str = option("lines", "What the specimen looks like", choices=OBJECT_KINDS)
    probe_kind: str = option("defocused", "What the probe looks like", choices=PROBE_KINDS)
    measurement: str = option(
        "amplitude",
        "What the file holds: amplitude, with modes of the probe that add coherently; or counts, with a probe in their "
        "scale and modes that add incoherently",
        choices=("amplitude", "counts"),
    )
    step: float | None = option(
        None, "Mean distance of neighbouring positions; empty takes N/20", unit="px", minimum=0.1, maximum=1000.0
    )
    from_file: str | None = option(None, "Take probe, object and positions from this file instead")
    seed: int = option(0, "Seed of specimen, positions, noise and test part", minimum=0, maximum=2**32 - 1)
    test_fraction: float = option(
        0.0, "Part of the patterns that goes to a second file for testing", minimum=0.0, maximum=0.9
    )


def scan_raster(n_scan: int, step: float, start: tuple[float, float], seed: int) -> PositionArray:
    """Return the positions of a raster scan with jitter, row by row.

    Parameters
    ----------
    n_scan
        Number of positions; the raster is as square as it can be.
    step
        Distance of neighbours [px]; each position is off by up to 0.3 steps in both directions.
    start
        ``(y, x)`` of the first position [px].
    seed
        Of the jitter.

    Returns
    -------
    numpy.ndarray
        (n_scan, 2) float64 [px] ``(y, x)``, rounded to 0.01 px.
    """
    columns = int(np.ceil(np.sqrt(n_scan)))
    raster = np.stack(np.divmod(np.arange(n_scan), columns), axis=1).astype(np.float64)
    jitter = np.random.default_rng(seed).uniform(-_JITTER, _JITTER, (n_scan, 2))
    return np.asarray(np.round((raster + jitter) * step + np.array(start), 2))


def test_path(out: str | Path) -> Path:
    """Return where the test part of a simulated scan goes: ``scan.npz`` -> ``scan_test.npz``."""
    path = Path(out)
    return path.with_name(f"{path.stem}_test{path.suffix or '.npz'}")


test_path.__test__ = False  # type: ignore[attr-defined]  # no test, though its name begins like one


def simulate_scan(config: SimulateConfig, out: str | Path) -> Generator[EngineEvent, None, None]:
    """Simulate a scan and write it.

    Counts are drawn from Poisson's distribution with ``n_photons`` in an average pattern. The file holds
    amplitude = sqrt(counts)/s, with s the factor that brings the probe to that number of photons, and s as its
    ``count_scale``; or the counts themselves and s times the probe.

    Parameters
    ----------
    config
        What to simulate.
    out
        The file to write (``.npz``).

    Yields
    ------
    EngineEvent
        ``Progressed`` after each block; ``FileWritten`` for each file, last for ``out``.

    Raises
    ------
    DatasetError, InputError
        If there is nothing to simulate from.
    OutputError
        If a file cannot be written.
    """
    probe, object_, positions, origin = _experiment(config)
    n_scan = len(positions)
    yield JobStarted("simulate", "CPU", n_scan, "patterns")
    yield MessageLogged("info", f"Simulating {n_scan} patterns of {config.n_photons:g} photons from {origin}.")
    as_counts = config.measurement == "counts"
    # Modes that add coherently diffract like their sum.
    waves = probe if as_counts else probe.sum(axis=0, keepdims=True)
    n = waves.shape[-1]
    outside = _n_outside(positions, object_.shape, n)
    if outside:
        yield MessageLogged("warning", f"{outside} of {n_scan} patches reach beyond the object; nothing is there.")
    scale = _count_scale(config.n_photons, object_, positions, waves)
    done = 0
    for path, indices, seed in _parts(config, Path(out), n_scan):
        random = np.random.default_rng(seed)
        with NpzWriter(path) as writer:
            stack = writer.open_stack("diff3d", (len(indices), n, n), np.float32)
            for start in range(0, len(indices), _BLOCK):
                block = positions[indices[start : start + _BLOCK]]
                counts = _counted(extract_patches(object_, block, n), waves, scale, random)
                stack.write(np.asarray(counts if as_counts else np.sqrt(counts) / scale, np.float32))
                done += len(block)
                yield Progressed(done, n_scan, "patterns")
            stack.close()
            known_probe = np.asarray(probe * scale, np.complex64) if as_counts else probe
            add_geometry(writer, positions[indices], known_probe, object_, None)
            writer.add_metadata(_metadata(config, n, origin, scale))
        yield FileWritten(path)


def _experiment(config: SimulateConfig) -> tuple[ComplexArray, ComplexArray, PositionArray, str]:
    """Return probe, object, positions, and where they come from in words."""
    if config.from_file:
        known = read_experiment(config.from_file)
        return known.probe, known.object_, known.scan_positions, known.path.name
    step = config.n / 20 if config.step is None else config.step
    lead = config.n // 2 + _MARGIN + _JITTER * step
    positions = scan_raster(config.n_scan, step, (lead, lead), config.seed + 1)
    shape = [int(np.ceil(top)) + config.n // 2 + _MARGIN for top in positions.max(axis=0)]
    if shape[0] * shape[1] > 1 << 28:
        raise InputError(f"the object would be {shape[0]} x {shape[1]} px", "Lower n_scan or step.")
    object_ = make_object(config.object_kind, (shape[0], shape[1]), config.seed)
    return make_probe(config.n, config.probe_kind), object_, positions, f"{config.object_kind} seen by a probe"


def _parts(config: SimulateConfig, out: Path, n_scan: int) -> list[tuple[Path, IndexArray, Any]]:
    """Return the files to write with their patterns and the seed of their noise, the main file last."""
    n_test = round(config.test_fraction * n_scan)
    if config.test_fraction > 0 and not 0 < n_test < n_scan:
        raise InputError(f"{n_scan} patterns cannot be split by {config.test_fraction:g}", "Raise n_scan.")
    choice, noise, test_noise = np.random.SeedSequence(config.seed).spawn(3)
    order = np.random.default_rng(choice).permutation(n_scan)
    main = (out, np.sort(order[n_test:]), noise)
    return [(test_path(out), np.sort(order[:n_test]), test_noise), main] if n_test else [main]


def _count_scale(n_photons: float, object_: ComplexArray, positions: PositionArray, waves: ComplexArray) -> float:
    """Return s, the factor from the probe as given to the square root of photons."""
    light = np.square(np.abs(waves)).sum(axis=0)
    total = 0.0
    for start in range(0, len(positions), _BLOCK):
        patches = extract_patches(object_, positions[start : start + _BLOCK], len(light))
        total += float(np.sum(np.square(np.abs(patches)) * light, dtype=np.float64))
    if total <= 0:
        raise InputError("no light would reach the detector", "Check probe, object and positions.")
    return float(np.sqrt(n_photons * len(positions) / total))


def _counted(
    patches: ComplexArray, waves: ComplexArray, scale: float, random: np.random.Generator
) -> NDArray[np.int64]:
    """Return (k, N, N) the counts of a detector that sees the waves diffract one by one."""
    expected = np.zeros(patches.shape, np.float64)
    for wave in waves:
        field = np.fft.fftshift(np.fft.fft2(patches * wave, norm="ortho"), axes=(1, 2))
        expected += np.square(np.abs(field).astype(np.float64) * scale)
    return np.asarray(random.poisson(expected))


def _n_outside(positions: PositionArray, shape: tuple[int, ...], n: int) -> int:
    low, high = positions - n / 2, positions + n / 2
    return int(np.count_nonzero((low < 0).any(axis=1) | (high > np.array(shape)).any(axis=1)))


def _metadata(config: SimulateConfig, n: int, origin: str, scale: float) -> dict[str, Any]:
    measured: dict[str, Any] = {"measurement_domain": "count_intensity"}
    if config.measurement == "amplitude":
        measured = {"measurement_domain": "normalized_amplitude", "count_scale": scale}
    facts = {
        "creation_info": {"program": "ptychoscope", "verb": "simulate", "from": origin, "seed": config.seed},
        "physics_parameters": {"N": n} | measured,
    }
    return photon_metadata(facts, config.n_photons)
