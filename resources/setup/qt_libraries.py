"""Find out whether Qt can load here, and install or name the system libraries that it lacks.

A wheel of PySide6 brings Qt but not the X11, OpenGL and font libraries of the system. They are looked for by asking the
dynamic linker, so the answer holds for any distribution.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

PACKAGES = (
    "libegl1",
    "libgl1",
    "libglib2.0-0",
    "libdbus-1-3",
    "libfontconfig1",
    "libxkbcommon0",
    "libxkbcommon-x11-0",
    "libx11-xcb1",
    "libxcb-cursor0",
    "libxcb-icccm4",
    "libxcb-image0",
    "libxcb-keysyms1",
    "libxcb-randr0",
    "libxcb-render-util0",
    "libxcb-shape0",
    "libxcb-xinerama0",
    "libxcb-xkb1",
    "fonts-dejavu-core",
)
"""Debian's and Ubuntu's names of the packages that hold them."""


def missing_libraries() -> set[str]:
    """Return the shared libraries that Qt's window and screen plug-ins ask for and the system does not have."""
    spec = importlib.util.find_spec("PySide6")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("PySide6 is not installed in this environment. Run `make clean` and then this command again.")
    home = Path(next(iter(spec.submodule_search_locations)))
    files = [
        *home.glob("QtGui*.so"),
        *home.glob("QtWidgets*.so"),
        home / "Qt/plugins/platforms/libqxcb.so",
        home / "Qt/plugins/platforms/libqoffscreen.so",
    ]
    missing: set[str] = set()
    for file in files:
        if not file.exists():
            continue
        listing = subprocess.run(["ldd", str(file)], capture_output=True, text=True, check=False).stdout
        missing |= {line.split()[0] for line in listing.splitlines() if "not found" in line}
    return missing


def main() -> int:
    """Install or name what is missing; return 0 when Qt can load."""
    if not sys.platform.startswith("linux") or shutil.which("ldd") is None:
        return 0
    missing = missing_libraries()
    if not missing:
        return 0
    print(f"==> Qt lacks system libraries: {', '.join(sorted(missing))}", flush=True)
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES]
    if shutil.which("apt-get") is None:
        print("Install the packages of your distribution that hold them, then run this command again.")
        return 1
    if os.geteuid() != 0:
        print(f"Run this once, then this command again:\n  sudo {' '.join(install)}")
        return 1
    print("==> Installing them with apt-get", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update", "-qq"], install):
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        if done.returncode != 0:
            print(f"{' '.join(command)} failed:\n{done.stderr.strip()}")
            return 1
    left = missing_libraries()
    if left:
        print(f"These are still missing: {', '.join(sorted(left))}. Install the packages that hold them.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
