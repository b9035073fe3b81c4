"""Looking for what is wrong with a document that was opened: quick findings at once, those of patterns after."""

from collections.abc import Generator, Iterator
from typing import Any

from ptycho_engine.diagnostics.diagnoses import diagnose
from ptycho_engine.diagnostics.diagnoses.bundle import BundleEvidence
from ptycho_engine.diagnostics.diagnoses.pairing import PairEvidence
from ptycho_engine.diagnostics.diagnoses.scan_evidence import PatternEvidence, PositionEvidence
from ptycho_engine.diagnostics.patterns import survey
from ptycho_engine.documents import Bundle, Dataset, Diagnosis
from ptycho_engine.events import DiagnosisFound, Progressed

Examination = Generator[DiagnosisFound | Progressed, None, None]


def examine_dataset(dataset: Dataset, gridsize: int = 2) -> Examination:
    """Tell what is wrong with a scan: of its positions at once, of its patterns after a sample of them was read.

    Parameters
    ----------
    dataset
        The scan.
    gridsize
        Of the network that is to solve groups of its patterns.

    Yields
    ------
    DiagnosisFound, Progressed
        A finding as soon as there is one; how many patterns of the sample were read.

    Raises
    ------
    DatasetError
        If the patterns cannot be read any more.
    """
    yield from _found(PositionEvidence(dataset, gridsize))
    reading = survey(dataset)
    while True:
        try:
            n_done, n_total = next(reading)
        except StopIteration as end:
            figures = end.value
            break
        yield Progressed(n_done, n_total, "patterns")
    yield from _found(PatternEvidence(dataset, figures))


def examine_bundle(bundle: Bundle) -> Examination:
    """Tell what is wrong with a bundle."""
    yield from _found(BundleEvidence(bundle))


def examine_pair(dataset: Dataset, bundle: Bundle) -> Examination:
    """Tell why a scan and a bundle do not go together."""
    yield from _found(PairEvidence(dataset, bundle))


def findings(examination: Examination) -> list[Diagnosis]:
    """Run an examination to its end and return what it found."""
    return [event.diagnosis for event in examination if isinstance(event, DiagnosisFound)]


def _found(evidence: Any) -> Iterator[DiagnosisFound]:
    for finding in diagnose(evidence):
        yield DiagnosisFound(finding)
