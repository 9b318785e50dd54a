"""The fingerprint of a module's wanted state, computed alike by the VSM and the module (Hello.digest)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from dvswitch.v1 import types_pb2 as pb


def wanted_digest(
    switch: pb.Switch | None, policies: Iterable[pb.Policy], ports: Iterable[pb.Port], uplinks: Iterable[pb.Uplink]
) -> str:
    """Hex digest over everything a module is told to be; the order of the iterables does not matter."""
    digest = hashlib.sha256()
    groups = (
        [switch or pb.Switch()],
        sorted(policies, key=lambda policy: policy.id),
        sorted(ports, key=lambda port: port.veth),
        sorted(uplinks, key=lambda uplink: uplink.number),
    )
    for group in groups:
        digest.update(b"|%d|" % len(group))
        for message in group:
            data = message.SerializeToString(deterministic=True)
            digest.update(b"%d:" % len(data) + data)
    return digest.hexdigest()
