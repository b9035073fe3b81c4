"""The device in the status bar: what computes, and how much memory is in use."""

import os

import psutil
from PySide6.QtCore import QObject, QTimer
from PySide6.QtWidgets import QLabel

from app.display.wording import n_bytes
from app.state.session import Session

INTERVAL_MS = 2000


class DeviceLine(QObject):
    """Keeps the label of the device up to date."""

    def __init__(self, session: Session, label: QLabel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._label = label
        self._process = psutil.Process()
        self._timer = QTimer(self)
        self._timer.setInterval(INTERVAL_MS)
        self._timer.timeout.connect(self.show_now)
        self._timer.start()
        session.job_changed.connect(self._job_changed)
        self._shown_device = ""
        self.show_now()

    def stop(self) -> None:
        """Stop looking."""
        self._timer.stop()

    def show_now(self) -> None:
        """Show device and memory as they are."""
        job = self._session.state.job
        device = job.device if job is not None and job.device else ""
        self._shown_device = device
        memory = gpu_memory() if device.startswith("cuda") else ""
        own = n_bytes(self._process.memory_info().rss)
        # Which device computes is known when a job has begun; to ask torch earlier would load it.
        name = device or f"{os.cpu_count() or 1} CPU cores"
        self._label.setText(f"{name} · {memory or own}")
        self._label.setToolTip(
            f"Device: {name}\nMemory of this program: {own}" + (f"\nGPU: {memory}" if memory else "")
        )

    def _job_changed(self) -> None:
        job = self._session.state.job
        if job is not None and job.device and job.device != self._shown_device:
            self.show_now()


def gpu_memory() -> str:
    """Return memory in use and in all of the first GPU, empty where its driver does not tell."""
    import pynvml

    try:
        pynvml.nvmlInit()
        info = pynvml.nvmlDeviceGetMemoryInfo(pynvml.nvmlDeviceGetHandleByIndex(0))
    except pynvml.NVMLError:
        return ""
    return f"{n_bytes(float(info.used))} of {n_bytes(float(info.total))}"
