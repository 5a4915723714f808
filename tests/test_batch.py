"""Batches: what is packed comes back, and what was changed on the way is refused."""

import hashlib
import struct
from itertools import pairwise
from zlib import crc32

import numpy as np
import pricetime as pt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from model.batches import orders
from model.crc import crc32c
from pricetime import COMMAND, EVENT, LogDamaged, LogError, LogVersion
from pricetime.log.batch import (
    HEADER_BYTES,
    NO_TOKENS,
    TOKEN,
    Commands,
    Events,
    Part,
    cut_events,
    pack_commands,
    pack_events,
    pack_part,
    stream_key,
    unpack_commands,
    unpack_events,
    unpack_part,
)

NAME = "BTC_EUR"
WHERE = "somewhere"
CRC = slice(8, 12)


def tokens(*spans):
    """Marks of the commands from a place on, so many each."""
    rows = np.zeros(len(spans), TOKEN)
    for number, (begin, count) in enumerate(spans):
        rows[number] = ((number + 1, 2**64 - 1 - number), begin, count, 77 + number, 0)
    return rows


def events(count=3):
    """Events of as many orders."""
    return pt.Book().process(orders(count))


COMMANDS = Commands(orders(4), tokens((0, 1), (2, 2)), 104)
EVENTS = Events(events(), 104, "0123456789abcdef" * 2)
PART = Part(b"a piece of it", 2, 5, 104)

KINDS = {
    "commands": (pack_commands, unpack_commands, COMMANDS),
    "events": (pack_events, unpack_events, EVENTS),
    "part": (pack_part, unpack_part, PART),
}
each_kind = pytest.mark.parametrize("kind", KINDS)


def packed(kind):
    """A batch's bytes, and what reads them."""
    pack, unpack, batch = KINDS[kind]
    return pack(NAME, batch), lambda data: unpack(data, NAME, WHERE)


def sealed(data, checksum=crc32c, **fields):
    """The bytes with fields of the header changed, under a checksum that fits."""
    changed = bytearray(data)
    for (begin, size), value in fields.values():
        changed[begin : begin + size] = value.to_bytes(size, "little")
    changed[CRC] = bytes(4)
    changed[CRC] = checksum(changed).to_bytes(4, "little")
    return bytes(changed)


VERSION, KIND, COUNT, FIRST, TOKENS = (4, 2), (6, 1), (12, 4), (16, 8), (40, 4)


# -- what is packed comes back --------------------------------------------------------------------


def rows_of(dtype, least=0):
    """Arrays of a dtype with any bytes."""
    size = dtype.itemsize
    return st.integers(least, 5).flatmap(
        lambda count: st.binary(min_size=count * size, max_size=count * size).map(
            lambda data: np.frombuffer(data, dtype)
        )
    )


positions = st.integers(0, 2**64 - 1)
digests = st.binary(min_size=16, max_size=16)


@given(rows_of(COMMAND), positions, st.integers(0, 5), st.data())
def test_any_commands_come_back(records, position, count, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(records)), max_size=4, unique=True)))
    spans = [(begin, end - begin) for begin, end in pairwise(cuts)]
    batch = Commands(records, tokens(*spans), position)
    back = unpack_commands(pack_commands(NAME, batch, count), NAME, WHERE)
    assert back.records.tobytes() == records.tobytes()
    assert back.tokens.tobytes() == batch.tokens.tobytes()
    assert back.position == position
    assert (back.records.dtype, back.tokens.dtype) == (COMMAND, TOKEN)


@given(
    rows_of(EVENT, least=1),
    st.integers(0, 2**64 - 6),
    positions,
    st.binary(min_size=16, max_size=16),
)
def test_any_events_come_back(records, first, position, digest):
    records = records.copy()
    records["sequence"] = np.arange(len(records), dtype=np.uint64) + np.uint64(first)
    text = digest.hex() if any(digest) else ""
    back = unpack_events(pack_events(NAME, Events(records, position, text)), NAME, WHERE)
    assert back.records.tobytes() == records.tobytes()
    assert (back.position, back.digest) == (position, text)
    assert (back.first, back.last) == (first, first + len(records) - 1)


@given(st.binary(max_size=200), st.integers(0, 2**32 - 1), positions, st.text(max_size=20))
def test_any_part_of_a_checkpoint_comes_back(data, parts, position, name):
    part = Part(data, 2**64 - 1, parts, position)
    assert unpack_part(pack_part(name, part), name, WHERE) == part


def test_commands_without_tokens_come_back():
    back = unpack_commands(pack_commands(NAME, Commands(orders(2), NO_TOKENS, 2)), NAME, WHERE)
    assert len(back.tokens) == 0
    assert back.records.tobytes() == orders(2).tobytes()


def test_what_is_unpacked_is_read_only():
    batch = unpack_commands(pack_commands(NAME, COMMANDS), NAME, WHERE)
    assert not batch.records.flags.writeable
    assert not batch.tokens.flags.writeable
    assert not unpack_events(pack_events(NAME, EVENTS), NAME, WHERE).records.flags.writeable


def test_records_that_do_not_lie_together_are_packed_as_they_are():
    spread = np.repeat(orders(4), 2)[::2]
    assert not spread.flags.c_contiguous
    assert pack_commands(NAME, COMMANDS._replace(records=spread)) == pack_commands(NAME, COMMANDS)


# -- the documented layout ------------------------------------------------------------------------


def by_hand(kind, count, first, position, marks, digest, *body):
    """A batch as the page of its layout says."""
    stream = hashlib.blake2b(NAME.encode(), digest_size=8).digest()

    def header(crc):
        return b"".join(
            [
                b"PTIM",
                struct.pack("<H", 2),
                struct.pack("<B", kind),
                bytes(1),
                struct.pack("<I", crc),
                struct.pack("<I", count),
                struct.pack("<Q", first),
                struct.pack("<Q", position),
                stream,
                struct.pack("<I", marks),
                bytes(4),
                digest,
            ]
        )

    assert len(header(0)) == HEADER_BYTES == 64
    return header(crc32c(b"".join([header(0), *body]))) + b"".join(body)


def test_commands_lie_as_documented():
    body = (COMMANDS.tokens.tobytes(), COMMANDS.records.tobytes())
    assert len(body[0]) == 2 * 32
    assert pack_commands(NAME, COMMANDS, 100) == by_hand(1, 4, 100, 104, 2, bytes(16), *body)


def test_a_token_lies_as_documented():
    row = struct.pack("<QQIIII", 1, 2**64 - 1, 2, 3, 77, 0)
    assert tokens((2, 3)).tobytes() == row


def test_events_lie_as_documented():
    digest = bytes.fromhex(EVENTS.digest)
    expected = by_hand(2, 3, 1, 104, 0, digest, EVENTS.records.tobytes())
    assert pack_events(NAME, EVENTS) == expected


def test_events_without_a_digest_have_zeros_there():
    expected = by_hand(2, 3, 1, 104, 0, bytes(16), EVENTS.records.tobytes())
    assert pack_events(NAME, EVENTS._replace(digest="")) == expected


def test_a_part_lies_as_documented():
    assert pack_part(NAME, PART) == by_hand(3, 13, 2, 104, 5, bytes(16), b"a piece of it")


def test_a_stream_is_named_by_eight_bytes_of_blake2b():
    assert stream_key("Ä") == hashlib.blake2b("Ä".encode(), digest_size=8).digest()


# -- damage ---------------------------------------------------------------------------------------


@each_kind
def test_every_flipped_byte_is_found(kind):
    data, unpack = packed(kind)
    unpack(data)
    for at in range(len(data)):
        for bits in (0x01, 0x80, 0xFF):
            changed = bytearray(data)
            changed[at] ^= bits
            with pytest.raises(LogDamaged, match=WHERE):
                unpack(bytes(changed))


@each_kind
def test_every_cut_is_found(kind):
    data, unpack = packed(kind)
    for length in range(len(data)):
        with pytest.raises(LogDamaged, match=WHERE):
            unpack(data[:length])


@each_kind
@pytest.mark.parametrize("more", [b"\0", b"\0" * 64, b"x"])
def test_bytes_behind_the_end_are_found(kind, more):
    data, unpack = packed(kind)
    for changed in (data + more, sealed(data + more)):
        with pytest.raises(LogDamaged, match=WHERE):
            unpack(changed)


@each_kind
@given(data=st.binary(max_size=200))
def test_any_bytes_are_refused(kind, data):
    with pytest.raises(LogDamaged, match=WHERE):
        packed(kind)[1](data)


@each_kind
@pytest.mark.parametrize("data", ["text" * 99, None, 5, 1.5], ids=repr)
def test_what_are_no_bytes_is_damage(kind, data):
    """A flipped bit in a row of SQLite can make its column text, a number or nothing."""
    with pytest.raises(LogDamaged, match=WHERE):
        packed(kind)[1](data)


@each_kind
def test_another_instruments_batch_is_refused(kind):
    pack, unpack, batch = KINDS[kind]
    with pytest.raises(LogDamaged, match=f"{WHERE}: it belongs to another instrument"):
        unpack(pack("ETH_EUR", batch), NAME, WHERE)


@each_kind
@pytest.mark.parametrize("other", KINDS)
def test_another_kind_of_batch_is_refused(kind, other):
    if kind != other:
        with pytest.raises(LogDamaged, match="it is of kind"):
            packed(kind)[1](packed(other)[0])


@each_kind
@pytest.mark.parametrize("version", [0, 3, 65_535])
def test_another_version_under_its_checksum_names_both(kind, version):
    data, unpack = packed(kind)
    with pytest.raises(LogVersion, match=rf"format {version} is not known: .* up to 2;"):
        unpack(sealed(data, version=(VERSION, version)))


@each_kind
def test_another_version_without_its_checksum_is_damage(kind):
    data, unpack = packed(kind)
    changed = bytearray(data)
    changed[4] = 3
    with pytest.raises(LogDamaged, match="checksum"):
        unpack(bytes(changed))


@each_kind
def test_batches_of_version_1_are_read_under_their_own_checksum(kind):
    data, unpack = packed(kind)
    old = sealed(data, crc32, version=(VERSION, 1))
    assert all(np.array_equal(a, b) for a, b in zip(unpack(old), unpack(data), strict=True))
    with pytest.raises(LogDamaged, match="checksum"):
        unpack(sealed(data, crc32c, version=(VERSION, 1)))
    with pytest.raises(LogDamaged, match="checksum"):
        unpack(sealed(data, crc32))


@each_kind
@pytest.mark.parametrize("count", [0, 1, 2**31, 2**32 - 1])
def test_a_count_that_does_not_fit_the_bytes_is_damage(kind, count):
    data, unpack = packed(kind)
    with pytest.raises(LogDamaged, match=WHERE):
        unpack(sealed(data, count=(COUNT, count)))


@pytest.mark.parametrize("count", [0, 1, 3, 2**32 - 1])
def test_a_count_of_tokens_that_does_not_fit_is_damage(count):
    data, unpack = packed("commands")
    with pytest.raises(LogDamaged, match=WHERE):
        unpack(sealed(data, tokens=(TOKENS, count)))


@pytest.mark.parametrize(
    "spans",
    [
        [(4, 1)],
        [(0, 5)],
        [(2**32 - 1, 1)],
        [(2**32 - 1, 2**32 - 1)],
        [(0, 2**32 - 1)],
        [(0, 2), (1, 1)],
        [(2, 1), (0, 1)],
        [(0, 1), (0, 1)],
        [(0, 0)],
        [(0, 4), (4, 0)],
    ],
)
def test_a_token_that_marks_nothing_of_its_own_is_damage(spans):
    data = pack_commands(NAME, COMMANDS._replace(tokens=tokens(*spans)))
    with pytest.raises(LogDamaged, match="a token marks"):
        unpack_commands(data, NAME, WHERE)


@pytest.mark.parametrize("first", [0, 2, 2**63, 2**64 - 3, 2**64 - 2, 2**64 - 1])
def test_events_numbered_otherwise_than_their_header_says_are_damage(first):
    data, unpack = packed("events")
    with pytest.raises(LogDamaged, match="not numbered"):
        unpack(sealed(data, first=(FIRST, first)))


def test_events_with_a_gap_are_damage():
    records = events(3)[[0, 2]]
    with pytest.raises(LogDamaged, match="not numbered"):
        unpack_events(pack_events(NAME, Events(records, 3, "")), NAME, WHERE)


def test_no_events_are_damage():
    data = by_hand(2, 0, 1, 104, 0, bytes(16))
    with pytest.raises(LogDamaged, match="no events"):
        unpack_events(data, NAME, WHERE)


def test_damage_is_an_error_of_the_log():
    assert issubclass(LogDamaged, LogError)
    assert issubclass(LogVersion, LogError)


# -- cutting --------------------------------------------------------------------------------------


@given(st.integers(1, 6), st.integers(0, 8))
def test_events_are_cut_behind_a_sequence(count, after):
    batch = Events(events(count), 9, "")
    kept = cut_events(batch, after).records["sequence"].tolist()
    assert kept == [number for number in range(1, count + 1) if number > after]
