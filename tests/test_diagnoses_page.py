"""The page on diagnoses names every one of them."""

from pathlib import Path

from app.panels.registry import PANELS
from ptycho_engine.diagnostics.diagnoses import DIAGNOSES

DOCS = Path(__file__).resolve().parents[1] / "docs"


def test_every_diagnosis_is_described() -> None:
    pages = (DOCS / "diagnoses.md").read_text(encoding="utf-8") + (DOCS / "training.md").read_text(encoding="utf-8")
    assert [check.id for check in DIAGNOSES if f"| `{check.id}`" not in pages] == []


def test_every_diagnosis_has_a_place_on_screen() -> None:
    assert {check.place for check in DIAGNOSES} <= {spec.panel_id for spec in PANELS}
