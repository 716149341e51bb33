"""The rooms of DESIGN: who may import whom, who knows time, and what an import of the package loads."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import kifactors

PACKAGE = Path(kifactors.__file__).parent

# Ground floor first: an import may only point to a room above it in this list.
ROOMS = (
    "errors",
    "atomic",
    "_kernels",
    "engine",
    "schema",
    "definition",
    "calendar",
    "panel",
    "labels",
    "asof",
    "eligible",
    "cross_section",
    "graph",
    "pillars",
    "composite",
    "scores",
    "parts",
    "continuation",
    "factor",
    "snapshot",
    "network",
    "scenarios",
    "explanation",
    "screen",
    "index_rules",
    "portfolio",
    "evaluation",
    "sources",
    "bundle",
    "io",
    "store",
    "udf",
    "ingest",
    "versions",
    "cli",
)
MODULES = sorted(PACKAGE.rglob("*.py"))


def room_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "kifactors":
            parts = (node.module or "").split(".")
            yield from (
                [parts[1]] if len(parts) > 1 else [a.name for a in node.names if a.name != "__version__"]
            )
        elif isinstance(node, ast.Import):
            yield from (a.name.split(".")[1] for a in node.names if a.name.startswith("kifactors."))


def test_every_room_is_in_the_plan():
    assert {room_of(path) for path in MODULES} - {"__init__"} == set(ROOMS)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_upwards(path):
    room = room_of(path)
    if room == "__init__":
        return
    above = ROOMS[: ROOMS.index(room) + 1]
    assert set(imported_rooms(path)) <= set(above)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_only_asof_reads_available_at(path):
    # Readers state it.
    if room_of(path) in {"schema", "asof", "sources", "ingest"}:
        return
    tree = ast.parse(path.read_text())
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        and ast.get_docstring(node) is not None
    }
    texts = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings
    ]
    # A help text may name the column; an expression is the bare name.
    assert "available_at" not in texts


def test_import_loads_nothing_heavy():
    heavy = [
        "polars",
        "numpy",
        "pandas",
        "pyarrow",
        "matplotlib",
        "networkx",
        "scipy",
        "typer",
        "rich",
        "duckdb",
        "exchange_calendars",
        "deltalake",
        "distributed",
        "lxml",
        "orjson",
        "rapidfuzz",
    ]
    code = f"import sys, kifactors; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def _target(node):
    return node.target if isinstance(node, ast.AnnAssign) else node.targets[0]


def test_public_names_are_sorted_and_exist():
    for path in MODULES:
        tree = ast.parse(path.read_text())
        exported = [
            ast.literal_eval(node.value)
            for node in tree.body
            if isinstance(node, (ast.Assign, ast.AnnAssign)) and getattr(_target(node), "id", "") == "__all__"
        ]
        assert exported, path
        names = exported[0]
        assert list(names) == sorted(names, key=lambda n: (not n.isupper(), not n[:1].isupper(), n)), path
    assert all(hasattr(kifactors, name) for name in kifactors.__all__)
    assert set(kifactors.__all__) <= set(dir(kifactors))
    with pytest.raises(AttributeError, match="no attribute 'AiInfrastructureExposure'"):
        _ = kifactors.AiInfrastructureExposure


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_left_joins_keep_the_order_of_rows(path):
    """Without it polars may return rows in any order, and kernels read them by position."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "join":
            options = {word.arg: ast.unparse(word.value) for word in node.keywords}
            if options.get("how") == "'left'":
                assert options.get("maintain_order") == "'left'", f"{path.name}:{node.lineno}"
