"""The checksum of batches."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint32_t


cdef extern from "crc.h" nogil:
    void crc_prepare()
    bint crc_has_instruction()
    uint32_t crc_by_instruction(uint32_t crc, const uint8_t* data, size_t size)
    uint32_t crc_by_tables(uint32_t crc, const uint8_t* data, size_t size)


cdef enum:
    LONG = 1 << 16  # bytes from which other threads may go on meanwhile


crc_prepare()
cdef bint instruction = crc_has_instruction()


cdef uint32_t crc_of(bint quick, uint32_t crc, const uint8_t* data, size_t size) noexcept nogil:
    if quick:
        return ~crc_by_instruction(~crc, data, size)
    return ~crc_by_tables(~crc, data, size)


def crc32c(data, uint32_t value=0, *, bint tables=False):
    """CRC-32C (RFC 3720) of bytes; `value`: that of what comes before them.

    `tables` leaves out the processor's instruction for it, which is used where there is one.
    """
    cdef Py_buffer view
    cdef bint quick = instruction and not tables
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    try:
        if view.len < LONG:
            return crc_of(quick, value, <const uint8_t*> view.buf, view.len)
        with nogil:
            value = crc_of(quick, value, <const uint8_t*> view.buf, view.len)
        return value
    finally:
        PyBuffer_Release(&view)
