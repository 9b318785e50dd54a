"""What the supervisor makes at its first start: the SSH host key and the first user's password."""

from __future__ import annotations

import os
import secrets
import stat
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from dvswitch.errors import InvalidValue, StorageError
from vsm.model import passwords
from vsm.model.state import State
from vsm.model.users import ADMIN, NETWORK_ADMIN, User

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

HOST_KEY = "ssh_host_ed25519_key"
"""File in the data directory, private to its owner; named after the kind that the first start makes, whatever kind the
operator has had made since."""
PASSWORD_FILE = "admin-password"
"""Likewise: the first user's password, when there was no terminal to show it on."""
_log = structlog.get_logger("vsm.ssh")


def host_key(directory: Path) -> bytes:
    """The private host key in OpenSSH's form; made if there is none yet."""
    path = directory / HOST_KEY
    try:
        if not path.exists():
            _write_private(path, _new_key())
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise InvalidValue(
                f"host key file {path}", "can be read by others", "chmod 600 it, or remove it to have a new key made"
            )
        return path.read_bytes()
    except OSError as error:
        raise StorageError(f"host key file {path}", f"can't be used: {error.strerror}", "see its directory") from error


def new_host_key(directory: Path, kind: str, bits: int) -> bytes:
    """Another private host key in the place of the one there is; StorageError leaves that.

    Takes a second or two for long RSA keys: not to be called where others wait.
    """
    path, key = directory / HOST_KEY, _new_key(kind, bits)
    try:
        _write_private(path, key)
    except OSError as error:
        raise StorageError(
            f"host key file {path}", f"can't be written: {error.strerror}", "see its directory"
        ) from error
    return key


def with_admin(state: State, directory: Path, password_file: Path | None) -> State:
    """``state`` with a first user, if it has none; the password is from ``password_file`` or made and told once."""
    if ADMIN in state.config.users:
        return state
    password = _given_password(password_file) if password_file else secrets.token_urlsafe(12)
    if problem := passwords.weakness(password, ADMIN):
        raise InvalidValue(f"password in {password_file}", problem, "choose a better one")
    if not password_file:
        _tell(directory, password)
    admin = User(ADMIN, passwords.hashed(password, os.urandom(16)), (NETWORK_ADMIN,))
    return replace(state, config=replace(state.config, users={**state.config.users, ADMIN: admin}))


def _given_password(path: Path) -> str:
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidValue(f"password file {path}", f"can't be read: {error}", "give another one") from error
    return lines[0].strip() if lines else ""


def _tell(directory: Path, password: str) -> None:
    """Show the password to the operator and nobody else: on the terminal, or in a file, but never in a log."""
    if sys.stderr.isatty():
        print(f"User {ADMIN} may log in by SSH with password {password}", file=sys.stderr)
        print("This is shown once.  To change it: username admin password NEW", file=sys.stderr)
        return
    path = directory / PASSWORD_FILE
    _write_private(path, f"{password}\n".encode())
    _log.info("first user made", user=ADMIN, password_in=str(path))


def _generate(kind: str, bits: int) -> EllipticCurvePrivateKey | Ed25519PrivateKey | RSAPrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if kind == "rsa":
        return rsa.generate_private_key(65537, bits)
    if kind == "ecdsa":
        curves: dict[int, ec.EllipticCurve] = {256: ec.SECP256R1(), 384: ec.SECP384R1(), 521: ec.SECP521R1()}
        return ec.generate_private_key(curves[bits])
    return Ed25519PrivateKey.generate()


def _new_key(kind: str = "ed25519", bits: int = 256) -> bytes:
    from cryptography.hazmat.primitives import serialization

    return _generate(kind, bits).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )


def _write_private(path: Path, data: bytes) -> None:
    """Make the file whole or not at all, readable by its owner only."""
    temporary = path.with_name(f"{path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)
    os.replace(temporary, path)
