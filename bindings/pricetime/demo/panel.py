"""Panels of rows of coloured text, and the colours, for the views by rich."""

from collections.abc import Callable

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.panel import Panel
from rich.text import Text

__all__ = [
    "BUY",
    "BUYS",
    "CALL",
    "EDGE",
    "MICRO",
    "NAME",
    "NOTE",
    "SELL",
    "SELLS",
    "STRONG",
    "VALUE",
    "Row",
    "Rows",
    "entry",
    "panel",
]

BUY, SELL = "#26a69a", "#ef5350"
BUYS, SELLS = "#1c6b64", "#94393a"  # of bars, so that figures stand out
NAME, VALUE, STRONG, EDGE = "grey58", "grey85", "bold white", "grey35"
CALL, NOTE = "#e0af68", "#7aa2f7"  # auctions and triggers; slices
MICRO = "µs"

Row = list[tuple[str, str]]  # texts and their styles
Make = Callable[[int, int], list[Row]]  # rows for a width and a height


class Rows:
    """Rows that are made when the room for them is known."""

    def __init__(self, make: Make):
        self._make = make

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        rows = self._make(options.max_width, options.height or options.max_height)
        line = Text("\n", no_wrap=True, overflow="crop")
        yield line.join(Text.assemble(*row) for row in rows)


def panel(title: str, make: Make, *, edge: str = EDGE) -> Panel:
    """A frame around rows, with a title."""
    return Panel(
        Rows(make),
        title=f"[{NAME}]{title}[/]",
        title_align="left",
        border_style=edge,
        box=box.ROUNDED,
        padding=(0, 1),
    )


def entry(name: str, value: str, width: int, style: str = VALUE) -> Row:
    """A name at the left, and its value at the right."""
    return [(f"{name} ", NAME), (f"{value:>{max(width - len(name) - 1, 0)}}", style)]
