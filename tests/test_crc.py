"""The checksum of batches: by the processor's instruction, by tables, and by its definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from model.crc import crc32c as by_definition
from pricetime._crc import crc32c

WAYS = [False, True]  # by tables?

# RFC 3720, appendix B.4, and the check value of the catalogues.
KNOWN = [
    (b"", 0),
    (b"123456789", 0xE3069283),
    (bytes(32), 0x8A9136AA),
    (b"\xff" * 32, 0x62A8AB43),
    (bytes(range(32)), 0x46DD794E),
    (bytes(range(31, -1, -1)), 0x113FDB5C),
]


@pytest.mark.parametrize("tables", WAYS)
@pytest.mark.parametrize(("data", "value"), KNOWN)
def test_known_values(data, value, tables):
    assert crc32c(data, tables=tables) == value == by_definition(data)


@given(st.binary(max_size=100), st.integers(0, 7), st.integers(0, 2**32 - 1))
def test_all_ways_agree_from_any_place_and_value(data, begin, value):
    part = memoryview(data)[begin:]
    expected = by_definition(part, value)
    assert [crc32c(part, value, tables=tables) for tables in WAYS] == [expected] * 2


@given(st.binary(max_size=100), st.integers(0, 100))
def test_a_whole_is_its_parts_one_after_the_other(data, cut):
    assert crc32c(data[cut:], crc32c(data[:cut])) == crc32c(data)


def test_long_data_and_arrays_are_taken():
    data = np.random.default_rng(1).integers(0, 256, 200_001).astype(np.uint8)
    whole = crc32c(data)
    assert whole == crc32c(data.tobytes(), tables=True)
    assert whole == crc32c(data[77_777:], crc32c(data[:77_777]))


@pytest.mark.parametrize("wrong", ["text", 5, None, np.zeros(8, np.uint8)[::2]])
def test_what_is_no_run_of_bytes_is_refused(wrong):
    with pytest.raises((TypeError, ValueError, BufferError)):
        crc32c(wrong)


@pytest.mark.parametrize("value", [-1, 1 << 32])
def test_a_value_of_more_bits_is_refused(value):
    with pytest.raises(OverflowError):
        crc32c(b"", value)
