"""Patch amplitudes of the training against those of the inference: figures, ratios, and what the ratios mean."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ptycho_engine.documents import Bundle, PatchStats

AGREE = 2.0
"""Factor within which two levels of one network agree: batches of one scan differ by less."""
SAME_FACTOR = 1.25
"""Factor within which mean and spread must have grown alike for the change to be one of scale."""
COLLAPSED = 0.1
"""Part of the training's contrast below which the network draws a constant."""
NEARLY_FLAT = 0.02
"""Spread of a patch over its mean below which there is hardly a picture in the amplitude."""
RECOGNISED = 0.03
"""Relative difference within which a measured factor is taken for a known one."""


@dataclass(frozen=True, slots=True)
class PhaseFigures:
    """The figures of one phase."""

    phase: str
    described: str
    """What they describe, in words."""
    mean: float
    std: float
    """Unbiased, over all elements."""
    var_zero_mean: float
    """Mean square of the amplitude minus the mean of its own patch."""
    minimum: float
    """Of the patches that are described one by one, as ``maximum``; NaN where there are none."""
    maximum: float


@dataclass(frozen=True, slots=True)
class FigureRow:
    """One line of the table."""

    name: str
    training: float | None
    inference: float | None
    ratio: float | None
    """Inference over training."""
    amplitude_factor: float | None
    """The same as a factor of amplitude: the root of the ratio of a variance."""


def training_figures(entries: Sequence[PatchStats]) -> PhaseFigures | None:
    """Return the figures of a training: of the batch that was logged last, as the network then was."""
    if not entries:
        return None
    last = entries[-1]
    batch = f"batch {last.batch_idx}, the last of {len(entries)}" if len(entries) > 1 else "one batch"
    return _figures((last,), f"{batch}, {_groups(last.batch_size)}")


def inference_figures(entries: Sequence[PatchStats]) -> PhaseFigures | None:
    """Return the figures of an inference: of all its batches together, as one network drew them.

    The spread of the whole follows from the parts, ``std² = mean of std² + variance of the means``, both weighted by
    the size of the batches; what the divisor n - 1 of each batch changes is below a thousandth.
    """
    if not entries:
        return None
    batches = "one batch" if len(entries) == 1 else f"{len(entries)} batches"
    return _figures(entries, f"{batches}, {_groups(sum(one.batch_size for one in entries))}")


def _groups(count: int) -> str:
    return "1 group" if count == 1 else f"{count} groups"


def _figures(entries: Sequence[PatchStats], described: str) -> PhaseFigures:
    weights = [max(one.batch_size, 1) for one in entries]
    total = sum(weights)
    mean = sum(weight * one.global_mean for weight, one in zip(weights, entries, strict=True)) / total
    if len(entries) == 1:
        std = entries[0].global_std
    else:
        squares = [one.global_std**2 + (one.global_mean - mean) ** 2 for one in entries]
        std = math.sqrt(sum(weight * one for weight, one in zip(weights, squares, strict=True)) / total)
    variance = sum(weight * one.var_zero_mean for weight, one in zip(weights, entries, strict=True)) / total
    patches = [patch for one in entries for patch in one.per_patch]
    return PhaseFigures(
        entries[0].phase,
        described,
        mean,
        std,
        variance,
        min((patch[3] for patch in patches), default=math.nan),
        max((patch[4] for patch in patches), default=math.nan),
    )


def comparison_rows(training: PhaseFigures | None, inference: PhaseFigures | None) -> tuple[FigureRow, ...]:
    """Return the table of training against inference."""
    names = ("mean", "std", "var(zero-mean)", "min", "max")
    keys = ("mean", "std", "var_zero_mean", "minimum", "maximum")
    rows = []
    for name, key in zip(names, keys, strict=True):
        a, b = (None if side is None else float(getattr(side, key)) for side in (training, inference))
        ratio = _ratio(a, b)
        factor = ratio if key != "var_zero_mean" else None if ratio is None or ratio < 0 else math.sqrt(ratio)
        rows.append(FigureRow(name, a, b, ratio, factor))
    return tuple(rows)


def _ratio(a: float | None, b: float | None) -> float | None:
    if a is None or b is None or a == 0 or not (math.isfinite(a) and math.isfinite(b)):
        return None
    return b / a


_TWO_NETWORKS = (
    "The inference used another network than the one that was trained here: their ratio tells nothing about either. "
    "Choose the bundle of this training, and infer again."
)


def causes(
    training: Sequence[PatchStats],
    inference: Sequence[PatchStats],
    network: Bundle | None = None,
    *,
    one_network: bool = True,
) -> tuple[str, ...]:
    """Say in plain words what training and inference tell together.

    Parameters
    ----------
    training, inference
        The logged batches of each phase, either may be empty.
    network
        The bundle that both used, where it is known: its scales tell which normalisation a factor is.
    one_network
        Whether both are of one network, as far as is known; of two nothing follows from their ratio.
    """
    a, b = training_figures(training), inference_figures(inference)
    single = [text for side in (a, b) if side is not None for text in _alone(side)]
    unlike = _other_things(training, inference)
    if a is None or b is None or single:
        return (*single, *unlike)
    if not one_network:
        return (*unlike, _TWO_NETWORKS)
    return (*unlike, *_together(a, b, network, comparable=not unlike))


def _alone(figures: PhaseFigures) -> list[str]:
    who = "Training" if figures.phase == "train" else "Inference" if figures.phase == "inference" else figures.phase
    values = (figures.mean, figures.std, figures.var_zero_mean)
    if not all(math.isfinite(value) for value in values):
        return [f"{who}: the amplitudes are not finite. The training diverged, or the input was not finite."]
    if figures.mean == 0 and figures.std == 0:
        return [f"{who}: every amplitude is exactly zero. The output is dead; no network that was trained draws that."]
    if figures.std == 0:
        ones = (
            " PtychoPINN 2026-07 writes ones here where the scan has no known object."
            if figures.mean == 1 and figures.phase == "train"
            else ""
        )
        return [f"{who}: every amplitude is {figures.mean:.6g}. That is a constant, not a picture.{ones}"]
    return []


def describes_canvas(inference: Sequence[PatchStats]) -> bool:
    """Whether statistics of an inference are of one stitched canvas, as PtychoPINN 2026-07 writes them."""
    if len(inference) != 1 or inference[0].batch_size != 1 or len(inference[0].per_patch) != 1:
        return False
    # A group of one patch without any zero would be one too; around a canvas lies what no patch covers.
    return inference[0].per_patch[0][3] == 0.0


def _other_things(training: Sequence[PatchStats], inference: Sequence[PatchStats]) -> tuple[str, ...]:
    if not describes_canvas(inference):
        return ()
    text = (
        "The inference's statistics describe the stitched canvas with its empty border as if it were one patch, as "
        "PtychoPINN 2026-07 writes them"
    )
    if len(training) == 1:
        return (
            f"{text}; its training's describe the known object's patches. Neither are patches that the network drew, "
            "so their ratio says nothing about the network: a known object is in physical amplitude, the canvas in "
            "network amplitude.",
        )
    return (f"{text}, so its level is not that of patches.",)


def _together(a: PhaseFigures, b: PhaseFigures, network: Bundle | None, *, comparable: bool) -> list[str]:
    factor = b.mean / a.mean if a.mean else math.inf
    spread = math.sqrt(b.var_zero_mean / a.var_zero_mean) if a.var_zero_mean > 0 else math.inf
    lines = []
    if max(spread, 1 / spread if spread else math.inf) > AGREE:
        lines.append(
            f"var(zero-mean) is a square: {b.var_zero_mean / a.var_zero_mean:.3g} times of it is "
            f"{spread:.3g} times in amplitude."
            if a.var_zero_mean > 0
            else "The training's patches are flat, the inference's are not."
        )
    contrast = spread / factor if factor else math.inf
    known = _known_factor(factor, network)
    if known:
        lines.append(f"The mean changed by {factor:.6g}, {known}")
    elif not comparable:
        lines.append(_scale_of(network))
    elif 0 < contrast < COLLAPSED:
        lines.append(
            f"The contrast of a patch fell to {contrast:.2g} of the training's: the amplitude has collapsed, the "
            "network draws a constant."
        )
    elif 1 / AGREE <= factor <= AGREE and 1 / AGREE <= spread <= AGREE:
        lines.append("Training and inference are at the same level, as they should be.")
        if max(math.sqrt(side.var_zero_mean) / side.mean for side in (a, b)) < NEARLY_FLAT:
            lines.append(
                f"In both, a patch varies by {100 * math.sqrt(b.var_zero_mean) / b.mean:.2g} % about its mean: either "
                "the specimen hardly absorbs, or the network has drawn no picture yet."
            )
    else:
        alike = 1 / SAME_FACTOR <= contrast <= SAME_FACTOR
        changed = (
            "Mean and spread changed alike, by" if alike else f"The contrast changed by {contrast:.3g}, the mean by"
        )
        lines.append(
            f"{changed} {factor:.3g}. The same network draws both, so its input was not at the level of the training: "
            "multiply the patterns by the input scale k, and never by the intensity scale." + _k_of(network)
        )
    return [line for line in lines if line]


def _known_factor(factor: float, network: Bundle | None) -> str:
    if network is None or not math.isfinite(factor) or factor <= 0:
        return ""
    scale, probe_scale = network.intensity_scale, network.model.probe_scale
    candidates = [
        (scale, f"which is the intensity scale {scale:.6g}: the inference is in photon amplitude."),
        (1 / scale if scale else 0.0, f"which is one over the intensity scale {scale:.6g}: the training was."),
    ]
    if network.input_scale:
        level = probe_scale * network.input_scale
        text = f"probe_scale × k = {level:.6g}"
        candidates += [
            (1 / level, f"which is 1/({text}): the inference is in physical amplitude."),
            (level, f"which is {text}: the training is in physical amplitude."),
        ]
    for value, words in candidates:
        if not 1 / AGREE <= value <= AGREE and math.isclose(factor, value, rel_tol=RECOGNISED):
            return words
    return ""


def _scale_of(network: Bundle | None) -> str:
    if network is None:
        return ""
    k = "k" if network.input_scale is None else f"{network.input_scale:.6g}"
    return f"Network amplitude is probe_scale × k = {network.model.probe_scale:g} × {k} times the physical one."


def _k_of(network: Bundle | None) -> str:
    if network is None or network.input_scale is None:
        return ""
    return f" The k of the training was {network.input_scale:.6g}."
