"""What a job takes of the memory: told and compared with what is free before anything is read or computed."""

import os
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ptycho_engine import host_memory, inference_job, training_job
from ptycho_engine.config import InferConfig, ModelConfig, TrainConfig
from ptycho_engine.documents import Bundle, Dataset
from ptycho_engine.errors import DeviceError, EngineError, Stopped
from ptycho_engine.events import EngineEvent, JobStarted, MessageLogged, TrainingCompleted
from ptycho_engine.formats.frames import ArrayFrames
from ptycho_engine.host_memory import free_host_memory
from ptycho_engine.inference import infer
from ptycho_engine.inference_memory import CPU_PIECE, inference_need
from ptycho_engine.memory_need import FreeMemory, MemoryNeed, memory_note, require_memory
from ptycho_engine.models import activation_memory as activations
from ptycho_engine.models.pinn import build_network
from ptycho_engine.recipes import plan_training
from ptycho_engine.stoppable_reading import stoppable
from ptycho_engine.training_memory import training_need
from tests.faults.long_form import long_form
from tests.faults.tiny_training import CONFIG, collect, of, training
from tests.helpers.tiny_scan import tiny_scan

ROOT = Path(__file__).resolve().parents[2]
CPU, CUDA = torch.device("cpu"), torch.device("cuda")
MIB = 2**20
MODEL = ModelConfig(n=64, gridsize=1, n_filters_scale=1)


def unread() -> Dataset:
    """Return a scan whose patterns nobody may read."""
    return stoppable(tiny_scan(), lambda: True)


@pytest.mark.parametrize("shared", [False, True])
def test_a_batch_holds_what_one_and_two_groups_foretell(shared: bool) -> None:
    kept = activations.activation_memory(MODEL, 1, shared)
    network = build_network(MODEL).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    assert kept.parameters == sum(4 * one.numel() for one in network.parameters())
    held = activations._saved_bytes(network, MODEL, 1, shared, 5, CPU)
    assert kept.of(5) == pytest.approx(held, rel=0.02)
    # The first two layers alone keep their input, and what the activation between them reads.
    assert kept.per_group > 4 * 64**2 * (1 + 2 * 32)


@long_form
def test_what_is_followed_without_numbers_is_what_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    computed = activations.activation_memory(MODEL, 1, True)
    monkeypatch.setattr(activations, "_RUN_PIXELS", 0)
    activations.activation_memory.cache_clear()
    assert activations.activation_memory(MODEL, 1, True) == computed


def _need(free: FreeMemory, config: TrainConfig = CONFIG, device: torch.device = CPU) -> MemoryNeed:
    scan = tiny_scan()
    return training_need([scan], config, plan_training(config, scan.n, scan.probe), device, free)


def test_a_training_that_does_not_fit_is_refused_before_anything_is_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    needed = _need(FreeMemory(None, None))
    # Room for two groups of the four that a batch has.
    free = FreeMemory(needed.host - 2 * needed.per_group, None)
    monkeypatch.setattr(training_job, "free_for", lambda _: free)
    events: list[EngineEvent] = []
    with pytest.raises(DeviceError, match=r"needs about \d+ MiB of memory on the computer, and \d+ MiB are free") as no:
        collect(events, training(tmp_path, dataset=unread()))
    assert no.value.hint.startswith("Choose a batch size of at most 2 (it is 4)")
    assert not of(events, JobStarted)
    # What is advised is taken: the scan is read, which ends it here.
    with pytest.raises(Stopped):
        list(training(tmp_path / "smaller", dataset=unread(), batch_size=2))


def test_a_training_that_goes_on_is_not_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(training_job, "free_for", lambda _: FreeMemory(1, None))
    with pytest.raises(Stopped):
        list(training(tmp_path, dataset=unread(), resume=True))


def test_what_is_needed_and_free_is_told_at_the_start() -> None:
    events = list(training(epochs=1))
    said = [one.text for one in of(events, MessageLogged) if one.text.startswith("Takes about ")]
    assert len(said) == 1
    assert " of memory; " in said[0]
    bundle = of(events, TrainingCompleted)[0].bundle
    told = [one.text for one in of(list(infer(tiny_scan(), bundle, InferConfig(accelerator="cpu"))), MessageLogged)]
    assert sum(text.startswith("Takes about ") for text in told) == 1


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return of(list(training(epochs=1)), TrainingCompleted)[0].bundle


def test_an_inference_whose_canvas_does_not_fit_is_refused(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference_job, "free_for", lambda _: FreeMemory(2 * 2**30, None))
    far = unread().scan_positions.copy()
    far[0] += 10_000
    with pytest.raises(DeviceError, match=r"the inference needs about 6\.\d GiB of memory on the computer") as refused:
        inference_job.prepare_inference(replace(unread(), scan_positions=far), bundle, InferConfig(), CPU)
    assert "2.0 GiB are free" in refused.value.message
    monkeypatch.setattr(inference_job, "free_for", lambda _: FreeMemory(8 * 2**30, None))
    with pytest.raises(Stopped):
        inference_job.prepare_inference(replace(unread(), scan_positions=far), bundle, InferConfig(), CPU)


def many_positions() -> Dataset:
    """Return a scan of 65,536 positions, whose patterns take 1 GiB."""
    side = np.arange(256.0)
    positions = np.stack(np.meshgrid(side, side, indexing="ij"), -1).reshape(-1, 2)
    frames = ArrayFrames(np.broadcast_to(np.float32(1), (len(positions), 64, 64)))
    return replace(tiny_scan(), frames=frames, scan_positions=positions)


def _gpu_need(bundle: Bundle, size: int | None, free: FreeMemory) -> MemoryNeed:
    """Return what an inference of many positions takes on a GPU with so much memory."""
    scan = many_positions()
    grouping = inference_job.inference_groups(scan, bundle, InferConfig())
    return inference_need(scan, bundle, InferConfig(batch_size=size), grouping, CUDA, free)


def test_the_batch_of_a_gpu_is_the_largest_whose_estimate_fits(bundle: Bundle) -> None:
    amounts = [_gpu_need(bundle, size, FreeMemory(None, 0)).device for size in (1, 2, 64, 128, 512, 1024)]
    # Patterns stay on the GPU where they take less than two fifths of what is free: here they take more.
    assert all(0.4 * amount < 2**30 for amount in amounts[:4])
    found = [_gpu_need(bundle, None, FreeMemory(None, amount)).n_groups for amount in amounts[:4]]
    assert found == [1, 2, 64, 128]
    assert _gpu_need(bundle, None, FreeMemory(None, amounts[3] - 1)).n_groups == 64
    assert _gpu_need(bundle, None, FreeMemory(None, amounts[3] - 1)).device <= amounts[3] - 1
    assert _gpu_need(bundle, None, FreeMemory(None, 80 * 2**30)).n_groups == 512
    assert _gpu_need(bundle, None, FreeMemory(None, 1)).n_groups == 1
    # What is drawn comes to the computer, which may have less room than the GPU.
    host = _gpu_need(bundle, 32, FreeMemory(None, 0)).host
    assert _gpu_need(bundle, None, FreeMemory(host, 80 * 2**30)).n_groups == 32
    # Where nobody can tell, and where the settings say it.
    assert _gpu_need(bundle, None, FreeMemory(None, None)).n_groups == 64
    assert _gpu_need(bundle, 7, FreeMemory(None, amounts[3])).n_groups == 7


def test_the_batch_of_a_cpu_is_what_it_computes_at_once(bundle: Bundle) -> None:
    scan = tiny_scan(40)
    automatic = inference_job.prepare_inference(scan, bundle, InferConfig(accelerator="cpu"), CPU)
    assert automatic.batches.batch_size == CPU_PIECE == 16
    given = inference_job.prepare_inference(scan, bundle, InferConfig(accelerator="cpu", batch_size=40), CPU)
    one, other = (np.concatenate([part.patches for part in job.predictions()]) for job in (automatic, given))
    np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6 * float(np.abs(other).max()))


def test_a_gpu_may_compute_in_parts_and_a_computer_may_not() -> None:
    need = MemoryNeed("the training", host=MIB, device=1000 * MIB, per_group=10 * MIB, n_groups=80, n_parts=8)
    require_memory(need, FreeMemory(MIB, 300 * MIB))
    require_memory(need, FreeMemory(None, None))
    with pytest.raises(DeviceError, match="300 MiB of memory on the GPU, and 299 MiB are free") as small:
        require_memory(need, FreeMemory(MIB, 299 * MIB))
    assert "at most 9 (it is 80)" in small.value.hint
    with pytest.raises(DeviceError, match="on the computer, and 1 MiB are free") as host:
        require_memory(replace(need, host=2 * MIB), FreeMemory(MIB, 300 * MIB))
    assert "batch size" not in host.value.hint
    alone = replace(need, n_parts=1)
    with pytest.raises(DeviceError, match=r"needs about 1\.0 GiB of memory on the GPU"):
        require_memory(alone, FreeMemory(MIB, 300 * MIB))
    note = memory_note(need, FreeMemory(2 * MIB, None))
    assert note == "Takes about 1.0 GiB of memory on the GPU and 1 MiB on the computer; 2 MiB on the computer are free"


def test_of_several_processes_each_takes_its_share() -> None:
    scan, plan = tiny_scan(), plan_training(CONFIG, 64, tiny_scan().probe)
    free = FreeMemory(None, None)
    shares = [training_need([scan], CONFIG, plan, CUDA, free, n_processes=n).n_groups for n in (1, 2, 3, 4)]
    assert shares == [4, 2, 2, 1]


def test_limits_of_the_process_and_of_its_control_groups_count(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    whole = free_host_memory()
    inner = tmp_path / "jobs" / "one"
    inner.mkdir(parents=True)
    for folder, limit, used in ((inner, "max", 5), (inner.parent, str(60 * MIB), 25 * MIB)):
        (folder / "memory.max").write_text(limit)
        (folder / "memory.current").write_text(str(used))
        (folder / "memory.stat").write_text(f"anon 7\ninactive_file {5 * MIB}\n")
    groups = tmp_path / "cgroup"
    groups.write_text("4:memory:/old\n0::/jobs/one\n")
    monkeypatch.setattr(host_memory, "_GROUPS", groups)
    monkeypatch.setattr(host_memory, "_MOUNT", tmp_path)
    assert free_host_memory() == 40 * MIB < whole
    groups.write_text("0::/nowhere\n")
    assert free_host_memory() > 40 * MIB


LIMITED = """
import resource, sys, psutil
from dataclasses import replace
from ptycho_engine.errors import DeviceError, Stopped
from ptycho_engine.stoppable_reading import stoppable
from tests.faults.tiny_training import training
from tests.helpers.tiny_scan import tiny_scan
import ptycho_engine.models.activation_memory, ptycho_engine.validation
_, hard = resource.getrlimit(resource.RLIMIT_AS)
resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + (1 << 30), hard))
try:
    list(training(n_filters_scale=8))
except DeviceError as error:
    print(error.message)
try:
    list(training(dataset=stoppable(tiny_scan(), lambda: True)))
except Stopped:
    print("begun")
"""


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_AS") or sys.platform != "linux", reason="no such limit here")
def test_a_limit_of_the_system_is_seen_and_nothing_is_tried_beyond_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    refused, fits = done.stdout.splitlines() or ["", done.stderr]
    assert refused.startswith("the training needs about 2."), done.stderr
    assert refused.endswith(("MiB are free", "1.0 GiB are free"))
    assert fits == "begun"


GROWTH = """
import gc, sys
import psutil, torch
import ptycho_engine.training
from pathlib import Path
from ptycho_engine.config import TrainConfig
from ptycho_engine.events import StepDone
from ptycho_engine.memory_need import free_for
from ptycho_engine.recipes import plan_training
from ptycho_engine.training import train
from ptycho_engine.training_memory import training_need
from tests.helpers.tiny_scan import tiny_scan
batch = int(sys.argv[1])
config = TrainConfig(gridsize=1, n_groups=batch, batch_size=batch, epochs=2, accelerator="cpu")
scan, cpu = tiny_scan(batch), torch.device("cpu")
need = training_need([scan], config, plan_training(config, scan.n, scan.probe), cpu, free_for(cpu))
gc.collect()
before = psutil.Process().memory_info().rss
Path("/proc/self/clear_refs").write_text("5")
list(train(scan, config, out=sys.argv[2]))
(peak,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
print(need.host / (int(peak.split()[1]) * 1024 - before))
"""


@long_form
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's greatest resident memory")
@pytest.mark.parametrize("batch", [16, 96])
def test_the_resident_memory_grows_by_what_was_told(batch: int, tmp_path: Path) -> None:
    told = subprocess.check_output(
        [sys.executable, "-c", GROWTH, str(batch), str(tmp_path / "run")],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        text=True,
    )
    assert 1 / 1.6 < float(told.splitlines()[-1]) < 1.6


def test_a_position_that_is_no_number_is_told_as_such(bundle: Bundle) -> None:
    broken = tiny_scan().scan_positions.copy()
    broken[3] = np.nan
    with pytest.raises(EngineError, match="finite"):
        list(infer(replace(tiny_scan(), scan_positions=broken), bundle, InferConfig(accelerator="cpu")))
