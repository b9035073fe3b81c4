"""What a bundle may leave open about its network, and how a person or the patterns settle it."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from ptycho_engine.arrays import FloatArray
from ptycho_engine.config import ModelConfig
from ptycho_engine.diagnostics.fit import poisson_deviance, r_factor
from ptycho_engine.documents import Bundle, Dataset
from ptycho_engine.errors import BundleError, ConfigError
from ptycho_engine.events import MessageLogged

if TYPE_CHECKING:
    import torch

    from ptycho_engine.batches import GroupBatches

CHOICES: dict[str, dict[str, Any]] = {
    "output": {"amp_phase": "amp_phase", "real_imag": "real_imag"},
    "amp_activation": {"silu": "swish", "sigmoid": "sigmoid"},
    "probe_big": {"true": True, "false": False},
}
"""The settings that tensors do not tell: for each the words for its values, and the values."""
_SAMPLE = 24
"""Groups that candidates are compared on."""
_DECIDED = 0.05
"""Relative difference of the deviances below which the patterns do not decide."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to read a network, and how well it then fits the patterns."""

    words: Mapping[str, str]
    """What is assumed, as in :data:`CHOICES`."""
    deviance: float
    """Poisson deviance per pixel, which training made small; infinite where nothing is predicted."""
    r_factor: float
    """Both are of amplitudes of the same total intensity as the measured ones."""

    def text(self) -> str:
        """Return the assumptions in one line."""
        return ", ".join(f"{name}={word}" for name, word in self.words.items())

    def figures(self) -> str:
        """Return assumptions and figures in one line."""
        return f"{self.text()}: deviance {self.deviance:.3g}, R-factor {self.r_factor:.3g}"


def assume(bundle: Bundle, words: Mapping[str, str]) -> Bundle:
    """Return the bundle with settings as a person says they are.

    Parameters
    ----------
    bundle
        The bundle.
    words
        For each setting a word, both from :data:`CHOICES`.

    Raises
    ------
    ConfigError
        If a setting or a word is not among them.
    BundleError
        If the bundle's own records say which it is.
    """
    for name, word in words.items():
        if name not in CHOICES or word not in CHOICES[name]:
            raise ConfigError(f"{name}={word} cannot be assumed", f"What can be is {choices_text()}.")
        if name not in bundle.assumed:
            raise BundleError(
                f"the bundle says itself what its {name} is: {getattr(bundle.model, name)}",
                f"Leave out {name}.",
                file=bundle.path,
            )
    values = {name: CHOICES[name][word] for name, word in words.items()}
    return replace(
        bundle,
        model=replace(bundle.model, **values),
        assumed=tuple(name for name in bundle.assumed if name not in words),
        notes=(*bundle.notes, *(f"Taken as {name}={word}, which no record says." for name, word in words.items())),
    )


def choices_text() -> str:
    """Return all settings and words in one line."""
    return ", ".join(f"{name}={'|'.join(words)}" for name, words in CHOICES.items())


def rank_assumptions(
    dataset: Dataset, bundle: Bundle, device: "torch.device | str" = "cpu", n_groups: int = _SAMPLE
) -> tuple[Candidate, ...]:
    """Compare every way to read a network by what it predicts of the patterns of a scan.

    Parameters
    ----------
    dataset
        The scan, of the network's side.
    bundle
        A bundle with settings that are assumed.
    device
        Where to compute.
    n_groups
        Groups that are compared, evenly spread over the scan.

    Returns
    -------
    tuple of Candidate
        The best first, by deviance: it is what training minimises, and told the readings of half-trained networks
        apart where the R-factor did not.
    """
    batches, probe = _sample(dataset, bundle, device, n_groups)
    found = []
    for words in _possibilities(bundle):
        settled = assume(bundle, words)
        predicted, measured = _predicted(settled, batches, probe, device)
        found.append(Candidate(words, *_figures(predicted, measured, bundle.intensity_scale)))
    return tuple(sorted(found, key=lambda candidate: candidate.deviance))


def is_decided(candidates: Sequence[Candidate]) -> bool:
    """Tell whether the patterns decide between ways to read a network, the best first: the next fits 5 % worse."""
    return len(candidates) < 2 or candidates[1].deviance > (1.0 + _DECIDED) * candidates[0].deviance


def settle(dataset: Dataset, bundle: Bundle, device: "torch.device | str") -> Generator[MessageLogged, None, Bundle]:
    """Return a bundle without open settings: those that fit the patterns best, with what was found told."""
    if not bundle.assumed:
        return bundle
    candidates = rank_assumptions(dataset, bundle, device)
    best, *others = candidates
    figures = "; ".join(one.figures() for one in candidates)
    if not is_decided(candidates):
        # Not decided by the patterns: what is most common is the better guess.
        usual = next(one for one in (best, *others) if _is_usual(one, bundle.model))
        yield MessageLogged(
            "warning",
            f"The bundle does not say how to read its network, and the patterns do not decide: {usual.text()} is "
            f"assumed ({figures})",
        )
        return assume(bundle, usual.words)
    yield MessageLogged(
        "info",
        f"The bundle does not say how to read its network; {best.text()} fits the patterns best ({figures})",
    )
    return assume(bundle, best.words)


def _is_usual(candidate: Candidate, model: ModelConfig) -> bool:
    return all(CHOICES[name][word] == _plain(getattr(model, name)) for name, word in candidate.words.items())


def _plain(value: Any) -> Any:
    return "swish" if value == "silu" else value


def _possibilities(bundle: Bundle) -> Iterator[dict[str, str]]:
    for words in product(*(CHOICES[name] for name in bundle.assumed)):
        chosen = dict(zip(bundle.assumed, words, strict=True))
        output = chosen.get("output", bundle.model.output)
        if output == "real_imag" and chosen.get("amp_activation", "silu") != "silu":
            continue  # There is no amplitude to bound.
        yield chosen


def _sample(
    dataset: Dataset, bundle: Bundle, device: "torch.device | str", n_groups: int
) -> "tuple[GroupBatches, torch.Tensor]":
    import torch

    from ptycho_engine.batches import GroupBatches
    from ptycho_engine.config import InferConfig
    from ptycho_engine.inference_job import inference_groups
    from ptycho_engine.physics.scaling import dataset_input_scale

    grouping = inference_groups(dataset, bundle, InferConfig(n_groups=n_groups))
    scale = dataset_input_scale(dataset, grouping.group_indices[:, 0])
    # Read as they are asked for: most patterns of the scan never are.
    batches = GroupBatches(dataset, grouping, scale, torch.device(device), 8, resident_bytes=0)
    return batches, torch.tensor(dataset.probe, dtype=torch.complex64, device=device)


def _predicted(
    bundle: Bundle, batches: "GroupBatches", probe: "torch.Tensor", device: "torch.device | str"
) -> tuple[FloatArray, FloatArray]:
    import torch

    from ptycho_engine.models.pinn import build_model
    from ptycho_engine.physics.forward import predict_amplitude

    network = build_model(bundle, device)
    factors = [bundle.state.get(f"model.forward_model.rect_scaler.{name}") for name in ("s1", "s2")]
    real, imaginary = (1.0 if one is None or one.size == 0 else float(one.flat[0]) for one in factors)
    predicted, measured = [], []
    with torch.inference_mode():
        for groups in batches.slices(batches.all_groups()):
            batch = batches.batch(groups)
            patches = network(batch.images)
            if bundle.model.output == "real_imag":
                patches = torch.complex(real * patches.real, imaginary * patches.imag)
            predicted.append(predict_amplitude(patches, batch.local_offsets, probe, bundle.model).cpu().numpy())
            measured.append(batch.images.cpu().numpy())
    return np.concatenate(predicted), np.concatenate(measured)


def _figures(predicted: FloatArray, measured: FloatArray, intensity_scale: float) -> tuple[float, float]:
    """Return deviance and R-factor; the unit of the probe, and with it a common factor, may be another than trained."""
    power, light = (float(np.sum(np.square(values), dtype=np.float64)) for values in (predicted, measured))
    if not np.isfinite(power) or power <= 0:
        return float("inf"), float("inf")
    scaled = np.sqrt(light / power) * predicted
    return poisson_deviance(scaled, measured, intensity_scale), r_factor(scaled, measured)
