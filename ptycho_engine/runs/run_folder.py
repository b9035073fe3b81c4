"""The run folder: its files, its ``run.json``, and how it stands when it is opened again."""

import json
import platform
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from ptycho_engine import __version__
from ptycho_engine.artefacts.folders import make_folder
from ptycho_engine.artefacts.json_file import write_json
from ptycho_engine.bundles.atomic import clear_leftovers
from ptycho_engine.documents import RunRecord
from ptycho_engine.errors import InputError, OutputError
from ptycho_engine.ordinary_file import read_small
from ptycho_engine.runs.folder_lock import owner_of, this_process

RUN_FORMAT = "ptychoscope-run-1"
RUN_FILE = "run.json"
BUNDLE_FILE = "wts.h5.zip"
_MAX_BYTES = 16 * 2**20
_SUBFOLDERS = ("checkpoints", "previews", "analysis")
State = Literal["running", "completed", "stopped", "failed"]


class RunFolder:
    """The files of one run.

    Parameters
    ----------
    path
        The folder; made where it is missing.
    verb
        ``"train"`` or ``"infer"``.
    description
        Configuration, seed and inputs, as plain data for ``run.json``.
    resume
        Whether an earlier run in this folder is continued.
    """

    def __init__(self, path: Path, verb: str, description: Mapping[str, Any], *, resume: bool = False) -> None:
        self.path = path
        self.verb = verb
        self.resume = resume
        self._description = dict(description)
        self._record: dict[str, Any] = {}

    def begin(self) -> None:
        """Make the folder ready and write ``run.json``.

        Raises
        ------
        OutputError
            If the folder holds another run whose results this one would overwrite.
        """
        make_folder(self.path)
        for folder in (self.path, *(self.path / name for name in _SUBFOLDERS)):
            clear_leftovers(folder)
        earlier = _read_run_json(self.path)
        self._refuse_to_overwrite(earlier)
        started = datetime.now(UTC).isoformat(timespec="seconds")
        if self.resume and earlier is not None:
            started = earlier.get("started", started)
        self._record = {
            "format": RUN_FORMAT,
            "version": __version__,
            "verb": self.verb,
            "command": sys.argv,
            "python": platform.python_version(),
            "process": this_process(),
            "started": started,
            "ended": None,
            "state": "running",
            **self._description,
        }
        self._write()

    def note(self, **values: Any) -> None:
        """Add to ``run.json`` what has become known."""
        self._record.update(values)
        self._write()

    def end(self, state: State, message: str = "") -> None:
        """Write how the run ended."""
        self.note(state=state, ended=datetime.now(UTC).isoformat(timespec="seconds"), message=message)

    def _write(self) -> None:
        write_json(self._record, self.path / RUN_FILE)

    def _refuse_to_overwrite(self, earlier: dict[str, Any] | None) -> None:
        if earlier is None or self.resume or earlier.get("verb") == self.verb == "infer":
            # An inference is quickly had again, so a new one takes the place of the old.
            return
        if not (self.path / BUNDLE_FILE).exists() and not list_checkpoints(self.path):
            return
        hint = "Choose another folder, or resume that run." if self.verb == "train" else "Choose another folder."
        raise OutputError("the folder holds a training run, which would be overwritten", hint, file=self.path)


def list_checkpoints(folder: Path) -> list[Path]:
    """Return the checkpoints of a run, oldest first: ``epoch-0007.ckpt``, ``epoch-0007-step-000123.ckpt``.

    The number is that of complete epochs; one written in the middle of an epoch also says how many steps were done.
    """
    return sorted((folder / "checkpoints").glob("epoch-*.ckpt"), key=_checkpoint_order)


def read_run(folder: Path) -> RunRecord:
    """Return how a run stands.

    A run whose process has gone without saying how it ended counts as stopped.

    Raises
    ------
    InputError
        If the folder holds no run of this program.
    """
    record = _read_run_json(folder)
    if record is None:
        raise InputError(
            "is not a run folder: there is no run.json that can be read",
            "Give a folder that train or infer wrote.",
            file=folder,
        )
    state = str(record.get("state", "stopped"))
    if state not in ("running", "completed", "stopped", "failed") or (state == "running" and owner_of(folder) is None):
        state = "stopped"
    checkpoints, bundle = list_checkpoints(folder), folder / BUNDLE_FILE
    configuration = record.get("configuration")
    n_epochs = configuration.get("epochs", 0) if isinstance(configuration, dict) else 0
    noted = record.get("epoch", 0)
    # A process that is killed may have written a checkpoint and not yet noted it.
    epoch = max(noted if isinstance(noted, int) else 0, _checkpoint_order(checkpoints[-1])[0] if checkpoints else 0)
    return RunRecord(
        path=folder,
        verb=str(record.get("verb", "")),
        state=state,  # type: ignore[arg-type]  # one of the four, checked above
        epoch=epoch,
        n_epochs=n_epochs if isinstance(n_epochs, int) else 0,
        checkpoint=checkpoints[-1] if checkpoints else None,
        bundle=bundle if bundle.exists() else None,
    )


def _read_run_json(folder: Path) -> dict[str, Any] | None:
    try:
        record = json.loads(read_small(folder / RUN_FILE, _MAX_BYTES))
    except (InputError, ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and record.get("format") == RUN_FORMAT else None


def _checkpoint_order(path: Path) -> tuple[int, int]:
    numbers = [int(part) for part in path.stem.split("-") if part.isdecimal()]
    return (numbers[0] if numbers else -1, numbers[1] if len(numbers) > 1 else -1)
