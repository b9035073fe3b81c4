"""Changes of a recipe by one switch each, to see what that switch is worth."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from ptycho_engine.config import ModelConfig
from ptycho_engine.recipes import Plan, constant, warm_up_then_cosine

_UPSTREAM_RATE = 3e-4


@dataclass(frozen=True, slots=True)
class Variant:
    """One change."""

    plan: Callable[[Plan], Plan]
    asks: str
    """The question it answers."""


def _as_it_is(plan: Plan) -> Plan:
    return plan


def _centre_and_border(plan: Plan) -> Plan:
    model = ModelConfig(n=plan.model.n, gridsize=plan.model.gridsize, object_big=False, n_filters_scale=1)
    return replace(plan, model=model)


def _model(**changes: object) -> Callable[[Plan], Plan]:
    return lambda plan: replace(plan, model=replace(plan.model, **changes))  # type: ignore[arg-type]


VARIANTS: dict[str, Variant] = {
    "as it is": Variant(_as_it_is, "the recipe itself"),
    "network of PtychoPINN": Variant(
        _centre_and_border, "centre and border drawn apart, SiLU for the amplitude, attention, input as it is"
    ),
    "nothing propagated back": Variant(
        _model(input_transform="standardised"), "the difference from the mean pattern alone"
    ),
    "input as it is": Variant(_model(input_transform="none"), "the mean pattern left in what the network reads"),
    "input log1p": Variant(_model(input_transform="log1p"), "a logarithm instead of taking off the mean pattern"),
    "with attention": Variant(_model(cbam_encoder=True), "attention after each encoder block"),
    "filters × 2": Variant(_model(n_filters_scale=2), "as many filters as PtychoPINN"),
    "random start": Variant(
        lambda plan: replace(plan, start_amplitude=None), "torch's random start instead of the transparent object"
    ),
    "single patches": Variant(
        lambda plan: replace(plan, shared_object=False), "each pattern predicted from its own patch, random batches"
    ),
    "own patch counts": Variant(
        lambda plan: replace(plan, own_weight=1.0), "each pattern predicted from its own patch as much as from others"
    ),
    "constant rate": Variant(lambda plan: replace(plan, schedule=constant), "no rise and no fall of the learning rate"),
    "cosine alone": Variant(
        lambda plan: replace(plan, schedule=warm_up_then_cosine(0.0, 0.01)), "no rise of the learning rate"
    ),
    "rate 3e-4": Variant(lambda plan: replace(plan, learning_rate=_UPSTREAM_RATE), "a low peak of the learning rate"),
    "no clipping": Variant(lambda plan: replace(plan, clip_factor=None), "gradients as they come"),
    "batches × 4": Variant(
        lambda plan: replace(plan, batch_size=4 * plan.batch_size, learning_rate=2 * plan.learning_rate),
        "a quarter of the steps, of 64 patterns, at twice the rate",
    ),
}
"""By the name that the table shows; ``--loss mae`` is varied in the settings, not here."""
