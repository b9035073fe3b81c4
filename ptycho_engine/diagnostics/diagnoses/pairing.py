"""``bundle-dataset-mismatch``: a network and a scan that do not go together."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ptycho_engine.diagnostics.diagnoses.check import Check
from ptycho_engine.documents import Bundle, Dataset, Diagnosis
from ptycho_engine.physics.scaling import probe_energy

PHOTONS = 10.0
"""Factor between the photons of training and of the scan up to which noise looks the same to a network: root photons
differ threefold there."""
PROBE = 100.0
"""Factor between the energies of the two probes up to which amplitudes, which go with its root, stay within what heads
were made for; beside that it only changes the scale, which is brought into line."""


@dataclass(frozen=True, slots=True)
class PairEvidence:
    """A scan that is to be inferred with a bundle."""

    dataset: Dataset
    bundle: Bundle


def bundle_dataset_mismatch(evidence: PairEvidence) -> Diagnosis | None:
    """Find another side N, too few positions for a group, another profile, or far more or fewer photons."""
    dataset, model = evidence.dataset, evidence.bundle.model
    fatal, doubtful, remarks = [], [], []
    if model.n != dataset.n:
        fatal.append(f"the network is for patterns of {model.n} px, the scan has {dataset.n} px")
    if dataset.n_scan < model.channels:
        fatal.append(f"a group needs {model.channels} patterns, the scan has {dataset.n_scan}")
    if reads_counts(evidence.bundle) and dataset.measurement == "amplitude":
        doubtful.append("the network was trained on counts, the scan holds amplitudes")
    trained, measured = evidence.bundle.n_photons, dataset.n_photons
    if trained and measured and not 1.0 / PHOTONS <= trained / measured <= PHOTONS:
        remarks.append(f"the network was trained at {trained:.3g} photons a pattern, the scan has {measured:.3g}")
    energy = evidence.bundle.provenance.get("probe_energy")
    here = probe_energy(dataset.probe)
    if isinstance(energy, int | float) and energy > 0 and here > 0 and not 1.0 / PROBE < here / energy < PROBE:
        remarks.append(f"the network was trained with a probe of energy {energy:.3g}, that of the scan has {here:.3g}")
    if not (fatal or doubtful or remarks):
        return None
    return Diagnosis(
        "bundle-dataset-mismatch",
        "error" if fatal else "warning" if doubtful else "info",
        f"{evidence.bundle.name} and {dataset.name} do not go together: {'; '.join(fatal + doubtful + remarks)}.",
        "Choose the bundle that was trained for this instrument, or train one on such a scan.",
        {
            "n_of_bundle": model.n,
            "n_of_dataset": dataset.n,
            "gridsize": model.gridsize,
            "n_scan": dataset.n_scan,
            "photons_of_bundle": math.nan if trained is None else trained,
            "photons_of_dataset": math.nan if measured is None else measured,
        },
    )


def reads_counts(bundle: Bundle) -> bool:
    """Whether a bundle says that it was trained on counts, and with the forward model that takes them.

    PtychoPINN records its profile for counts even where it trains on amplitudes; only the rectangular model reads them.
    """
    said: dict[str, object] = {}
    records = bundle.provenance.get("upstream_records")
    for part in (*(records.values() if isinstance(records, dict) else ()), bundle.training, bundle.params):
        if isinstance(part, Mapping):
            said.update(part)
    return said.get("measurement_domain") == "count_intensity" and (
        said.get("physics_forward_mode") == "rectangular_scaled"
    )


PAIRING = Check("bundle-dataset-mismatch", PairEvidence, bundle_dataset_mismatch, "bundle")
