"""A certificate authority of one's own, for mutual TLS between the supervisor, its modules and remote operators.

    ca.pem ca.key       the authority; the key stays on the supervisor
    vsm.pem vsm.key     the supervisor's own certificate (made by init)
    NAME.pem NAME.key   a host's or an operator's; a host's NAME is its UUID or name, and what it may speak for
                        (vsm/fabric/identity.py)

Keys are EC P-256, in files that only their owner may read.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
import re
import socket
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from dvswitch.client import SERVER_NAME
from dvswitch.errors import Conflict, InvalidValue, NotFound
from vsm.fabric.identity import OPERATORS

_CA_DAYS, _DAYS = 3650, 825
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


def init(directory: Path) -> list[Path]:
    """Make the authority and the supervisor's certificate; the files made.  Conflict if there is one already."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if (directory / "ca.key").exists():
        raise Conflict(f"directory {directory}", "holds an authority already", "use it, or choose another --tls-dir")
    key, name = ec.generate_private_key(ec.SECP256R1()), _name("dvswitch CA")
    certificate = (
        _builder(name, name, key.public_key(), _CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return [*_write(directory, "ca", key, certificate), *issue(directory, SERVER_NAME)]


def issue(directory: Path, name: str, *, operator: bool = False) -> list[Path]:
    """Make a certificate for ``name``, usable as client and (for the supervisor) as server; the files made.

    Only with ``operator`` it opens the operators' services, and then no module's session (vsm/fabric/identity.py).
    """
    if not _NAME.fullmatch(name) or name == "ca":
        raise InvalidValue(f"certificate name '{name}'", "is not usable", "give a host's UUID or name")
    authority, authority_key = _authority(directory)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _builder(_name(name, OPERATORS if operator else ""), authority.subject, key.public_key(), _DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.SubjectAlternativeName(_alternatives(name)), critical=False)
        .add_extension(x509.ExtendedKeyUsage(_purposes(name)), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    return _write(directory, name, key, certificate)


def _authority(directory: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    try:
        certificate = x509.load_pem_x509_certificate((directory / "ca.pem").read_bytes())
        key = serialization.load_pem_private_key((directory / "ca.key").read_bytes(), password=None)
    except (OSError, ValueError) as error:
        raise NotFound(f"directory {directory}", f"holds no authority ({error})", "run 'vsm pki init' first") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise InvalidValue(f"key file {directory / 'ca.key'}", "is not an EC key", "run 'vsm pki init' elsewhere")
    return certificate, key


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        # Hosts' clocks are not exact.
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=days))
    )


def _name(text: str, unit: str = "") -> x509.Name:
    units = [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit)] if unit else []
    return x509.Name([*units, x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _alternatives(name: str) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = [x509.DNSName(name)]
    if name == SERVER_NAME:
        names += [x509.DNSName("localhost"), x509.DNSName(socket.gethostname())]
        names += [x509.IPAddress(ipaddress.ip_address(address)) for address in ("127.0.0.1", "::1")]
    return names


def _purposes(name: str) -> list[x509.ObjectIdentifier]:
    # Only the supervisor may serve: a host's certificate can't be used to pose as it.
    client = [ExtendedKeyUsageOID.CLIENT_AUTH]
    return [ExtendedKeyUsageOID.SERVER_AUTH, *client] if name == SERVER_NAME else client


def _usage(signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _write(directory: Path, name: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> list[Path]:
    key_bytes = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    files = [(directory / f"{name}.key", key_bytes, 0o600)]
    files.append((directory / f"{name}.pem", certificate.public_bytes(serialization.Encoding.PEM), 0o644))
    for path, data, mode in files:
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
    return [path for path, _, _ in files]
