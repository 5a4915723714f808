"""`pricetime migrate FILE`: brings a venue file of an older release up to date."""

import argparse
from pathlib import Path

from pricetime.log.sqlite_file import FILE_VERSION
from pricetime.log.sqlite_migrate import migrate
from pricetime.tools.venue_file import told

__all__ = ["register"]

ABOUT = f"""\
Brings a venue file that an older release wrote to version {FILE_VERSION}, which this release reads
and writes. Commands, events and checkpoints stay as they are, byte for byte. It is one transaction:
done, or not begun. The older release cannot read the file any more; nobody may hold it meanwhile.
"""
EXAMPLES = """\
examples:
  cp venue.db venue-before.db && pricetime migrate venue.db

Ends with 0 when the file has the version, before or now, 2 when it cannot be used.
"""


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the sub-command; its `func` takes the parsed options and returns the exit code."""
    parser = subparsers.add_parser(
        "migrate",
        help="bring a venue file of an older release up to date",
        description=ABOUT,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="the venue's file")
    parser.set_defaults(func=run)


def run(options: argparse.Namespace) -> int:
    """Migrates one file: 0, or 2 with one line on stderr."""
    return told("migrate", lambda: _migrate(options.file))


def _migrate(path: Path) -> int:
    version = migrate(path)
    if version == FILE_VERSION:
        print(f"{path} has file version {version} already")
    else:
        print(f"{path} had file version {version} and has {FILE_VERSION} now")
    return 0
