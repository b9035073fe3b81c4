"""``python -m tests.walk [FOLDER] [--size 1600x1000]… [--chapter NAME]…``: walk, and tell what was seen."""

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.walk import new_user
from tests.walk.files import broken_scan, hostile_bundle, many_positions_scan, other_file
from tests.walk.hand import LostError
from tests.walk.screen import Screen, lacking

SHARED = Path(__file__).resolve().parents[3] / "shared"
SIZES = ("1600x1000", "1280x720")


def chapters(walk: new_user.Walk, files: Path) -> dict[str, Callable[[], None]]:
    """Return the chapters by name; their files are made in ``files``."""
    return {
        "training": partial(new_user.first_training, walk),
        "bundle": partial(new_user.loaded_bundle, walk),
        "compare": partial(new_user.comparison, walk),
        "commands": partial(new_user.commands, walk),
        "scale-200": partial(new_user.twice_as_large, walk),
        "keyboard": partial(new_user.keyboard_alone, walk),
        "many": lambda: new_user.many_positions(walk, many_positions_scan(files)),
        "failures": lambda: new_user.failures(
            walk, broken_scan(files, walk.scan), hostile_bundle(files), other_file(files)
        ),
    }


def main(words: list[str]) -> int:
    """Walk; return 1 where something could not be found on the screen, else 0."""
    parser = argparse.ArgumentParser(prog="python -m tests.walk")
    parser.add_argument("folder", nargs="?", type=Path, default=Path("walk-output"))
    parser.add_argument("--size", action="append", metavar="WxH")
    parser.add_argument("--chapter", action="append", metavar="NAME")
    given = parser.parse_args(words)
    files = [SHARED / "data" / f"run1084_{part}.npz" for part in ("train", "test")]
    files.append(SHARED / "golden" / "gs1" / "wts.h5.zip")
    missing = lacking() or next((f"{path} is not there" for path in files if not path.exists()), "")
    if missing:
        sys.stdout.write(f"skipped: {missing}\n")
        return 0
    status = 0
    for size in given.size or SIZES:
        width, height = (int(side) for side in size.split("x"))
        folder = given.folder.resolve() / size
        made = folder / "files"
        made.mkdir(parents=True, exist_ok=True)
        walk = new_user.Walk(folder, scan=files[0], small_scan=files[1], bundle=files[2])
        for name, play in chapters(walk, made).items():
            if given.chapter and name not in given.chapter:
                continue
            # A screen of twice as many pixels, as those have on which everything is drawn twice as large.
            factor = 2 if name == "scale-200" else 1
            with Screen(factor * width, factor * height) as walk.screen:
                start = time.monotonic()
                try:
                    play()
                except LostError as error:
                    status = 1
                    walk.told.append(f"{name}: LOST: {error}")
                    sys.stderr.write(f"{walk.told[-1]}\n")
                walk.told.append(f"{name}: {time.monotonic() - start:.0f} s")
                sys.stderr.write(f"{size} {walk.told[-1]}\n")
        sys.stdout.write(f"=== {size}: pictures in {folder}\n")
        sys.stdout.writelines(f"{line}\n" for line in walk.told)
        for place, texts in walk.clipped.items():
            sys.stdout.write(f"too little room, {place}: {'; '.join(texts)}\n")
        sys.stdout.flush()
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
