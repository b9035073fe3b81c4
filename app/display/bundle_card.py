"""The summary of a bundle: a caption and a text for each line."""

from app.display.wording import number, whole
from ptycho_engine.bundles.generator_records import GENERATORS
from ptycho_engine.config import ModelConfig
from ptycho_engine.documents import TENSORFLOW_ERA, Bundle

PREDICTS = {
    "amplitude": "normalised amplitudes; modes of the probe add coherently",
    "rectangular": "intensities of normalised amplitudes; modes of the probe add incoherently",
    "counts": "counts; modes of the probe add incoherently",
}


def card_lines(bundle: Bundle) -> list[tuple[str, str]]:
    """Return the summary of a bundle, a caption and a text for each line."""
    model = bundle.model
    lines = [
        ("File", str(bundle.path) if bundle.path is not None else "not saved"),
        ("Release family", bundle.era),
        ("Network", f"{model.architecture} · {_size(model)}"),
        ("Patch side N", f"{model.n} px"),
        ("Gridsize", f"{model.gridsize} ({model.channels} pattern{'' if model.channels == 1 else 's'} in a group)"),
        ("Parameters", f"{whole(bundle.n_parameters)} in {len(bundle.state)} tensors"),
        ("Intensity scale", f"{number(bundle.intensity_scale, 7)} – {bundle.intensity_scale_origin}"),
        ("Input scale k", number(bundle.input_scale, 6) if bundle.input_scale is not None else "not recorded"),
        ("Photons", number(bundle.n_photons) if bundle.n_photons is not None else "not recorded"),
        ("Predicts", PREDICTS[model.forward_model]),
        ("Probe scale", number(model.probe_scale)),
    ]
    if bundle.era == TENSORFLOW_ERA:
        lines.insert(1, ("Can be run", "no: it is shown, not run. Train a network anew, or run it with PtychoPINN."))
    statistics = bundle.count_statistics
    if statistics is not None:
        text = f"{number(statistics.mean_measured_intensity, 6)} in a pixel; input scale "
        lines.append(("Counts of the training", f"{text}{number(statistics.rms_input_scale, 6)}"))
    for key in ("dataset", "seed", "date", "version"):
        if key in bundle.provenance:
            lines.append((key.capitalize(), str(bundle.provenance[key])))
    history = bundle.history
    if history is not None and history.epochs.size:
        n_epochs = int(history.epochs[-1]) + 1
        loss = number(float(history.train_losses[-1]))
        text = f"{whole(n_epochs)} epoch{'' if n_epochs == 1 else 's'}, training loss {loss}"
        validation = float(history.validation_losses[-1])
        lines.append(("Trained", text + (f", validation {number(validation)}" if validation == validation else "")))
    if bundle.notes:
        lines.append(("Notes", "\n".join(bundle.notes)))
    return lines


def _size(model: ModelConfig) -> str:
    if model.architecture in GENERATORS:
        return f"width {model.fno_width} · {model.fno_modes} frequencies an axis · input {model.input_transform}"
    return f"filters × {model.n_filters_scale}"
