"""A client's token as the key that a log keeps, and the mark of what was asked under it."""

import hashlib

__all__ = ["TOKEN_BYTES_MAX", "Token", "encoded", "token_key"]

Token = str | bytes
"""What a client names one thing to be done by."""

TOKEN_BYTES_MAX = 256


def encoded(text: str, what: str) -> bytes:
    """The bytes of a text; raises ValueError where it is none, as JSON may have it."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ValueError(
            f"{what} {text!r} is no text: it has halves of a character (surrogates)"
        ) from None


def token_key(token: Token | None) -> bytes:
    """16 bytes that stand for a token, b"" for None; raises TypeError and ValueError."""
    if token is None:
        return b""
    if not isinstance(token, str | bytes):
        raise TypeError(f"token {token!r} is a {type(token).__name__}: pass a str or bytes")
    given = encoded(token, "token") if isinstance(token, str) else token
    if not 1 <= len(given) <= TOKEN_BYTES_MAX:
        raise ValueError(f"a token of {len(given)} bytes: it has 1 to {TOKEN_BYTES_MAX}")
    return hashlib.blake2b(given, digest_size=16).digest()
