"""The level at which a network reads a scan: amplitudes at the scan's own, counts at that of the training."""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch

from ptycho_engine.arrays import IndexArray
from ptycho_engine.documents import Bundle, CountStatistics, Dataset
from ptycho_engine.errors import BundleError, DatasetError
from ptycho_engine.physics.counts import as_counts, count_statistics
from ptycho_engine.physics.scaling import amplitude_blocks, dataset_input_scale, light_factor
from ptycho_engine.profiles import CountProfile

_OTHER_EXPOSURE = 1.5
"""Times the mean count of the training from which on, or below whose inverse, it is worth a warning."""


@dataclass(frozen=True, slots=True)
class InferenceLevel:
    """A scan as a network reads it."""

    dataset: Dataset
    """Of counts where the network reads counts, with a probe in their scale."""
    input_scale: float
    """By which amplitudes, or counts, are multiplied for the network."""
    amplitude_scale: float
    """By which the amplitudes of ``dataset`` are multiplied where they are shown."""
    normal_scale: float
    """What ``input_scale`` is for patterns as bright as in training."""
    intensity_scale: float
    """S, root photons for the amplitudes that are shown."""
    network_per_physical: float
    """Factor from physical to network amplitude."""
    amplitude_factor: float
    """By which patches are multiplied, because the network learned its amplitudes under a probe of other energy."""
    statistics: CountStatistics | None
    """Of the training, where the network reads counts."""
    note: str
    """What is to be told of the level."""
    warning: str = ""

    def at(self, input_scale: float, probe_scale: float) -> "InferenceLevel":
        """Return the level of amplitudes that are read at another scale, as older releases did."""
        return replace(
            self,
            input_scale=input_scale,
            amplitude_scale=input_scale,
            network_per_physical=probe_scale * input_scale,
            amplitude_factor=1.0,
            note=f"input scale k = {input_scale:.6g}, where {self.note.removeprefix('input scale ')} is normal",
        )

    def amplitudes(self, images: torch.Tensor) -> torch.Tensor:
        """Return what the network reads as the amplitudes that its probe predicts: normalised, or roots of counts."""
        return images if self.statistics is None else (images / self.input_scale).sqrt()


def inference_level(dataset: Dataset, bundle: Bundle, indices: IndexArray) -> InferenceLevel:
    """Return the level of the patterns that are inferred.

    Parameters
    ----------
    dataset
        The scan.
    bundle
        The network.
    indices
        The patterns, each named once.

    Raises
    ------
    EngineError
        If the patterns are dark, not finite, or no counts where the network reads counts.
    """
    if bundle.model.forward_model == "counts":
        return _of_counts(dataset, bundle, indices)
    scale = dataset_input_scale(dataset, indices)
    if not (math.isfinite(scale) and scale > 0) or (scale == 1.0 and _is_dark(dataset)):
        raise DatasetError(
            "its patterns hold no photons, or values that are not finite", "Choose a scan with data.", file=dataset.path
        )
    known = "" if bundle.input_scale is None else f" (of the training data: {bundle.input_scale:.6g})"
    unknown = "This network predicts intensities of normalised amplitudes; the level of its object is not known"
    return InferenceLevel(
        dataset=dataset,
        input_scale=scale,
        amplitude_scale=scale,
        normal_scale=scale,
        intensity_scale=bundle.intensity_scale,
        network_per_physical=bundle.model.probe_scale * scale,
        amplitude_factor=_amplitude_factor(dataset, bundle),
        statistics=None,
        note=f"input scale k = {scale:.6g}{known}",
        warning="" if bundle.model.forward_model == "amplitude" else unknown,
    )


def _of_counts(dataset: Dataset, bundle: Bundle, indices: IndexArray) -> InferenceLevel:
    frozen = bundle.count_statistics
    if frozen is None:
        raise BundleError(
            "the network reads counts, but the bundle does not hold the statistics of those it was trained with",
            "Train it anew; PtychoPINN keeps them as ci_statistics.",
            file=bundle.path,
        )
    scan = as_counts(dataset, count_scale=_set_scale(dataset, bundle))
    own = count_statistics(scan.dataset, indices)
    ratio = own.mean_measured_intensity / frozen.mean_measured_intensity
    profile = CountProfile(frozen, dataset.n)
    far = not 1 / _OTHER_EXPOSURE <= ratio <= _OTHER_EXPOSURE
    return InferenceLevel(
        dataset=scan.dataset,
        input_scale=frozen.rms_input_scale,
        amplitude_scale=1.0 / profile.intensity_scale,
        normal_scale=frozen.rms_input_scale,
        intensity_scale=profile.intensity_scale,
        network_per_physical=1.0,
        # A probe in the scale of the counts says by itself how bright it is.
        amplitude_factor=1.0,
        statistics=frozen,
        note=f"input scale of counts = {frozen.rms_input_scale:.6g}, as in the training ({scan.origin})",
        warning=f"The scan holds {ratio:.3g} times the counts of the training: the network reads patterns it does not "
        "know"
        if far
        else "",
    )


def _amplitude_factor(dataset: Dataset, bundle: Bundle) -> float:
    """Return what brings the network's amplitudes to the scale of this scan, 1 where the bundle does not tell.

    With it, network amplitude is ``probe_scale * k`` times the transmission whatever probe the network learned with.
    """
    energy = bundle.provenance.get("probe_energy")
    if not isinstance(energy, int | float) or not math.isfinite(energy):
        return 1.0
    return light_factor(dataset.probe, float(energy))


def _set_scale(dataset: Dataset, bundle: Bundle) -> float | None:
    """Return the count scale that a person set for the training, if the scan holds the same kind of values."""
    scale, of = bundle.provenance.get("count_scale"), bundle.provenance.get("count_scale_of")
    if not isinstance(scale, (int, float)) or isinstance(scale, bool) or not 0 < scale < math.inf:
        return None
    return float(scale) if of == dataset.measurement else None


def _is_dark(dataset: Dataset) -> bool:
    return not any(block.any() for block in amplitude_blocks(dataset, np.arange(dataset.n_scan)))
