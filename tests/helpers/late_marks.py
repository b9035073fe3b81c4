"""A stand-in for a GPU that works through its queue only when somebody waits for it."""

import pytest
import torch

from ptycho_engine import transfers


def late_marks(monkeypatch: pytest.MonkeyPatch) -> "LateMarks":
    """Let copies to the host arrive late; return the marks of the queue."""
    marks = LateMarks()
    monkeypatch.setattr(transfers, "_queues", lambda device: True)
    monkeypatch.setattr(transfers, "_room_for", torch.empty_like)
    monkeypatch.setattr(transfers, "_marked", marks)
    return marks


class LateMarks:
    """Marks of a device that works through its queue only when somebody waits for it."""

    def __init__(self) -> None:
        self.made = 0
        self.passed = 0
        self.waits: list[int] = []

    def __call__(self, device: torch.device) -> "LateMark":
        self.made += 1
        return LateMark(self, self.made)


class LateMark:
    def __init__(self, marks: LateMarks, number: int) -> None:
        self._marks, self._number = marks, number

    def query(self) -> bool:
        return self._marks.passed >= self._number

    def synchronize(self) -> None:
        if not self.query():
            self._marks.waits.append(self._marks.made - self._number)
            self._marks.passed = self._number
