import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ptycho_engine.cli import VERBS, main
from ptycho_engine.cli.console import Console
from ptycho_engine.config import TrainConfig
from ptycho_engine.documents import Diagnosis, FitFigures
from ptycho_engine.events import REHEARSAL, DiagnosisFound, JobStarted, Progressed, StepDone, ValidationMeasured
from ptycho_engine.formats import write_dataset
from tests.helpers.tiny_scan import tiny_scan

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("verb", VERBS)
def test_help_shows_units_bounds_defaults_and_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert f"example: python -m ptycho_engine {verb}" in text
    expected = {
        "simulate": ["[photons, 1 to 1e+15, default 100000]", "--test-fraction", "{lines,shapes,cells}", "--from F"],
        "inspect": ["--layers", "--frames", "--safety"],
        "compare": ["A B", "[default 10]"],
        "report": ["--html", "--out FILE.html"],
        "train": [
            "[groups, from 1, default 512]",
            "0 to 4294967295, default 42",
            "default never",
            "--no-deterministic",
        ],
        "infer": ["--n-groups", "default all", "default auto", "{central,probe,uniform}", "--debug-dump"],
        "watch": ["--give-up-after", "(default 120)"],
        "bench": ["--only NAME", "--quick", "default 5, quick 3", "--out FILE.json"],
        "study": ["[default 25]", "{32,bf16}", "[default all]"],
    }
    for words in (*expected[verb], "--json", "--quiet", "--log-file", "--debug"):
        assert words in text


def test_every_flag_of_the_contract_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    contract = {
        "simulate": "n-scan n n-photons object from seed test-fraction",
        "train": "data test-data out config n-groups gridsize neighbor-count batch-size epochs learning-rate loss "
        "n-photons recipe model n-filters-scale seed accelerator precision deterministic log-patch-stats "
        "patch-stats-limit preview-every checkpoint-every resume early-stop-patience compiled",
        "infer": "bundle data out n-groups batch-size weights crop refine compatibility debug-dump log-patch-stats "
        "patch-stats-limit ground-truth accelerator precision seed deterministic assume compiled",
    }
    for verb, flags in contract.items():
        main([verb, "--help"])
        text = capsys.readouterr().out
        missing = [flag for flag in flags.split() if f"--{flag} " not in text and f"--{flag}]" not in text]
        assert not missing


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["no-such-verb"],
        ["train"],
        ["train", "--data", "x.npz", "--out", "y", "--epochs", "many"],
        ["train", "--data", "x.npz", "--out", "y", "--epochs", "0"],
        ["train", "--data", "x.npz", "--out", "y", "--epochs", "2.5"],
        ["train", "--data", "x.npz", "--out", "y", "--recipe", "magic"],
        ["infer", "--bundle", "b", "--data", "d", "--out", "o", "--n-groups", "-3"],
        ["simulate", "x.npz", "--test-fraction", "1.5"],
        ["train", "--dat", "x.npz", "--out", "y"],
    ],
)
def test_bad_usage_is_exit_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_an_error_is_one_line_that_names_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = tmp_path / "no.npz"
    assert main(["train", "--data", str(missing), "--out", str(tmp_path / "run"), "--json"]) == 3
    captured = capsys.readouterr()
    assert captured.err.startswith(f"{missing}: ")
    assert captured.err.count("\n") == 1
    last = json.loads(captured.out.splitlines()[-1])
    assert (last["event"], last["file"]) == ("error", str(missing))
    assert last["message"]
    assert last["hint"]


def test_a_defect_is_one_line_and_a_traceback_on_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr("ptycho_engine.cli.inspect.inspect_file", fail)
    assert main(["inspect", "x"]) == 4
    plain = capsys.readouterr().err
    assert plain.count("\n") == 1
    assert "ZeroDivisionError: oh" in plain
    assert main(["inspect", "x", "--debug"]) == 4
    assert "Traceback" in capsys.readouterr().err


def test_settings_file_stands_behind_the_flags(tmp_path: Path) -> None:
    from argparse import Namespace

    from ptycho_engine.cli.options import config_from

    file = tmp_path / "settings.json"
    file.write_text(json.dumps({"epochs": 7, "batch_size": 3}))
    config = config_from(Namespace(batch_size=5), TrainConfig, str(file))
    assert (config.epochs, config.batch_size, config.gridsize) == (7, 5, 2)
    file.write_text(json.dumps({"configuration": {"epochs": 8}, "verb": "train"}))
    assert config_from(Namespace(), TrainConfig, str(file)).epochs == 8


@pytest.mark.parametrize("text", ["{", "[]", '{"epoch": 3}', '{"epochs": 0}', '{"epochs": "x"}'])
def test_a_bad_settings_file_is_bad_input(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "settings.json"
    file.write_text(text)
    assert main(["train", "--data", "x.npz", "--out", str(tmp_path), "--config", str(file)]) == 3
    assert capsys.readouterr().err.startswith(f"{file}: ")


def test_messages_go_to_the_log_file(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    main(["inspect", str(tmp_path / "missing"), "--log-file", str(log)])
    main(["inspect", str(tmp_path / "missing"), "--log-file", str(log)])
    lines = log.read_text().splitlines()
    assert len(lines) == 2
    assert "ERROR" in lines[0]
    assert main(["inspect", str(tmp_path), "--log-file", str(tmp_path / "no" / "log")]) in (3, 4)


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_keeps_a_checkpoint_to_resume_from(name: str, status: int, tmp_path: Path) -> None:
    if not hasattr(signal, name):
        pytest.skip(f"{name} does not exist here")
    dataset = tiny_scan()
    scan, run = tmp_path / "scan.npz", tmp_path / "run"
    write_dataset(
        scan,
        diffraction=dataset.diffraction(slice(None)),
        scan_positions=dataset.scan_positions,
        probe=dataset.probe,
        n_photons=1e5,
    )
    command = [
        sys.executable, "-m", "ptycho_engine", "train", "--data", str(scan), "--out", str(run), "--gridsize", "1",
        "--n-groups", "12", "--batch-size", "2", "--epochs", "100000", "--n-filters-scale", "1", "--json",
        "--accelerator", "cpu",
    ]  # fmt: skip
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["event"] == "step_done":
            break
    process.send_signal(getattr(signal, name))
    _, errors = process.communicate(timeout=60)
    assert process.returncode == status
    assert "Traceback" not in errors
    assert list((run / "checkpoints").glob("*.ckpt"))
    assert json.loads((run / "run.json").read_text())["state"] == "stopped"
    assert not (run / ".lock").exists()


def test_verbs_that_do_not_compute_import_no_torch() -> None:
    code = (
        "import sys; from ptycho_engine.cli import main;"
        "[main(words) for words in (['--help'], ['train', '--help'], ['infer', '--help'], ['simulate', '--help'])];"
        "from ptycho_engine.cli import train, infer, inspect, compare, report, simulate;"
        "print([n for n in ('torch', 'PySide6', 'matplotlib', 'scipy', 'skimage') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_reader_that_goes_away_ends_the_program_quietly(tmp_path: Path) -> None:
    command = f"{sys.executable} -m ptycho_engine simulate {tmp_path}/x.npz --n-scan 3000 --json | head -1 >/dev/null"
    environment = dict(os.environ, PYTHONUNBUFFERED="1")
    done = subprocess.run(command, shell=True, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_the_bar_begins_anew_after_a_rehearsal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    seen = []
    with Console() as console:
        console.event(JobStarted("train", "CPU", 6, "steps"))
        for event in (Progressed(1, 400, REHEARSAL), Progressed(400, 400, REHEARSAL), StepDone(1, 6, 0, 1)):
            console.event(event)
            seen.append((console._bar.n, console._bar.total))
    assert seen == [(1, 400), (400, 400), (1, 6)]


def test_findings_and_figures_are_printed_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    nan = float("nan")
    finding = Diagnosis("plateau", "warning", "The loss stays at about 3.", "Train with another seed.")
    with Console() as console:
        console.event(DiagnosisFound(finding))
        console.event(ValidationMeasured(9, 0, FitFigures(0.2, 0.3, 1.5, nan, nan, nan, nan, 64, "test")))
        console.event(ValidationMeasured(9, 0, FitFigures(0.2, 0.3, 1.5, 0.9, 0.6, 0.7, 0.8, 64, "test")))
    told = capsys.readouterr()
    assert told.err == "warning: [plateau] The loss stays at about 3. Train with another seed.\n"
    first, second = told.out.splitlines()
    assert first == "  R-factor 0.2000 (empty object 0.3000), deviance 1.5 per pixel"
    assert second.startswith(first)
    assert second.endswith("overlap 0.900, against the known object: amplitude 0.600, phase 0.700, complex 0.800")
