"""Whether a certificate may speak for the host that a Hello names, or for an operator: pure.

Over a unix socket there is no certificate: the file's rights are the guard.  Over TLS the certificate's common name is
the host's UUID or its name; a name can only speak for the host that it was first seen with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

from cryptography import x509
from cryptography.x509.oid import NameOID

from dvswitch.errors import DvsError
from vsm.model.lifecycle import slot_of_host
from vsm.model.state import Module, State

OPERATORS = "dvswitch operators"
"""Organizational unit in the certificates of operators and managers."""
_PEM = "x509_pem_cert"
_COMMON_NAME = "x509_common_name"


class NotAllowed(DvsError):
    """The caller's certificate is not for this."""


def common_name(auth: Mapping[str, Iterable[bytes]]) -> str | None:
    """The name in the caller's certificate; None without TLS."""
    names = [name.decode(errors="replace") for name in auth.get(_COMMON_NAME, ())]
    return names[0] if names else None


def check_operator(auth: Mapping[str, Iterable[bytes]]) -> None:
    """Raise NotAllowed if the caller has a certificate that is no operator's: hosts' have another purpose."""
    for pem in auth.get(_PEM, ()):
        if not _is_operators(pem):
            raise NotAllowed(
                f"certificate for '{common_name(auth)}'",
                "is not an operator's",
                "issue one with 'vsm pki issue NAME --operator'",
            )


@lru_cache(maxsize=256)
def _is_operators(pem: bytes) -> bool:
    units = x509.load_pem_x509_certificate(pem).subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    return [unit.value for unit in units] == [OPERATORS]


def check_certificate(auth: Mapping[str, Iterable[bytes]], module: Module, state: State) -> None:
    """Raise NotAllowed if the caller's certificate is another host's."""
    name = common_name(auth)
    for pem in auth.get(_PEM, ()):
        if _is_operators(pem):
            raise NotAllowed(
                f"certificate for '{name}'", "is an operator's", "issue the host's own with 'vsm pki issue'"
            )
    if name is None or name.lower() == module.host_uuid.lower():
        return
    slot = slot_of_host(state.config, module.host_uuid)
    known = state.inventory.modules.get(slot) if slot is not None else None
    if name != module.host_name or (known is not None and known.host_name != name):
        raise NotAllowed(
            f"module {module.host_name} ({module.host_uuid})",
            f"its certificate is for '{name}'",
            "issue one for the host's UUID or name with 'vsm pki issue'",
        )
