"""What a diagnosis is made of: an id, the kind of evidence it looks at, and the examination itself."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ptycho_engine.documents import Diagnosis


@dataclass(frozen=True, slots=True)
class Check:
    """One way in which something can be wrong.

    ``examine`` takes evidence of the kind that is named and returns a finding, or ``None`` where all is well. It says
    its threshold, and the reason for it, where it is defined; ``docs/diagnoses.md`` lists all of them.
    """

    id: str
    evidence: type[Any]
    examine: Callable[[Any], Diagnosis | None]
    place: str
    """The panel that shows it: ``"dataset"``, ``"scan"``, ``"bundle"``, ``"patches"``, ``"canvas"`` or ``"loss"``."""
    collapse: bool = False
    """Whether a training in which this is an error is lost from its start on, and only another start can help."""
    explained_by: tuple[str, ...] = ()
    """Findings beside which this one is not told: it follows from them."""

    @property
    def key(self) -> str:
        """The name in the registry: the same thing may be found in a training and in a result."""
        return f"{self.evidence.__name__}/{self.id}"
