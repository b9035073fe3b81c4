"""A checkpoint as a training of PtychoPINN with Lightning leaves it, made without Lightning."""

from collections import OrderedDict
from typing import Any

import torch

from ptycho_engine.bundles.upstream_records import metadata_of, params_of
from ptycho_engine.documents import Bundle


def lightning_checkpoint(bundle: Bundle) -> dict[str, Any]:
    """Return what Lightning would save: weights, settings, and two moments of each weight."""
    tensors = OrderedDict((name, torch.from_numpy(array.copy())) for name, array in bundle.state.items())
    tables = metadata_of(bundle, params_of(bundle))
    settings = {name: table for name, table in tables.items() if name.endswith("_config")}
    moments = {
        number: {"step": torch.tensor(5.0), "exp_avg": torch.ones_like(one), "exp_avg_sq": torch.ones_like(one)}
        for number, one in enumerate(tensors.values())
    }
    return {
        "epoch": 4,
        "global_step": 80,
        "pytorch-lightning_version": "2.5.1",
        "state_dict": tensors,
        "loops": {"fit_loop": {"state_dict": {}}},
        "callbacks": {},
        "optimizer_states": [{"state": moments, "param_groups": [{"lr": 1e-3, "betas": (0.9, 0.999)}]}],
        "lr_schedulers": [],
        "hparams_name": None,
        "hyper_parameters": settings | {"generator_output": "amp_phase", "generator_overrides": {}},
    }
