"""The device in the status bar: what computes, how much memory is in use, and how busy it is."""

from functools import partial

import psutil
from PySide6.QtCore import QObject, QTimer
from PySide6.QtWidgets import QLabel

from app.display.wording import n_bytes
from app.jobs.gpu_reader import read_gpu
from app.jobs.job_runner import JobRunner, Task
from app.jobs.job_thread import JobEnd
from app.state.app_state import JobState
from app.state.session import Session

INTERVAL_MS = 2000


class DeviceLine(QObject):
    """Keeps the label of the device up to date."""

    def __init__(self, session: Session, label: QLabel, runner: JobRunner, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._runner = runner
        self._gpu = ""
        self._label = label
        self._process = psutil.Process()
        self._process.cpu_percent()
        self._cores = psutil.cpu_count() or 1
        self._use = "0 %"
        self._timer = QTimer(self)
        self._timer.setInterval(INTERVAL_MS)
        self._timer.timeout.connect(self._tick)
        self._timer.start()
        session.job_changed.connect(self._job_changed)
        self._shown_device = ""
        self.show_now()

    def stop(self) -> None:
        """Stop looking."""
        self._timer.stop()

    def show_now(self) -> None:
        """Show device, memory and use as they are."""
        job = self._session.state.job
        device = job.device if job is not None and job.device else ""
        self._shown_device = device
        gpu = self._gpu if device.startswith("cuda") else ""
        own = n_bytes(self._process.memory_info().rss)
        # Which device computes is known when a job has begun; to ask torch earlier would load it.
        name = device or f"{self._cores} CPU cores"
        self._label.setText(f"{name} · {gpu or f'{own} · {self._use}'}")
        self._label.setToolTip(
            f"Device: {name}\nMemory of this program: {own}\nProcessor: {self._use} of {self._cores} cores"
            + (f"\nGPU: {gpu}" if gpu else "")
        )

    def _tick(self) -> None:
        # Between two ticks, so that the percentage is of a known time.
        self._use = f"{self._process.cpu_percent() / self._cores:.0f} %"
        if self._shown_device.startswith("cuda"):
            self._ask_gpu()
        self.show_now()

    def _ask_gpu(self) -> None:
        told: list[str] = []

        def keep(_: JobEnd) -> None:
            self._gpu = told[0] if told else ""

        job = JobState(self._runner.new_id("gpu"), "gpu", "Asking the GPU")
        self._runner.start(Task(job, partial(read_gpu, told), "gpu", when_ended=keep))

    def _job_changed(self) -> None:
        job = self._session.state.job
        if job is not None and job.device and job.device != self._shown_device:
            self.show_now()
