"""Bars and lines made of characters."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["bar", "line_chart"]

EIGHTHS = " ▏▎▍▌▋▊▉"
DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))  # of a braille cell, by column and row
BRAILLE = 0x2800


def bar(length: float, width: int, *, left: bool = False) -> str:
    """A bar of so many cells in a field of `width`, to the right, or to the left in halves."""
    if left:
        halves = round(2 * length)
        return ("▐" * (halves % 2) + "█" * (halves // 2)).rjust(width)
    eighths = round(8 * length)
    return ("█" * (eighths // 8) + EIGHTHS[eighths % 8].strip()).ljust(width)


def line_chart(values: NDArray[np.float64], width: int, height: int) -> list[str]:
    """The values as a line of dots, 2 by 4 to a cell, over the whole width from old to new."""
    columns, rows = 2 * width, 4 * height
    low, high = float(values.min()), float(values.max())
    at = np.linspace(0, len(values) - 1, columns)
    level = np.interp(at, np.arange(len(values)), values)
    row = np.rint((high - level) / ((high - low) or 1.0) * (rows - 1)).astype(int)
    cells = np.zeros((height, width), np.int64)
    before = int(row[0])
    for column in range(columns):
        now = int(row[column])
        step = 1 if now > before else -1
        for dot in {*range(before + step, now, step), now}:
            cells[dot // 4, column // 2] |= DOTS[column % 2][dot % 4]
        before = now
    return ["".join(chr(BRAILLE + int(cell)) for cell in line) for line in cells]
