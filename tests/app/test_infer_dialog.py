"""Inference with settings: what is filled in is what is inferred; what means nothing is greyed and says why."""

from dataclasses import replace

import pytest
from PySide6.QtGui import QAccessible
from PySide6.QtWidgets import QCheckBox, QComboBox, QSpinBox

from app.infer_dialog import InferDialog
from app.widgets.config_form import ConfigForm
from ptycho_engine.config import InferConfig
from ptycho_engine.events import BundleLoaded
from tests.app.samples import make_bundle
from tests.app.test_every_action import unnamed
from tests.app.window import BUNDLE, SCAN, Shown


def tick(form: ConfigForm[InferConfig], name: str, on: bool = True) -> None:
    box = form.editors[name]
    assert isinstance(box, QCheckBox)
    box.setChecked(on)


def choose(form: ConfigForm[InferConfig], name: str, word: str) -> None:
    box = form.editors[name]
    assert isinstance(box, QComboBox)
    box.setCurrentText(word)


@pytest.fixture
def dialog(shown: Shown) -> InferDialog:
    shown.window.actions_by_id["infer_with"].trigger()
    dialog = shown.application.infer_dialog
    assert dialog.isVisible()
    return dialog


def use_real_imag(shown: Shown) -> None:
    bundle = make_bundle("counts")
    model = replace(bundle.model, output="real_imag", forward_model="counts")
    shown.session.apply(BundleLoaded(replace(bundle, model=model)))


def asked(shown: Shown) -> list[InferConfig]:
    return [call[2] for name, call in shown.verbs.calls if name == "infer"]


def test_varpro_is_offered_where_real_and_imaginary_part_are_drawn(shown: Shown, dialog: InferDialog) -> None:
    assert not dialog.infer_button.isEnabled()
    assert "Open a scan" in dialog.infer_button.toolTip()
    shown.open(SCAN, BUNDLE)
    box = dialog.form.editors["varpro"]
    assert not box.isEnabled()
    assert "draws amplitude and phase" in box.toolTip()
    tick(dialog.form, "varpro")
    dialog.infer_button.click()
    shown.settle()
    assert asked(shown) == [InferConfig(log_patch_stats=True)]
    use_real_imag(shown)
    assert box.isEnabled()
    dialog.infer_button.click()
    shown.settle()
    assert asked(shown)[1:] == [InferConfig(varpro=True, log_patch_stats=True)]
    choose(dialog.form, "compatibility", "2026-07")
    assert not box.isEnabled()
    assert "without factors" in box.toolTip()


def test_what_is_filled_in_is_inferred(shown: Shown, dialog: InferDialog) -> None:
    shown.open(SCAN, BUNDLE)
    use_real_imag(shown)
    choose(dialog.form, "weights", "probe")
    dialog.form.show_values({"crop": 24, "n_groups": 8})
    dialog.infer_button.click()
    shown.settle()
    assert asked(shown) == [InferConfig(weights="probe", crop=24, n_groups=8, log_patch_stats=True)]
    choose(dialog.form, "compatibility", "2025-11")
    assert {name for name, editor in dialog.form.editors.items() if not editor.isEnabled()} == {
        "neighbor_count",
        "weights",
        "crop",
        "seed",
        "varpro",
        "fit_ramp",
        "refine",
        "refine_probe",
    }
    dialog.usual_button.click()
    dialog.infer_button.click()
    shown.settle()
    assert asked(shown)[1:] == [InferConfig(log_patch_stats=True)]


def test_a_probe_is_refined_only_with_passes(shown: Shown, dialog: InferDialog) -> None:
    shown.open(SCAN, BUNDLE)
    box, passes = dialog.form.editors["refine_probe"], dialog.form.editors["refine"]
    assert not box.isEnabled()
    assert "number of passes is 0" in box.toolTip()
    assert isinstance(passes, QSpinBox)
    passes.setValue(5)
    assert box.isEnabled()
    assert box.toolTip().startswith("Refine the probe too")


def test_nothing_is_inferred_while_another_job_runs(shown: Shown, dialog: InferDialog) -> None:
    shown.open(SCAN, BUNDLE)
    shown.start_and_pause()
    assert not dialog.infer_button.isEnabled()
    assert dialog.infer_button.toolTip() == "Another job is running."
    shown.verbs.go_on.set()
    shown.settle()
    assert dialog.infer_button.isEnabled()


def test_every_control_has_a_name(dialog: InferDialog) -> None:
    interface = QAccessible.queryAccessibleInterface(dialog)
    assert interface is not None
    assert not unnamed(interface)


def test_what_happened_while_it_was_closed_is_shown_when_it_opens(shown: Shown) -> None:
    dialog = shown.application.infer_dialog
    shown.open(SCAN, BUNDLE)
    assert not dialog.isVisible()
    shown.window.actions_by_id["infer_with"].trigger()
    assert shown.state.dataset is not None
    assert dialog.scan.text() == shown.state.dataset.name
    assert dialog.infer_button.isEnabled()
