"""Disks that are full, files that may not be written, folders that are not there: clear, no loss.

Some of it needs root, for a small file system of its own, and is skipped elsewhere. 3 s.
"""

import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pricetime as pt
import pytest
from kills.audit import audit
from pricetime.log import SqliteLog

INSTRUMENT = pt.Instrument("BTC_EUR", tick_size="0.01", lot_size="0.001")
BATCH = 200
ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not ROOT, reason="needs root")


def batch(number):
    """Orders that rest or trade, made from the number alone."""
    dice = np.random.default_rng(number)
    commands = np.zeros(BATCH, pt.COMMAND)
    commands["kind"] = pt.Kind.NEW
    commands["side"] = dice.integers(1, 3, BATCH)
    commands["order_type"] = pt.OrderType.LIMIT
    commands["tif"] = pt.TIF.GTC
    commands["order_id"] = BATCH * number + np.arange(BATCH) + 1
    commands["price"] = 10_000 + dice.integers(-20, 20, BATCH)
    commands["quantity"] = dice.integers(1, 50, BATCH)
    return commands


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a file system of 2 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "pricetime-test", folder]
    if not ROOT or not shutil.which("mount"):
        pytest.skip("needs root and mount")
    tried = subprocess.run(command, capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"cannot mount here: {tried.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def fill(folder):
    """Leaves no room at all."""
    ballast = os.open(folder / "ballast", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    size = 1 << 16
    while size:
        try:
            if not os.write(ballast, bytes(size)):
                break
        except OSError:
            size //= 2
    os.close(ballast)


def make_room(folder):
    (folder / "ballast").unlink()


def submit_until_refused(venue, done, first):
    """Submits batches from a number on; the first that is refused, and why."""
    for number in range(first, first + 1000):
        try:
            done[number] = venue.submit("BTC_EUR", batch(number), token=f"batch {number}")
        except pt.LogError as error:
            return number, error
    raise AssertionError("the disk did not become full")


def check_kept(path, done):
    """All that was acknowledged is stored, in its order, and nothing else."""
    story = audit(path)["BTC_EUR"]
    told = b"".join(done[number].tobytes() for number in sorted(done))
    assert story.events.tobytes() == told
    return story.state_hash


def test_a_full_disk_refuses_loses_nothing_and_goes_on_when_there_is_room(small_disk):
    path = small_disk / "venue.db"
    done = {}
    with pt.Venue(path) as venue:
        market = venue.add(INSTRUMENT)
        done[0] = venue.submit("BTC_EUR", batch(0), token="batch 0")
        for _ in range(2):
            fill(small_disk)
            refused, error = submit_until_refused(venue, done, max(done) + 1)
            assert type(error) is pt.LogFailed, error
            assert str(path) in str(error)
            assert "disk is full" in str(error)
            assert "make room" in str(error)
            for _ in range(3):  # and again, and a question meanwhile
                with pytest.raises(pt.LogFailed, match="disk is full"):
                    venue.submit("BTC_EUR", batch(refused), token=f"batch {refused}")
                with suppress(pt.LogFailed):
                    assert market.state_hash() == check_kept(path, done)
            make_room(small_disk)
            done[refused] = venue.submit("BTC_EUR", batch(refused), token=f"batch {refused}")
            assert market.state_hash() == check_kept(path, done)
    state_hash = check_kept(path, done)
    with pt.Venue(path) as venue:
        assert venue["BTC_EUR"].state_hash() == state_hash
        again = venue.submit("BTC_EUR", batch(refused), token=f"batch {refused}")
        assert again.tobytes() == done[refused].tobytes()


def test_a_venue_that_is_closed_on_a_full_disk_has_lost_nothing(small_disk):
    path = small_disk / "venue.db"
    done = {}
    venue = pt.Venue(path)
    venue.add(INSTRUMENT)
    fill(small_disk)
    submit_until_refused(venue, done, 0)
    with suppress(pt.LogFailed):
        venue.close()
    make_room(small_disk)
    state_hash = check_kept(path, done)
    with pt.Venue(path) as venue:
        assert venue["BTC_EUR"].state_hash() == state_hash


def test_a_venue_cannot_begin_on_a_full_disk_and_can_when_there_is_room(small_disk):
    path = small_disk / "venue.db"
    fill(small_disk)
    with pytest.raises(pt.LogError, match=f"{path}.*(full|No space)"):
        pt.Venue(path)
    make_room(small_disk)
    with pt.Venue(path) as venue:
        venue.add(INSTRUMENT)


def in_child(code, path):
    """What a process of its own prints; it may give up its rights, or have limits."""
    program = f"import sys, os, pricetime as pt\npath = sys.argv[1]\n{code}"
    search = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    command = [sys.executable, "-c", program, path]
    places = {**os.environ, "PYTHONPATH": search}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=places)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_limit_on_the_size_of_files_refuses_loses_nothing_and_goes_on_without_it(tmp_path):
    code = """
import resource
from pathlib import Path
from test_disk import INSTRUMENT, batch, check_kept, submit_until_refused
done = {}
with pt.Venue(path) as venue:
    market = venue.add(INSTRUMENT)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4 << 20, hard))
    refused, error = submit_until_refused(venue, done, 0)
    print(type(error).__name__, error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert market.state_hash() == check_kept(path, done)
    done[refused] = venue.submit("BTC_EUR", batch(refused))
print(len(done), check_kept(path, done))
"""
    told, count_and_hash = in_child(code, tmp_path / "venue.db").splitlines()
    assert told.startswith("LogFailed ")
    assert str(tmp_path / "venue.db") in told
    count, state_hash = count_and_hash.split()
    assert int(count) > 10
    with pt.Venue(tmp_path / "venue.db") as venue:
        assert venue["BTC_EUR"].state_hash() == state_hash


def test_a_follower_that_stalls_does_not_make_the_log_grow(tmp_path):
    sizes = []
    for stalled in (False, True):
        path = tmp_path / f"{stalled}.db"
        with pt.Venue(path) as venue:
            venue.add(INSTRUMENT)
            for number in range(300):
                venue.submit("BTC_EUR", batch(number))
                if number == 5 and stalled:
                    following = venue.events("BTC_EUR")
                    next(following)
            sizes.append(path.with_name(path.name + "-wal").stat().st_size)
            if stalled:
                following.close()
    assert sizes[1] < 2 * sizes[0], "what one reader does not take keeps the log from being reused"


# -- files that may not be written ----------------------------------------------------------------


def made(path, count=2):
    """A venue's file, closed; the events of its batches."""
    with pt.Venue(path) as venue:
        venue.add(INSTRUMENT)
        return {number: venue.submit("BTC_EUR", batch(number)) for number in range(count)}


@needs_root
def test_a_file_system_that_is_read_only_is_one_error_and_readers_read(small_disk):
    path = small_disk / "venue.db"
    done = made(path)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(pt.LogError, match=f"{path}.*[Rr]ead-only"):
        pt.Venue(path)
    check_kept(path, done)


@needs_root
def test_a_file_that_is_immutable_is_one_error_and_readers_read(tmp_path):
    path = tmp_path / "venue.db"
    done = made(path)
    chattr = shutil.which("chattr")
    if chattr is None or subprocess.run([chattr, "+i", path], check=False).returncode:
        pytest.skip("no chattr, or a file system without it")
    try:
        with pytest.raises(pt.LogFailed, match=f"{path}.*read-only"):
            pt.Venue(path)
        check_kept(path, done)
    finally:
        subprocess.run([chattr, "-i", path], check=True)
    with pt.Venue(path) as venue:
        assert venue["BTC_EUR"].look(lambda book: book.commands) == 2 * BATCH


@needs_root
def test_a_file_of_somebody_else_is_one_error_and_who_may_read_reads(tmp_path):
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_mode & 0o005 != 0o005:
            folder.chmod(folder.stat().st_mode | 0o005)  # pytest's own are for one user
        if folder.name.startswith("pytest-of-"):
            break
    path = tmp_path / "venue.db"
    done = made(path)
    code = """
from kills.audit import audit
os.setgroups([]), os.setgid(65534), os.setuid(65534)
try:
    pt.Venue(path)
except pt.LogError as error:
    print(error)
print(audit(path)["BTC_EUR"].commands)
"""
    error, commands = in_child(code, path).splitlines()
    assert str(path) in error
    assert "ermission" in error or "read-only" in error
    assert int(commands) == BATCH * len(done)


@needs_root
def test_a_folder_of_somebody_else_is_one_error(tmp_path):
    tmp_path.chmod(0o700)
    code = """
os.setgroups([]), os.setgid(65534), os.setuid(65534)
try:
    pt.Venue(path)
except pt.LogError as error:
    print(error)
"""
    path = tmp_path / "venue.db"
    assert in_child(code, path) == f"cannot open {path}.lock: Permission denied\n"


def test_a_folder_that_is_missing_is_named(tmp_path):
    path = tmp_path / "nowhere" / "venue.db"
    with pytest.raises(pt.LogError, match=f"{path}.*No such file or directory"):
        pt.Venue(path)


def test_a_name_that_is_too_long_is_told(tmp_path):
    with pytest.raises(pt.LogError, match=r"cannot open .*: File name too long"):
        pt.Venue(tmp_path / ("x" * 300))


def test_a_file_that_is_held_is_held_behind_a_link_too(tmp_path):
    link = tmp_path / "link.db"
    link.symlink_to("venue.db")
    with pt.Venue(tmp_path / "venue.db"), pytest.raises(pt.LogBusy, match="held by this process"):
        pt.Venue(link)


def test_a_file_is_the_same_behind_a_link(tmp_path):
    path, link = tmp_path / "venue.db", tmp_path / "elsewhere" / "link.db"
    link.parent.mkdir()
    link.symlink_to(path)
    done = made(path)
    renewed = []
    SqliteLog(link, renew=renewed.append).close()
    assert renewed == [tmp_path / "venue.db-wal"]
    check_kept(link, done)
    assert list(link.parent.iterdir()) == [link], "what is beside a file is beside itself"


def test_nothing_is_copied_out_of_a_write_ahead_log_that_could_not_be_renewed(tmp_path):
    # It may be what a failing disk had before, and SQLite would take it for what it has seen.
    path = tmp_path / "venue.db"
    log = SqliteLog(path)
    log.add("BTC_EUR", "one")
    log.commit()
    left = {}
    for file in (path, path.with_name("venue.db-wal")):  # as a killed process leaves them
        left[tmp_path / "left" / file.name] = file.read_bytes()
    log.close()
    (tmp_path / "left").mkdir()
    for copy, data in left.items():
        copy.write_bytes(data)

    def refused(wal):
        raise pt.LogError("cannot write it anew")

    with pytest.raises(pt.LogError, match="cannot write it anew"):
        SqliteLog(tmp_path / "left" / "venue.db", renew=refused)
    assert {copy: copy.read_bytes() for copy in left} == left
    log = SqliteLog(tmp_path / "left" / "venue.db")
    assert list(log.instruments()) == ["BTC_EUR"]
    log.close()


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(pt.LogError, match="is a folder: name a file in it"):
        pt.Venue(tmp_path)
    assert list(tmp_path.iterdir()) == []
