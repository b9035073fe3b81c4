"""What Ptychoscope opens and makes: frozen documents of read-only host arrays.

A document never holds a device tensor or a live network, so it can be shown, compared, pickled and kept without
holding a GPU. Conventions: positions are ``(y, x)`` in object pixels, and the patch of a position is
``object[y - N/2 : y + N/2, x - N/2 : x + N/2]``.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ptycho_engine.arrays import ComplexArray, FloatArray, IndexArray, PositionArray, require_shape
from ptycho_engine.config import ModelConfig

TENSORFLOW_ERA = "TensorFlow"
"""``Bundle.era`` of bundles of PtychoPINN's TensorFlow backend, which can be looked at but not run."""

AmplitudeScale = Literal["network", "physical", "photon"]
Severity = Literal["info", "warning", "error"]


@runtime_checkable
class FrameStack(Protocol):
    """The diffraction patterns of a scan, read when they are asked for.

    Readers open the file for themselves and give ``DatasetError`` when it has gone or changed. A stack can be read from
    several threads and survives pickling (it re-opens its file).
    """

    @property
    def shape(self) -> tuple[int, int, int]:
        """``(n_scan, N, N)``."""
        ...

    @property
    def stored_dtype(self) -> str:
        """The dtype in the file, e.g. ``"uint16"``."""
        ...

    def read(self, indices: IndexArray | slice) -> FloatArray:
        """Return the named patterns as they are stored, ``(k, N, N)`` float32, in the order asked for."""
        ...


@dataclass(frozen=True, slots=True)
class ArrayInfo:
    """One array of a dataset file, for the table of arrays."""

    key: str
    shape: tuple[int, ...]
    dtype: str
    n_bytes: int
    compressed: bool
    role: str = ""
    """What Ptychoscope takes it for (``"diffraction"``, ``"probe"`` …), empty when it is not used."""
    value_range: tuple[float, float] | None = None
    """Least and greatest finite value, of the modulus of complex ones; ``None`` for what is too large to be read."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """A scan: patterns, positions, probe, and the object where it is known."""

    name: str
    """str Short name for lists and titles."""
    path: Path | None
    """The file it was read from, ``None`` if it was made in memory."""
    frames: FrameStack
    """(n_scan, N, N) the patterns as stored: amplitude, or counts when ``measurement`` is ``"intensity"``."""
    scan_positions: PositionArray
    """(n_scan, 2) float64 [px] patch centres ``(y, x)`` on the object grid."""
    probe: ComplexArray
    """(n_modes, N, N) complex64."""
    object_: ComplexArray | None = None
    """(H, W) complex64 the true or guessed object, if the file holds one."""
    n_photons: float | None = None
    """Photons in an average pattern, if the file says so."""
    scan_index: IndexArray | None = None
    """(n_scan,) int64 number of the scan that each pattern belongs to."""
    measurement: Literal["amplitude", "intensity"] = "amplitude"
    """Whether ``frames`` holds amplitudes (sqrt of counts, up to a factor) or counts."""
    arrays: tuple[ArrayInfo, ...] = ()
    """Every array of the file."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """The file's own ``_metadata``, as plain data."""
    notes: tuple[str, ...] = ()
    """What the reader noticed and decided, one sentence each."""
    pixel_size_m: float | None = None
    """Side of a pixel of the object [m], if the file says so."""
    fingerprint: str = ""
    """Digest of size, modification time and array headers: tells whether the file changed."""

    def __post_init__(self) -> None:
        n_scan, n, _ = self.frames.shape
        require_shape("scan_positions", self.scan_positions, (n_scan, 2))
        require_shape("probe", self.probe, (None, n, n))

    @property
    def n_scan(self) -> int:
        """Number of patterns."""
        return self.frames.shape[0]

    @property
    def n(self) -> int:
        """Side N of a pattern [px]."""
        return self.frames.shape[1]

    def counts(self, indices: IndexArray | slice) -> FloatArray:
        """Return patterns as **counts**, ``(k, N, N)`` float32, in the order asked for; of a scan that holds counts."""
        if self.measurement != "intensity":
            raise ValueError(f"{self.name} holds amplitudes, not counts")
        return self.frames.read(indices)

    def diffraction(self, indices: IndexArray | slice) -> FloatArray:
        """Return patterns as **amplitude**, ``(k, N, N)`` float32, in the order asked for."""
        values = self.frames.read(indices)
        if self.measurement == "intensity":
            return np.sqrt(np.maximum(values, 0.0))
        return values


@dataclass(frozen=True, slots=True)
class MemberInfo:
    """One member of a bundle's archive."""

    name: str
    n_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class LossHistory:
    """Losses of a training, by step and by epoch."""

    steps: IndexArray
    """(n_steps,) int64 step numbers from 0."""
    step_losses: NDArray[np.float64]
    """(n_steps,) training loss at each step read."""
    epochs: IndexArray
    """(n_epochs,) int64 epoch numbers from 0."""
    train_losses: NDArray[np.float64]
    """(n_epochs,) mean training loss."""
    validation_losses: NDArray[np.float64]
    """(n_epochs,) validation loss, NaN where there was none."""


@dataclass(frozen=True, slots=True)
class CountStatistics:
    """What a network that reads counts was trained with: measured once on the training patterns, then frozen."""

    rms_input_scale: float
    """By which counts are multiplied for the network: (N/2)/sqrt(mean over patterns of the sum of counts²)."""
    mean_measured_intensity: float
    """Mean count of a pixel, by which the loss is divided."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A trained network with its scales and where they come from. Holds no live module."""

    name: str
    path: Path | None
    era: str
    """``"2026-07"``, ``"2025-11"`` … : the release family whose layout and rules it follows."""
    model: ModelConfig
    state: Mapping[str, NDArray[Any]]
    """Tensors by upstream's names (``model.autoencoder.…``), read-only host arrays."""
    intensity_scale: float
    """S = sqrt(n_photons)/(N/2) unless learned."""
    intensity_scale_origin: str
    """In words, where ``intensity_scale`` comes from."""
    input_scale: float | None = None
    """k of the training data: (N/2)/sqrt(mean total of diffraction²); ``None`` if the bundle does not say."""
    n_photons: float | None = None
    count_statistics: CountStatistics | None = None
    """Of the training counts, where the network reads counts."""
    params: Mapping[str, Any] = field(default_factory=dict)
    """The flat parameters of ``params.dill``, plain data."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """Training settings, as far as recorded."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """Seed, dataset name and fingerprint, version and date, as far as recorded."""
    history: LossHistory | None = None
    members: tuple[MemberInfo, ...] = ()
    notes: tuple[str, ...] = ()
    """What the reader noticed, one sentence each."""
    assumed: tuple[str, ...] = ()
    """Settings of ``model`` that neither tensors nor records say, and that hold an assumption."""

    @property
    def n_parameters(self) -> int:
        """Number of values in all tensors; a tensor with several names counts once."""
        return sum(int(tensor.size) for tensor in {id(tensor): tensor for tensor in self.state.values()}.values())


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A half-open rectangle of array indices."""

    row: int
    column: int
    height: int
    width: int


@dataclass(frozen=True, slots=True)
class Canvas:
    """Patches stitched at their positions.

    Canvas pixel ``[i, j]`` is object pixel ``(origin_y + i, origin_x + j)``.
    """

    object_: ComplexArray
    """(H, W) complex64 the stitched object, zero where nothing fell."""
    weight: FloatArray
    """(H, W) float32 sum of the stitching weights."""
    origin_px: tuple[int, int]
    """Object pixel ``(y, x)`` of canvas pixel ``[0, 0]``."""
    scan_positions: PositionArray
    """(n, 2) float64 [px] positions of the stitched patches, ``(y, x)``."""
    patch_side: int
    """Side N of a patch [px]."""
    crop: int
    """Side of the central square of each patch that was stitched [px]."""
    scale: AmplitudeScale = "network"
    """The scale of ``abs(object_)``."""
    network_per_physical: float = 1.0
    """Factor from physical amplitude (transmission) to network amplitude: probe_scale x k."""
    mode: str = "none"
    """The compatibility mode it was made with."""
    dropped: int = 0
    """Patches that did not fit and were left out."""

    @property
    def covered(self) -> NDArray[np.bool_]:
        """(H, W) where at least a thousandth of the greatest weight fell."""
        top = float(self.weight.max()) if self.weight.size else 0.0
        return np.asarray(self.weight > 1e-3 * top) if top > 0 else np.zeros(self.weight.shape, bool)

    def canvas_offsets(self) -> PositionArray:
        """(n, 2) [px] position minus the mean position, ``(dy, dx)``."""
        if len(self.scan_positions) == 0:
            return np.zeros((0, 2))
        return np.asarray(self.scan_positions - self.scan_positions.mean(axis=0))


@dataclass(frozen=True, slots=True)
class PatchStats:
    """Statistics of one logged batch of patch amplitudes, as in ``torch_patch_stats.json``."""

    phase: str
    batch_idx: int
    batch_size: int
    global_mean: float
    global_std: float
    """Unbiased, over all elements."""
    var_zero_mean: float
    """Mean square of amplitude minus its own patch's mean; biased, no root."""
    per_patch: tuple[tuple[int, float, float, float, float], ...]
    """(patch_idx, mean, std, min, max) of the first four."""


@dataclass(frozen=True, slots=True)
class ReconstructionMetrics:
    """Agreement with a known object over the covered area, after removing a constant phase and scale."""

    amplitude_correlation: float
    phase_correlation: float
    complex_correlation: float
    """abs(<a, b>)/(norm(a) norm(b))."""
    psnr_db: float
    """Of the amplitude, after the least-squares scale; peak = greatest true amplitude."""
    ssim: float
    n_pixels: int
    """Covered pixels that were compared."""


@dataclass(frozen=True, slots=True)
class FitFigures:
    """How good a network is on a fixed sample of patterns: the first four figures need no known object."""

    r_factor: float
    """sum |A_predicted - A_measured| / sum A_measured."""
    empty_r_factor: float
    """The R-factor of an empty object, with the energy of the measured patterns."""
    poisson_deviance: float
    """Per pixel; about 1 where the fit lacks nothing but the noise of many photons."""
    overlap_consistency: float
    """Correlation of neighbouring patches where the probe lit both; NaN where it is not defined, as all below."""
    amplitude_correlation: float
    """Of the stitched sample with the known object; NaN without one, as the two below."""
    phase_correlation: float
    complex_correlation: float
    n_patches: int
    """Patches of the sample."""
    scan: Literal["test", "training"]
    """Where the sample was taken from."""
    stranger_deviance: float = math.nan
    """The Poisson deviance of each pattern against what is predicted for another one; NaN in older records."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One thing that is wrong, or worth knowing."""

    id: str
    severity: Severity
    message: str
    """The finding in one sentence with its measured figures."""
    hint: str
    """What to do."""
    values: Mapping[str, float | str] = field(default_factory=dict)
    place: str = ""
    """The panel of the window that shows it."""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run folder and how it stands."""

    path: Path
    verb: str
    """``"train"`` or ``"infer"``."""
    state: Literal["running", "completed", "stopped", "failed"]
    epoch: int = 0
    n_epochs: int = 0
    checkpoint: Path | None = None
    """Newest checkpoint to resume from."""
    bundle: Path | None = None
