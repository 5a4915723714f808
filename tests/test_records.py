"""records.py, checkpoint.py and engine/records.pxd say the same: every value, every field."""

import re
from pathlib import Path

import numpy as np
import pytest
from pricetime import checkpoint, records

SOURCE = Path(__file__).parents[1] / "engine" / "records.pxd"
PREFIXES = {
    "Side": "",
    "Kind": "",
    "OrderType": "",
    "TIF": "TIF_",
    "STP": "STP_",
    "Flag": "FLAG_",
    "EventKind": "EVENT_",
    "EventFlag": "MARK_",
    "OrderState": "ORDER_",
    "Mark": "MARKED_",
    "Phase": "PHASE_",
    "Parameter": "PARAMETER_",
    "Reason": "REASON_",
}
DTYPES = {
    "Command": records.COMMAND,
    "Event": records.EVENT,
    "LevelRow": records.LEVEL,
    "OrderRow": records.ORDER,
    "PlainRow": checkpoint.PLAIN,
    "ExtraRow": checkpoint.EXTRA,
}
SIZES = {
    "Command": 64,
    "Event": 96,
    "LevelRow": 24,
    "OrderRow": 112,
    "PlainRow": 64,
    "ExtraRow": 56,
}


def blocks(opening):
    """The name behind the opening, and the pairs of words below it, for each such block."""
    if not SOURCE.exists():
        pytest.skip(f"{SOURCE} is not there: this compares with the source tree")
    text = SOURCE.read_text("utf-8")
    for found in re.finditer(rf"^cdef {opening}(.*)\n((?:[ ]+.+\n)+)", text, re.MULTILINE):
        lines = [line.partition("#")[0].split() for line in found[2].splitlines()]
        yield found[1], [line for line in lines if line]


def enums():
    """Members by the enum's name; the first block has no need for one."""
    for title, lines in blocks("enum:"):
        yield title.strip(" #") or "Side", [(name, int(value)) for name, _, value in lines]


@pytest.mark.parametrize("name", PREFIXES)
def test_enum_has_the_kernels_values_in_order(name):
    prefix = PREFIXES[name]
    kernel = [pair for pair in dict(enums())[name] if pair[0].startswith(prefix)]
    assert [(prefix + member.name, member.value) for member in getattr(records, name)] == kernel


def test_kernel_has_no_other_enum():
    assert [name for name, _ in enums()] == list(PREFIXES)


def test_kernel_counts_the_parameters():
    assert dict(dict(enums())["Parameter"])["PARAMETERS"] == max(records.Parameter) + 1


@pytest.mark.parametrize("struct", DTYPES)
def test_record_has_the_kernels_fields_in_order(struct):
    structs = {title.split(":")[0].strip(): lines for title, lines in blocks("struct")}
    dtype = DTYPES[struct]
    assert [(name, dtype[name]) for name in dtype.names] == [
        (name, np.dtype(kind.removesuffix("_t"))) for kind, name in structs[struct]
    ]


def test_kernel_has_no_other_struct():
    assert [title.split(":")[0].strip() for title, _ in blocks("struct")] == list(DTYPES)


@pytest.mark.parametrize("name", SIZES)
def test_record_size(name):
    assert DTYPES[name].itemsize == SIZES[name]


@pytest.mark.parametrize("name", SIZES)
def test_record_has_no_padding(name):
    dtype = DTYPES[name]
    ends = np.cumsum([dtype[field].itemsize for field in dtype.names]).tolist()
    assert [dtype.fields[field][1] for field in dtype.names] == [0, *ends[:-1]]
    assert dtype.itemsize == ends[-1]


@pytest.mark.parametrize("name", SIZES)
def test_every_field_stands_at_a_multiple_of_its_size(name):
    dtype = DTYPES[name]
    assert all(dtype.fields[field][1] % dtype[field].itemsize == 0 for field in dtype.names)


@pytest.mark.parametrize("name", SIZES)
def test_record_is_little_endian(name):
    dtype = DTYPES[name]
    assert all(dtype[field].str[0] in "<|" for field in dtype.names)
