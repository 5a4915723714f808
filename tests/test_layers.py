"""Imports run one way through the package, and what is not an extra needs numpy alone."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pricetime as pt
import pytest

PACKAGE = Path(pt.__file__).parent
BORDER = Path(__file__).parents[1] / "engine" / "_book.pyx"

# A layer imports what stands before it, and a module of its own layer's folder.
LAYERS = (
    "release",
    "records",
    "instrument",
    "checkpoint",
    "result",
    "_crc",
    "_book",
    "log",
    "runner",
    "venue",
    "__init__",
    "progress",
    "broker",
    "supervisor",
    "replay",
    "demo",
    "tools",
    "serve",
    "cli",
    "__main__",
)
BASE = LAYERS[: LAYERS.index("progress")]
EXTRA = "pricetime.log.kafka"  # of a layer of the base, and yet an extra


TYPES_ALONE = "typing_extensions"  # under TYPE_CHECKING, never at run time


def imported(source):
    """Full names of all modules that the source imports, wherever it does."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import hides its layer"
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if is_module(name) else node.module


def is_module(name):
    """Whether a module of ours has this name."""
    path = PACKAGE.joinpath(*name.split(".")[1:])
    ours = path.is_dir() or any(path.with_suffix(end).exists() for end in (".py", ".pyi"))
    return name.startswith("pricetime.") and ours


def border():
    """The import statements of the Cython source: all stand at the left."""
    if not BORDER.exists():
        pytest.skip(f"{BORDER} is not there: this reads the source tree")
    statement = r"^(?:import .+|from \S+ import (?:\([^)]*\)|.+))"
    return "\n".join(re.findall(statement, BORDER.read_text("utf-8"), re.MULTILINE))


def layer(name):
    """The layer of a module of ours, by its full name."""
    return f"{name}.__init__".split(".")[1]


def modules():
    """Every module of the package by its full name, and what it imports."""
    yield "pricetime._book", set(imported(border()))
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(("pricetime", *parts)).removesuffix(".__init__")
        yield name, set(imported(path.read_text("utf-8")))


def goes_back(name, other):
    """Whether the import is of a later layer, or of another module of the same one."""
    if other.split(".")[0] != "pricetime":
        return False
    in_folder = layer(name) == layer(other) and (PACKAGE / layer(name)).is_dir()
    return LAYERS.index(layer(other)) >= LAYERS.index(layer(name)) and not in_folder


def test_every_module_has_a_layer():
    assert {layer(name) for name, _ in modules()} <= set(LAYERS)


def test_imports_run_one_way():
    back = [
        (name, other) for name, others in modules() for other in others if goes_back(name, other)
    ]
    assert not back


def test_base_modules_import_numpy_and_the_standard_library_alone():
    for name, others in modules():
        if layer(name) in BASE and not name.startswith(EXTRA):
            roots = {other.split(".")[0] for other in others} - {"numpy", "pricetime", TYPES_ALONE}
            assert roots <= sys.stdlib_module_names, name


@pytest.mark.parametrize("name", [TYPES_ALONE, EXTRA, "confluent_kafka"])
def test_what_is_for_types_or_extras_alone_is_not_imported(name):
    code = f"import pricetime, sys; sys.exit({name!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_records_import_nothing_of_ours():
    others = dict(modules())["pricetime.records"]
    assert not any(other.startswith("pricetime") for other in others)


def test_imports_are_seen_wherever_they_stand():
    source = (
        "import a.b\nfrom pricetime import cli, Book\ndef f():\n    from pricetime.cli import x\n"
    )
    assert set(imported(source)) == {"a.b", "pricetime", "pricetime.cli"}


def test_imports_of_the_border_are_seen():
    assert {"numpy", "pricetime.checkpoint", "pricetime.records"} <= set(imported(border()))


@pytest.mark.parametrize(
    ("name", "other", "back"),
    [
        ("pricetime.records", "pricetime._book", True),
        ("pricetime.checkpoint", "pricetime", True),
        ("pricetime.result", "pricetime.checkpoint", False),
        ("pricetime.replay.drive", "pricetime", False),
        ("pricetime.replay.drive", "pricetime.replay.tape", False),
        ("pricetime.replay.drive", "pricetime.cli", True),
        ("pricetime.cli", "pricetime.cli", True),
        ("pricetime.records", "numpy", False),
    ],
)
def test_what_goes_back(name, other, back):
    assert goes_back(name, other) is back
