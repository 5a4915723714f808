"""House rules that a machine can hold: widths, lengths, docstrings, what the tree must not say."""

import ast
import enum
import inspect
import re
from itertools import pairwise
from pathlib import Path

import pricetime as pt
import pytest

ROOT = Path(__file__).resolve().parents[1]
IGNORED = {"build", "dist", "__pycache__", ".git", ".venv", ".hypothesis", ".benchmarks"}
CODE = {".py", ".pyi", ".pyx", ".pxd", ".h", ".sh", ".toml"}
TEXT = CODE | {".md", ".txt", ".in", ".yml", ".yaml", ".cfg", ".c", ""}
COLUMNS_MAX = 100
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 600
LONGER = {  # files that may be, and why
    "engine/_book.pyx": "the one place with Python objects: a Cython class stands in one file",
    "bench/peer_engines.py": "an adapter for each rival engine, side by side to be compared",
    "tests/test_book.py": "the API's tests in the order of the API: a group for each method",
}

# Each pattern is spelt so that it does not match itself.
UNSAID = {
    "a path of one machine": r"(?<![\w.])/(?:[h]ome|[r]oot|[U]sers|[w]ork)/\w|[A-Z]:\\[U]sers",
    "the address of a registry": r"[i]ndex-url|[t]rusted-host|pypi\.org/[s]imple|[d]evpi",
    "work put off": r"\b(?:TO[D]O|FIX[M]E|XX[X])\b",
    "how it was written": r"(?i)\b(?:this|that|my|our|last|earlier|later|other|coding|helper)[ -]"
    r"[s]essions?\b|\b[C]laude\b|\b[A]nthropic\b",
}


def files(*suffixes):
    """Files of the tree with these endings, hidden caches and what was built apart."""
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        hidden = any(part in IGNORED or part.endswith(("_cache", ".egg-info")) for part in parts)
        if not hidden and path.suffix in suffixes and path.is_file():
            yield path


def name(path):
    return path.relative_to(ROOT).as_posix()


def lines(path):
    return path.read_text("utf-8").splitlines()


# -- widths and lengths ---------------------------------------------------------------------------


def test_code_is_100_columns_wide():
    wide = [
        f"{name(path)}:{number} has {len(line)}"
        for path in files(*CODE)
        for number, line in enumerate(lines(path), 1)
        if len(line) > COLUMNS_MAX
    ]
    assert not wide, "\n".join(wide)


def functions(path):
    """(line, name, length) of each function: by the parser, or in Cython by what is indented."""
    if path.suffix == ".py":
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node.lineno, node.name, node.end_lineno - node.lineno + 1
        return
    text = lines(path)
    for i, line in enumerate(text):
        head = re.match(r"( *)(?:def|cdef|cpdef)\b[^=(]*?(\w+)\(", line)
        if head is None:
            continue
        end = last = i
        while end + 1 < len(text):
            end += 1
            if text[end].strip():
                indent = len(text[end]) - len(text[end].lstrip())
                if indent <= len(head[1]) and not text[end].lstrip().startswith(")"):
                    break
                last = end
        yield i + 1, head[2], last - i + 1


def test_functions_are_under_70_lines():
    long = [
        f"{name(path)}:{line} {function} has {length}"
        for path in files(".py", ".pyx", ".pxd")
        for line, function, length in functions(path)
        if length >= FUNCTION_LINES_MAX
    ]
    assert not long, "\n".join(long)


def test_functions_are_found_in_cython():
    path = ROOT / "engine" / "slab.pxd"
    if not path.exists():
        pytest.skip("an installed package has no kernels")
    found = [function for _, function, _ in functions(path)]
    assert "slab_take" in found
    assert len(found) == path.read_text("utf-8").count("cdef inline")


def test_files_are_under_600_lines_or_say_why():
    long = {name(p): len(lines(p)) for p in files(".py", ".pyx", ".pxd") if len(lines(p)) >= 600}
    assert long.keys() <= LONGER.keys(), long
    gone = {path for path in LONGER if (ROOT / path).exists()} - long.keys()
    assert not gone, f"no longer long: {gone}"


# -- kernels --------------------------------------------------------------------------------------

KERNELS = sorted((ROOT / "engine").glob("*.pxd"))


def test_kernels_are_inline_without_exceptions_and_without_the_gil():
    for path in KERNELS:
        text = path.read_text("utf-8")
        verbs = re.findall(r"^cdef (?:inline )?[^\n(]*?(\w+)\((?:[^)]|\n)*\)([^:\n]*):", text, re.M)
        for verb, ending in verbs:
            assert ending.split() == ["noexcept", "nogil"], f"{name(path)}: {verb}"
        assert not re.search(r"\b(?:float|double|assert|object|include)\b", code_of(text)), path


def code_of(text):
    """The text without comments and docstrings."""
    return re.sub(r'#[^\n]*|"""(?:.|\n)*?"""|"[^"\n]*"', "", text)


def test_kernels_import_one_way():
    imports = {
        path.stem: set(re.findall(r"^from engine\.(\w+) cimport", path.read_text("utf-8"), re.M))
        for path in KERNELS
    }
    while imports:
        free = [kernel for kernel, needs in imports.items() if not needs & imports.keys()]
        assert free, f"a cycle among {sorted(imports)}"
        for kernel in free:
            del imports[kernel]


# -- docstrings -----------------------------------------------------------------------------------


def documented_constants():
    """Names of records.py that a string follows, as tools read it."""
    body = ast.parse((Path(pt.__file__).parent / "records.py").read_text("utf-8")).body
    for node, after in pairwise(body):
        said = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
        if isinstance(node, ast.Assign) and said:
            yield from (target.id for target in node.targets)


@pytest.mark.parametrize("public", pt.__all__)
def test_every_public_name_has_a_docstring(public):
    thing = getattr(pt, public)
    if public == "__version__":
        return
    if not (inspect.isclass(thing) or inspect.isroutine(thing)):
        assert public in set(documented_constants())
        return
    assert inspect.getdoc(thing)
    if not inspect.isclass(thing) or issubclass(thing, enum.Enum):
        return
    for member, value in vars(thing).items():
        # A slot cannot carry a docstring: that of a field stands below it in the source.
        if not member.startswith("_") and not inspect.ismemberdescriptor(value):
            assert (getattr(value, "__doc__", None) or "").strip(), f"{public}.{member}"


def test_every_python_module_says_what_it_is():
    for path in files(".py"):
        text = path.read_text("utf-8")
        assert not text.strip() or ast.get_docstring(ast.parse(text)), name(path)


def test_every_kernel_says_what_it_is():
    for path in (*KERNELS, *sorted((ROOT / "engine").glob("*.h"))):
        assert re.match(r'#(?! ?(?:pragma|ifndef))|//|/\*|"""', path.read_text("utf-8")), name(path)


# -- what the tree says ---------------------------------------------------------------------------


@pytest.mark.parametrize("what", UNSAID)
def test_nothing_is_said_of(what):
    said = [
        f"{name(path)}:{number} {line.strip()}"
        for path in files(*TEXT)
        for number, line in enumerate(lines(path), 1)
        if re.search(UNSAID[what], line)
    ]
    assert not said, "\n".join(said)


def test_the_license_is_there():
    text = (ROOT / "LICENSE").read_text("utf-8")
    assert "Apache License" in text
    assert "Version 2.0" in text


def test_the_changelog_tells_of_this_version():
    changelog = ROOT / "CHANGELOG.md"
    if not changelog.exists():
        pytest.skip("no CHANGELOG.md here")
    pyproject = (ROOT / "pyproject.toml").read_text("utf-8")
    version = re.search(r'^version = "(.+)"$', pyproject, re.M)[1]
    assert re.search(rf"^## {re.escape(version)}\b", changelog.read_text("utf-8"), re.M)
