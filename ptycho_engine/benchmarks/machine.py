"""The machine that is measured: its name, and what it can do at best."""

import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ptycho_engine.benchmarks.measuring import in_turns

_BANDWIDTH_BYTES = 128 << 20
"""Far more than the caches hold."""
_MATRIX_SIDE = 1024


@dataclass(frozen=True, slots=True)
class Machine:
    """What it is, and its limits for one thread, measured in the same run."""

    cpu: str
    cores: int
    """Those that this process may use."""
    threads: int
    """Threads that torch computes with."""
    matrix_units: bool
    """Whether the CPU multiplies matrices of bf16 in units of its own (AMX)."""
    python: str
    numpy: str
    torch: str
    read_bytes_per_s: float
    """At which memory is summed up."""
    matmul_flops: float
    """Of float32."""
    matmul_flops_bf16: float

    def as_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)

    def text(self) -> str:
        """Return it in two lines."""
        return (
            f"{self.cpu}, {self.cores} cores, {self.threads} thread{'' if self.threads == 1 else 's'}"
            f"{', with matrix units (AMX)' if self.matrix_units else ''}; "
            f"Python {self.python}, numpy {self.numpy}, torch {self.torch}\n"
            f"limits of one thread: memory {self.read_bytes_per_s / 1e9:.1f} GB/s, matrices "
            f"{self.matmul_flops / 1e9:.0f} GFLOP/s in float32, {self.matmul_flops_bf16 / 1e9:.0f} in bf16"
        )


def describe_machine() -> Machine:
    """Name the machine and measure its limits, which takes about a second."""
    import torch

    matrix = torch.rand(_MATRIX_SIDE, _MATRIX_SIDE)
    half = matrix.bfloat16()
    block = np.ones(_BANDWIDTH_BYTES // 4, np.float32)
    timings = in_turns({"read": block.sum, "matmul": lambda: matrix @ matrix, "bf16": lambda: half @ half}, 3)
    flops = 2.0 * _MATRIX_SIDE**3
    info = _cpu_info()
    return Machine(
        cpu=info.get("model name", platform.processor() or platform.machine()),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        threads=torch.get_num_threads(),
        matrix_units="amx_bf16" in info.get("flags", "").split(),
        python=platform.python_version(),
        numpy=np.__version__,
        torch=torch.__version__,
        read_bytes_per_s=_BANDWIDTH_BYTES / timings["read"].low,
        matmul_flops=flops / timings["matmul"].low,
        matmul_flops_bf16=flops / timings["bf16"].low,
    )


def _cpu_info() -> dict[str, str]:
    """Return what Linux tells of the first core; nothing elsewhere."""
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return {}
    first = path.read_text(encoding="utf-8", errors="replace").split("\n\n", 1)[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}
