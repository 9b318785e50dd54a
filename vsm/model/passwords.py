"""Passwords are kept as scrypt hashes only, in the text form $scrypt$ln=14,r=8,p=1$SALT$HASH (unpadded base64).

A hash takes some 50 ms and 16 MB by intention: whoever checks passwords of strangers does it outside the event loop's
thread (vsm/ssh/accounts.py).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re

SHORTEST, LONGEST = 8, 127
"""Characters of a password."""
_LOG_N, _R, _P = 14, 8, 1
_SIZE = 32
_FORM = re.compile(
    r"\$scrypt\$ln=(1[0-6]),r=(8),p=(1)\$([A-Za-z0-9+/]{22})\$([A-Za-z0-9+/]{43})"
)  # bounded, so that no hash in a loaded configuration makes a login cost more than 64 MB


def hashed(password: str, salt: bytes) -> str:
    """The text that is stored for ``password``; ``salt`` are 16 random bytes."""
    return f"$scrypt$ln={_LOG_N},r={_R},p={_P}${_text(salt)}${_text(_scrypt(password, salt, _LOG_N))}"


def is_hash(text: str) -> bool:
    """Whether ``text`` is a stored hash that this version can check."""
    found = _FORM.fullmatch(text)
    try:
        return found is not None and len(_bytes(found[4])) == 16 and len(_bytes(found[5])) == _SIZE
    except binascii.Error:
        return False


def matches(password: str, stored: str) -> bool:
    """Whether ``stored`` was made from ``password``; takes as long for a user that has none (``stored`` = "")."""
    found = _FORM.fullmatch(stored) if is_hash(stored) else None
    salt, log_n = (_bytes(found[4]), int(found[1])) if found else (bytes(16), _LOG_N)
    computed = _scrypt(password, salt, log_n)
    return found is not None and hmac.compare_digest(computed, _bytes(found[5]))


def weakness(password: str, user: str) -> str:
    """What is wrong with a new password; "" = nothing."""
    if len(password) < SHORTEST:
        return f"has fewer than {SHORTEST} characters"
    if user.lower() in password.lower() or password.lower() in user.lower():
        return "contains the name of the user"
    if len(set(password)) < 4:
        return "has fewer than 4 different characters"
    return ""


def _scrypt(password: str, salt: bytes, log_n: int) -> bytes:
    return hashlib.scrypt(
        password.encode("utf-8", "surrogatepass"), salt=salt, n=1 << log_n, r=_R, p=_P, maxmem=1 << 27, dklen=_SIZE
    )


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
