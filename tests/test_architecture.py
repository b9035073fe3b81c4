"""The rules of ARCHITECTURE.md that a syntax tree can check."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("app", "ptycho_engine", "resources")
SOURCES = [*sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py")), ROOT / "main.py"]
TESTS = sorted((ROOT / "tests").rglob("*.py"))

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60

FORBIDDEN_IMPORTS = {
    # The engine has no screen and no window above it.
    "ptycho_engine": ("PySide6", "pyqtgraph", "app", "threading", "_thread", "concurrent"),
    # Pictures are made from numbers alone.
    "app/display": ("PySide6", "app.state", "app.panels", "app.widgets", "app.jobs", "app.controller", "torch"),
    # The reducer is tested without Qt, and the mailbox too.
    "app/state/app_state.py": ("PySide6", "pyqtgraph"),
    "app/jobs/mailbox.py": ("PySide6", "pyqtgraph"),
    # Widgets know no session and no job; panels know no controller and no job.
    "app/widgets": ("app.state", "app.panels", "app.jobs", "app.controller", "app.application", "torch"),
    "app/panels": ("app.jobs", "app.controller", "app.application", "app.main_window", "torch"),
}
TORCH_CONTEXTS = ("no_grad", "inference_mode", "enable_grad", "set_grad_enabled", "autocast")


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return ""


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def broken_layers(where: str, tree: ast.Module) -> list[str]:
    banned = [name for prefix, names in FORBIDDEN_IMPORTS.items() if where.startswith(prefix) for name in names]
    return [
        f"{where}:{line} imports {name}"
        for line, name in imports(tree)
        if any(name == ban or name.startswith(ban + ".") for ban in banned)
    ]


def made_threads(where: str, tree: ast.Module) -> list[str]:
    if where == "app/jobs/job_thread.py":
        return []
    makers = ("QThread", "QThreadPool", "QtConcurrent", "Thread", "ThreadPoolExecutor", "ProcessPoolExecutor")
    return [
        f"{where}:{node.lineno} calls {dotted(node.func)}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and dotted(node.func).rsplit(".", 1)[-1] in makers
    ]


def _own_yields(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """Yield expressions of these statements, without those of functions defined inside."""
    pending: list[ast.AST] = list(body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Yield | ast.YieldFrom):
            yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            pending.extend(ast.iter_child_nodes(node))


def yields_under_torch_contexts(where: str, tree: ast.Module) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.With):
            continue
        names = {
            dotted(item.context_expr.func if isinstance(item.context_expr, ast.Call) else item.context_expr)
            for item in node.items
        }
        if any(name.rsplit(".", 1)[-1] in TORCH_CONTEXTS for name in names):
            found += [f"{where}:{getattr(y, 'lineno', 0)} yields under {names}" for y in _own_yields(node.body)]
    return found


def long_pieces(where: str, path: Path, tree: ast.Module) -> list[str]:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    found = [f"{where} has {lines} lines, more than {MAX_FILE_LINES}"] if lines > MAX_FILE_LINES else []
    for function in functions(tree):
        length = (function.end_lineno or function.lineno) - function.lineno + 1
        if length > MAX_FUNCTION_LINES:
            found.append(
                f"{where}:{function.lineno} {function.name} has {length} lines, more than {MAX_FUNCTION_LINES}"
            )
    return found


def eager_imports(where: str, tree: ast.Module) -> list[str]:
    """Heavy libraries at module level where the start of the app or ``import ptycho_engine`` would pay for them."""
    if not where.startswith(("app/", "main.py")):
        return []
    heavy = ("torch", "scipy", "skimage", "matplotlib", "h5py", "tifffile")
    module_level = ast.Module([node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)], [])
    return [
        f"{where}:{line} imports {name} at its top"
        for line, name in imports(module_level)
        if name.split(".")[0] in heavy
    ]


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_source_keeps_the_rules(path: Path) -> None:
    where, tree = relative(path), tree_of(path)
    broken = [
        *broken_layers(where, tree),
        *made_threads(where, tree),
        *yields_under_torch_contexts(where, tree),
        *long_pieces(where, path, tree),
        *eager_imports(where, tree),
    ]
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize("path", TESTS, ids=relative)
def test_tests_keep_the_size_rules(path: Path) -> None:
    broken = long_pieces(relative(path), path, tree_of(path))
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize(
    ("where", "code"),
    [
        ("ptycho_engine/x.py", "import PySide6.QtCore"),
        ("ptycho_engine/x.py", "import threading"),
        ("app/panels/x.py", "from app.controller import Controller"),
        ("app/panels/x.py", "from app import controller"),
        ("app/widgets/x.py", "from app.state.session import Session"),
        ("app/x.py", "from PySide6.QtCore import QThread\nQThread()"),
        ("ptycho_engine/x.py", "def f():\n    with torch.no_grad():\n        yield 1"),
        ("ptycho_engine/x.py", "def f():\n    with torch.autocast('cpu'):\n        for i in x:\n            yield i"),
        ("app/x.py", "import torch"),
    ],
)
def test_rules_find_what_they_forbid(where: str, code: str) -> None:
    tree = ast.parse(code)
    assert [
        *broken_layers(where, tree),
        *made_threads(where, tree),
        *yields_under_torch_contexts(where, tree),
        *eager_imports(where, tree),
    ]


def test_engine_import_brings_neither_torch_nor_qt() -> None:
    code = (
        "import sys, ptycho_engine, ptycho_engine.events, ptycho_engine.documents, ptycho_engine.config;"
        "print([n for n in ('torch', 'PySide6', 'pyqtgraph', 'matplotlib', 'scipy') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_public_engine_names_have_docstrings() -> None:
    lacking = []
    for path in SOURCES:
        where, tree = relative(path), tree_of(path)
        if not where.startswith("ptycho_engine/"):
            continue
        nodes = [tree, *(node for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef))]
        for node in nodes:
            name = getattr(node, "name", where)
            if not name.startswith("_") and ast.get_docstring(node) is None:
                lacking.append(f"{where}: {name}")
    assert not lacking, "\n".join(lacking)
