"""What can be seen without running anything: no call that could run a file, no waiting in the window's thread."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [*sorted(path for part in ("app", "ptycho_engine", "resources") for path in (ROOT / part).rglob("*.py"))]
SOURCES.append(ROOT / "main.py")

UNSAFE_MODULES = ("dill", "joblib", "shelve", "cloudpickle", "marshal", "jsonpickle", "code", "codeop", "_pickle")
WRITE_PICKLES = ("ptycho_engine/bundles/torch_writer.py", "ptycho_engine/bundles/write.py")
"""Write bundles for PtychoPINN, which reads pickles."""
OF_PICKLE = ("pickle.dumps", "pickle.dump", "pickle.Pickler")
"""What they may use of it."""
UNSAFE_CALLS = (
    "add_safe_globals",
    "eval",
    "exec",
    "compile",
    "__import__",
    "yaml.load",
    "yaml.unsafe_load",
    "yaml.full_load",
    "os.system",
    "os.popen",
    "shutil.unpack_archive",
    "subprocess.getoutput",
    "pandas.read_pickle",
    "torch.jit.load",
    "torch.hub.load",
    "torch.package.PackageImporter",
    "runpy.",
    "numpy.lib.format.read_array",
)
SAFE_ARGUMENTS = {"allow_pickle": False, "weights_only": True, "mmap": False, "shell": False}
"""The only value that these may be given, written out; a variable could hold the other one."""
LOADERS_THAT_MUST_SAY = {"torch.load": "weights_only", "numpy.load": "allow_pickle"}

UNSAFE_METHODS = (".extractall", ".extract", ".add_safe_globals")

FILE_WORK = (
    "open", "os.listdir", "os.scandir", "os.stat", "os.walk", "os.remove", "os.replace", "os.rename", "os.makedirs",
    "os.path.exists", "os.path.isfile", "os.path.isdir", "os.path.getsize", "shutil.", "glob.glob", "tempfile.",
    "zipfile.", "numpy.load", "numpy.save", "subprocess.", "urllib.", "socket.create_connection", "time.sleep",
    "ptycho_engine.bundles.read_bundle", "ptycho_engine.bundles.save_bundle", "ptycho_engine.formats.read_dataset",
    "ptycho_engine.bundles.atomic.", "ptycho_engine.runs.run_folder.", "ptycho_engine.inspection.", "torch.",
)  # fmt: skip
FILE_METHODS = (
    "read_text", "read_bytes", "write_text", "write_bytes", "is_file", "is_dir", "exists", "iterdir", "glob", "rglob",
    "stat", "unlink", "mkdir", "rmdir", "resolve", "samefile", "touch", "read_frames", "diffraction", "cuda",
)  # fmt: skip
MAY_WORK = {
    "app/jobs/": "runs in the thread of a job; what of it runs in the window's is named in the next line",
    "app/settings.py": "one small file of the person's own, read before the window is there",
    "app/crash_file.py": "one small file of the person's own, opened before the window is there",
    "app/display_server.py": "asks whether there is a display, before Qt starts",
    "app/screenshots.py": "a run without a person at the window, which ends when the pictures are written",
    "app/application.py": "starts and ends the process",
    "app/benchmarks/": "a program of its own, whose window nobody sits at",
}
IN_THE_WINDOW = ("app/jobs/job_runner.py", "app/jobs/mailbox.py")


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def aliases(tree: ast.Module) -> dict[str, str]:
    """Return what each name of a module stands for, where an import says so."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def dotted(node: ast.expr, names: dict[str, str]) -> str:
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value, names)}.{node.attr}"
    return ""


def calls(tree: ast.Module) -> Iterator[tuple[ast.Call, str]]:
    names = aliases(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node, dotted(node.func, names)


def matches(name: str, banned: tuple[str, ...]) -> bool:
    return any(name == ban or (ban.endswith(".") and name.startswith(ban)) for ban in banned)


def unsafe(where: str, tree: ast.Module) -> list[str]:
    found = []
    for node in ast.walk(tree):
        imported = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        imported += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        found += [f"{where}: imports {name}" for name in imported if name.split(".")[0] in UNSAFE_MODULES]
        if "pickle" in imported and where not in WRITE_PICKLES:
            found.append(f"{where}: imports pickle")
    names = aliases(tree)
    used = {dotted(node, names) for node in ast.walk(tree) if isinstance(node, ast.Attribute | ast.Name)}
    found += [f"{where}: uses {name}" for name in sorted(used) if name.startswith("pickle.") and name not in OF_PICKLE]
    for node, name in calls(tree):
        at = f"{where}:{node.lineno}"
        if matches(name.removeprefix("builtins."), UNSAFE_CALLS) or name.endswith(UNSAFE_METHODS):
            found.append(f"{at} calls {name}")
        given = {one.arg: one.value.value if isinstance(one.value, ast.Constant) else None for one in node.keywords}
        found += [
            f"{at} passes {key}={value!r}"
            for key, value in SAFE_ARGUMENTS.items()
            if given.get(key, value) is not value
        ]
        must_say = LOADERS_THAT_MUST_SAY.get(name)
        if must_say is not None and must_say not in given:
            found.append(f"{at} calls {name} without {must_say}")
    return found


def waiting(where: str, tree: ast.Module) -> list[str]:
    """Return file and device work in what the window's thread runs."""
    if where not in IN_THE_WINDOW and any(where.startswith(one) for one in MAY_WORK):
        return []
    found = []
    for node, name in calls(tree):
        method = name.rsplit(".", 1)[-1] if "." in name else ""
        if isinstance(node.func, ast.Attribute) and not name:
            method = node.func.attr
        if matches(name, FILE_WORK) or method in FILE_METHODS:
            found.append(f"{where}:{node.lineno} calls {name or method}")
    return found


def where_is(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", SOURCES, ids=where_is)
def test_nothing_that_could_run_a_file_is_called(path: Path) -> None:
    found = unsafe(where_is(path), tree_of(path))
    assert not found, "\n".join(found)


WINDOW = [path for path in SOURCES if where_is(path).startswith("app/")]


@pytest.mark.parametrize("path", WINDOW, ids=where_is)
def test_the_window_s_thread_does_no_file_and_no_device_work(path: Path) -> None:
    found = waiting(where_is(path), tree_of(path))
    assert not found, "\n".join(found)


def test_what_may_work_is_there() -> None:
    assert [one for one in (*MAY_WORK, *IN_THE_WINDOW) if not (ROOT / one).exists()] == []


@pytest.mark.parametrize(
    "code",
    [
        "import pickle\npickle.load(f)",
        "pickle.loads(b)",
        "from pickle import loads\nloads(b)",
        "import pickle as p\np.Unpickler(f)",
        "import pickle\nclass Reader(pickle.Unpickler): pass",
        "import pickle\nread = pickle.load",
        "import dill\ndill.load(f)",
        "from joblib import load",
        "import shelve",
        "eval(text)",
        "import builtins\nbuiltins.eval(text)",
        "exec(text)",
        "compile(text, name, mode)",
        "yaml.load(f)",
        "os.system('ls')",
        "from os import system as s\ns('ls')",
        "subprocess.run(c, shell=True)",
        "torch.load(p)",
        "torch.load(p, weights_only=False)",
        "torch.load(p, weights_only=trusted)",
        "torch.load(p, weights_only=True, mmap=True)",
        "torch.serialization.add_safe_globals([x])",
        "import numpy as np\nnp.load(p)",
        "import numpy as np\nnp.load(p, allow_pickle=True)",
        "import numpy as np\nnp.load(p, allow_pickle=1)",
        "zipfile.ZipFile(p).extractall()",
        "shutil.unpack_archive(p)",
    ],
)
def test_the_rule_finds_what_could_run_a_file(code: str) -> None:
    assert unsafe("ptycho_engine/x.py", ast.parse(code))


@pytest.mark.parametrize(
    "code",
    [
        "torch.load(p, weights_only=True)",
        "import numpy as np\nnp.load(p, allow_pickle=False)",
        "import re\nre.compile(text)",
        "model.eval()",
        "import json\njson.load(f)",
    ],
)
def test_the_rule_lets_pass_what_runs_nothing(code: str) -> None:
    assert not unsafe("ptycho_engine/x.py", ast.parse(code))


def test_pickles_are_written_where_that_is_needed_and_read_nowhere() -> None:
    writing = ast.parse("import pickle\npickle.dumps(x)")
    assert not unsafe(WRITE_PICKLES[0], writing)
    assert unsafe("ptycho_engine/x.py", writing)
    assert unsafe(WRITE_PICKLES[0], ast.parse("import pickle\npickle.loads(x)"))


@pytest.mark.parametrize(
    "code",
    [
        "open(path)",
        "path.read_text()",
        "Path(name).exists()",
        "import torch\ntorch.zeros(3)",
        "import numpy as np\nnp.load(p, allow_pickle=False)",
        "time.sleep(1)",
        "dataset.diffraction(slice(None))",
        "from ptycho_engine.formats import read_dataset\nread_dataset(p)",
    ],
)
def test_the_rule_finds_waiting_in_the_window_s_thread(code: str) -> None:
    assert waiting("app/panels/x.py", ast.parse(code))
    assert waiting("app/jobs/job_runner.py", ast.parse(code))
    assert not waiting("app/jobs/reader.py", ast.parse(code))
