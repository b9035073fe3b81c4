"""Which settings of an inference mean nothing for a network, or beside another setting, and why."""

from dataclasses import replace

from ptycho_engine.config import InferConfig
from ptycho_engine.documents import Bundle
from ptycho_engine.inference_compatibility import MODES

NEEDS_TWO_PARTS = (
    "The network draws amplitude and phase. Factors of a real and an imaginary part mean something only where it draws "
    "these two, as networks of the profile count-intensity do."
)
"""Why VarPro means nothing for most networks: with the phase of a patch, which patterns leave open, its real and
imaginary part go over into each other."""


def without_meaning(config: InferConfig, bundle: Bundle | None) -> dict[str, str]:
    """Return the settings that mean nothing, each with the reason in a sentence.

    Parameters
    ----------
    config
        The settings as they stand.
    bundle
        The network; ``None`` where none is chosen yet, so that only what settings say of each other is known.
    """
    reasons: dict[str, str] = {}
    if config.refine == 0:
        reasons["refine_probe"] = "Nothing is refined: the number of passes is 0."
    if bundle is not None:
        reasons |= _of_network(bundle)
    mode = MODES.get(config.compatibility)
    if mode is not None:
        nothing = dict.fromkeys(mode.without_effect, f"PtychoPINN {mode.name} had no such setting.")
        nothing["fit_ramp"] = f"PtychoPINN {mode.name} left the phase of its canvas as drawn."
        nothing["varpro"] = f"PtychoPINN {mode.name} stitched patches without factors of their two parts."
        nothing["refine"] = nothing["refine_probe"] = f"PtychoPINN {mode.name} refined nothing."
        if mode.takes_whole_scan:
            nothing["n_groups"] = f"PtychoPINN {mode.name} took every pattern away from the rim of the scan."
        reasons |= nothing
    return reasons


def with_meaning(config: InferConfig, bundle: Bundle | None) -> InferConfig:
    """Return the settings with those that mean nothing as they usually are."""
    usual = InferConfig()
    return replace(config, **{name: getattr(usual, name) for name in without_meaning(config, bundle)})


def _of_network(bundle: Bundle) -> dict[str, str]:
    reasons = {}
    model = bundle.model
    if model.output != "real_imag" and "output" not in bundle.assumed:
        reasons["varpro"] = NEEDS_TWO_PARTS
    if model.gridsize == 1 or not model.object_big:
        reasons["neighbor_count"] = "The network reads one pattern at a time."
    return reasons
