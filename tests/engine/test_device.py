"""Choice of device, words for it, settings that are put back, exhausted memory."""

import os
import random
import weakref

import numpy as np
import pytest
import torch

from ptycho_engine.device import (
    choose_device,
    compute_settings,
    compute_threads,
    describe_device,
    device_choice,
    device_errors,
    memory_in_use,
    seed_everything,
)
from ptycho_engine.errors import ConfigError, DeviceError

CPU = torch.device("cpu")


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.mark.usefixtures("no_gpu")
def test_without_a_gpu_auto_falls_to_the_cpu_with_a_reason() -> None:
    choice = device_choice("auto")
    assert choice.device == CPU
    assert choice.reason.startswith("Computing on the CPU")
    assert device_choice("cpu").reason == ""


@pytest.mark.usefixtures("no_gpu")
def test_a_gpu_that_is_asked_for_and_missing_is_an_error() -> None:
    with pytest.raises(DeviceError, match="no GPU can be used"):
        choose_device("gpu", deterministic=True)


def test_a_driver_that_fails_falls_to_the_cpu_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> int:
        raise RuntimeError("The NVIDIA driver on your system is too old.\nmore")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", fails)
    choice = device_choice("auto")
    assert choice.device == CPU
    assert "driver on your system is too old)" in choice.reason
    with pytest.raises(DeviceError, match="too old"):
        choose_device("gpu")


def test_an_unknown_accelerator_is_refused() -> None:
    with pytest.raises(ConfigError):
        choose_device("tpu")


def test_the_cpu_is_named_with_its_threads() -> None:
    with compute_settings(deterministic=False):
        count = torch.get_num_threads()
        assert count == compute_threads()
        assert describe_device(CPU) == f"CPU · {count} thread{'' if count == 1 else 's'}"
    assert memory_in_use(CPU) > 10_000_000


def test_one_core_is_left_to_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert compute_threads() == 7
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3}, raising=False)
    assert compute_threads() == 1


def test_settings_are_put_back_after_a_failure() -> None:
    before = (torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark, torch.get_num_threads())

    def job() -> None:
        with compute_settings(deterministic=True):
            assert torch.are_deterministic_algorithms_enabled()
            assert not torch.backends.cudnn.benchmark
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        job()
    after = (torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark, torch.get_num_threads())
    assert after == before


def test_a_seed_repeats_all_generators() -> None:
    def draw() -> tuple[float, float, float]:
        seed_everything(7)
        return random.random(), float(np.random.rand()), float(torch.rand(1))  # noqa: NPY002

    assert draw() == draw()


def test_exhausted_memory_is_told_and_freed() -> None:
    class Tensor:
        pass

    held: list[weakref.ref[Tensor]] = []

    def compute() -> None:
        tensor = Tensor()
        held.append(weakref.ref(tensor))
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(DeviceError, match="out of memory") as caught, device_errors(CPU):
        compute()
    assert "smaller batch" in caught.value.hint
    assert held[0]() is None


def test_other_errors_pass_through() -> None:
    with pytest.raises(RuntimeError, match="shape"), device_errors(CPU):
        raise RuntimeError("shape mismatch")
