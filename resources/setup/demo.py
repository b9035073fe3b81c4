"""Simulate the demo scan once, and open the app with it and the shipped bundle.

Without a display the same is done offscreen and a picture of each panel is saved.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OUTPUT = ROOT / "demo-output"
SCAN = OUTPUT / "demo_scan.npz"
BUNDLE = ROOT / "resources" / "demo" / "wts.h5.zip"

SIMULATE = ("--n-scan", "700", "--n", "64", "--n-photons", "1e5", "--object", "cells", "--seed", "7")
"""Another specimen of the kind that the shipped bundle was trained on: one it has never seen."""


def has_display() -> bool:
    """Tell whether a window could be shown."""
    if sys.platform in ("win32", "darwin"):
        return True
    if os.environ.get("QT_QPA_PLATFORM") in ("offscreen", "minimal"):
        return False
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def simulate() -> None:
    """Make the demo scan unless it is there."""
    if SCAN.exists():
        print(f"==> The demo scan is there: {SCAN.relative_to(ROOT)}", flush=True)
        return
    OUTPUT.mkdir(exist_ok=True)
    print(f"==> Simulating the demo scan: {SCAN.relative_to(ROOT)}", flush=True)
    command = [sys.executable, "-m", "ptycho_engine", "simulate", str(SCAN), *SIMULATE, "--quiet"]
    subprocess.run(command, cwd=ROOT, check=True)


def main() -> int:
    """Run the demo; return the app's exit status."""
    simulate()
    command = [sys.executable, "main.py", "--demo", str(SCAN), str(BUNDLE)]
    environment = dict(os.environ)
    if has_display():
        print("==> Opening Ptychoscope (close the window to end the demo)", flush=True)
    else:
        pictures = OUTPUT / "screenshots"
        print(f"==> No display: saving a picture of each panel in {pictures.relative_to(ROOT)}", flush=True)
        environment["QT_QPA_PLATFORM"] = "offscreen"
        command += ["--screenshot-dir", str(pictures)]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
