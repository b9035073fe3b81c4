"""What is computed of bundles to be looked at: generators for a job thread, beside computing and opening.

The Bundle panel asks with ``study_asked(bundle_id)`` and ``comparison_asked(a, b)``; the controller runs these and
hands what they yield to ``Session.apply``.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from app.state.bundle_readings import BundlesCompared, BundleStudied, ReadingsRanked
from ptycho_engine.assumptions import Candidate
from ptycho_engine.documents import Bundle
from ptycho_engine.errors import EngineError

LAYERS_AT_ONCE = 16
"""Layers between two deliveries: the table fills while a large network is read."""


def study_bundle(bundle_id: str, bundle: Bundle) -> Iterator[BundleStudied]:
    """Yield figures and histograms of the layers, then with the digests of the file and its safety report."""
    from ptycho_engine.diagnostics.layer_figures import layer_figures

    found = BundleStudied(bundle_id, bundle, ())
    layers = []
    for number, (name, tensor) in enumerate(bundle.state.items(), start=1):
        layers.append(layer_figures(name, tensor))
        if number % LAYERS_AT_ONCE == 0:
            yield replace(found, layers=tuple(layers))
    found = replace(found, layers=tuple(layers))
    yield found
    yield replace(_with_file(found), done=True)


def _with_file(found: BundleStudied) -> BundleStudied:
    from ptycho_engine.bundles.digests import archive_digests
    from ptycho_engine.bundles.safety import safety_report

    path = found.bundle.path
    if path is None:
        return replace(found, problem="The bundle was not saved yet: there is no file to look into.")
    try:
        return replace(found, digests=archive_digests(path), safety=safety_report(path))
    except (EngineError, OSError) as error:
        return replace(found, problem=str(error))


def rank_readings(found: ReadingsRanked, rank: Callable[[], tuple[Candidate, ...]]) -> Iterator[ReadingsRanked]:
    """Yield ``found`` with the ways to read a network, or with why they cannot be compared."""
    try:
        yield replace(found, candidates=rank())
    except EngineError as error:
        yield replace(found, problem=str(error))


def compare_open_bundles(a: str, one: Bundle, b: str, other: Bundle) -> Iterator[BundlesCompared]:
    """Yield what differs between two bundles, worst first."""
    from ptycho_engine.comparison.bundles import compare_bundles

    yield BundlesCompared(a, b, compare_bundles(one, other))
