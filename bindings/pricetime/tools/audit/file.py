"""The audit of a whole venue file: SQLite's own view, the venue's row, then each instrument."""

import sqlite3
from collections.abc import Callable, Iterable
from functools import partial
from time import perf_counter

from pricetime.log.errors import LogError
from pricetime.log.sqlite_file import VenueState, check_witness
from pricetime.log.sqlite_read import Lane, SqliteReader
from pricetime.tools.audit.findings import FINDINGS_MAX, Findings
from pricetime.tools.audit.instrument import audit_instrument

__all__ = ["audit_file"]

TABLES = ("commands", "events", "checkpoints")


def audit_file(
    reader: SqliteReader,
    lanes: Iterable[Lane],
    commits: int,
    progress: Callable[[str, int], None],
) -> list[Findings]:
    """What is found of the file itself, then of each of these instruments.

    commits: how many were acknowledged before the reader took hold of the file. progress: is told
    the instrument and the position reached.
    """
    found = [_audit_itself(reader, commits)]
    for lane in lanes:
        findings = Findings(lane.name)
        found.append(findings)
        begun = perf_counter()
        try:
            audit_instrument(lane, findings, partial(progress, lane.name))
        except (LogError, sqlite3.Error) as error:
            findings.damaged(f"it cannot be read any further: {error}")
        findings.seconds = perf_counter() - begun
    return found


def _audit_itself(reader: SqliteReader, commits: int) -> Findings:
    findings = Findings()
    execute = reader.connection.execute
    begun = perf_counter()
    try:
        rows = [row for (row,) in execute(f"PRAGMA integrity_check({FINDINGS_MAX})")]
    except sqlite3.Error as error:
        rows = [str(error)]
    for row in rows if rows != ["ok"] else ():
        findings.damaged(f"SQLite: {row}")
    try:
        states = execute("SELECT state FROM venue").fetchall()
        if len(states) != 1:
            findings.damaged(f"table venue has {len(states)} rows, not 1")
        for (data,) in states[:1]:
            state = VenueState.unpack(data, "table venue")
            check_witness(reader.path, state, commits)
        for table in TABLES:
            strays = execute(
                f"SELECT instrument, count(*) FROM {table} WHERE instrument NOT IN "
                "(SELECT number FROM instrument) GROUP BY instrument"
            ).fetchall()
            for number, count in strays:
                findings.damaged(f"{table}: {count} rows are of instrument {number}: there is none")
    except (LogError, sqlite3.Error) as error:
        findings.damaged(str(error))
    findings.seconds = perf_counter() - begun
    return findings
