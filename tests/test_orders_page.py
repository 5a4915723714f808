"""docs/orders.md is true: its blotters are played, its snippets run, its names complete."""

import contextlib
import io
import re
from pathlib import Path

import pricetime as pt
import pytest
from model.blotter import play, scenarios
from model.twin import Twin

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "orders.md"
README = ROOT / "README.md"
ENUMS = [pt.OrderType, pt.TIF, pt.STP, pt.Flag, pt.Phase, pt.Parameter, pt.Reason]

if not PAGE.exists():
    pytest.skip("no docs here", allow_module_level=True)

TEXT = PAGE.read_text("utf-8")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)


def fences(text, language):
    """Line and content of each fenced part in this language."""
    for found in FENCE.finditer(text):
        if found[1] == language:
            yield text.count("\n", 0, found.start()) + 1, found[2]


def section(text, heading):
    """What stands under a heading, up to the next one of its level or none."""
    return re.search(rf"^{heading}\n(.*?)(?=^## |\Z)", text, re.M | re.S)[1]


def unfenced(text):
    return FENCE.sub("", text)


def tables(text):
    """The rows of each table, by the first cell of its head; each row a list of cells."""
    for found in re.finditer(r"(?:^\|.*\|\n)+", unfenced(text), re.M):
        head, rule, *rows = (
            [cell.strip() for cell in line.strip("|").split("|")] for line in found[0].splitlines()
        )
        assert all(set(cell) == {"-"} for cell in rule), head
        assert {len(row) for row in rows} == {len(head)} == {len(rule)}, head
        yield head[0], rows


def anchors(text):
    """What a heading is linked by."""
    for heading in re.findall(r"^#+ (.*)$", unfenced(text), re.M):
        yield re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


BLOTTERS = list(fences(TEXT, "blotter"))
CASES = [
    pytest.param(rows, id=f"{line}: {title}")
    for line, blotter in BLOTTERS
    for title, rows in scenarios("\n" * line + blotter)
]
SNIPPETS = [
    pytest.param(snippet, id=f"{path.name}:{line}")
    for path, text in (
        (PAGE, TEXT),
        (README, section(README.read_text("utf-8"), "## Every order type")),
    )
    for line, snippet in fences(text, "python")
]


@pytest.mark.parametrize("rows", CASES)
@pytest.mark.parametrize("make", [pt.Book, Twin])
def test_blotter(make, rows):
    parameters, commands, events = play(rows, make)
    assert make(**parameters).process(commands).tobytes() == events.tobytes()


def test_every_fenced_part_is_a_blotter_or_python():
    assert len(FENCE.findall(TEXT)) == len(BLOTTERS) + len(list(fences(TEXT, "python")))
    assert TEXT.count("\n```") == 2 * len(FENCE.findall(TEXT))
    assert len(CASES) >= 30
    for line, blotter in BLOTTERS:
        assert blotter.startswith("= "), line
        assert all(rows for _, rows in scenarios(blotter)), line


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_snippet(snippet):
    names = {"pt": pt, "book": pt.Book()}
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(snippet, "snippet", "exec"), names)
    names["book"].check()
    said = re.findall(r"^print\(.*\)(?:  # (.*))?$", snippet, re.M)
    assert printed.getvalue().splitlines() == said


@pytest.mark.parametrize("enum", ENUMS)
def test_a_table_has_every_name_and_value(enum):
    told = dict(tables(TEXT))[f"`{enum.__name__}`"]
    assert [(name, int(value)) for name, value, *_ in told] == [(f"`{e.name}`", e) for e in enum]


def test_links_lead_somewhere():
    assert set(re.findall(r"\]\(#([^)]*)\)", TEXT)) <= set(anchors(TEXT))
    for text, folder in ((TEXT, PAGE.parent), (README.read_text("utf-8"), ROOT)):
        for link in re.findall(r"\]\(([^)#:]+)[^):]*\)", text):
            assert (folder / link).exists(), link


def test_contents_name_every_section():
    contents = section(TEXT, "## Contents")
    named = set(re.findall(r"\]\(#([^)]*)\)", contents))
    assert named == set(list(anchors(TEXT))[2:])  # all but the title and itself
