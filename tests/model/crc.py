"""CRC-32C, bit by bit, from its definition (RFC 3720, appendix B.4)."""

__all__ = ["crc32c"]


def crc32c(data, value=0):
    """The checksum of bytes; `value`: that of what comes before them."""
    crc = value ^ 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF
