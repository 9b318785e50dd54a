"""The fingerprint of a module's wanted state, computed alike by the VSM and the module (Hello.digest)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from dvswitch.v1 import types_pb2 as pb


def wanted_digest(
    switch: pb.Switch | None,
    policies: Iterable[pb.Policy],
    ports: Iterable[pb.Port],
    uplinks: Iterable[pb.Uplink],
    mode: pb.Mode | None = None,
) -> str:
    """Hex digest over everything a module is told to be; the order of the iterables does not matter.

    The mode counts only where it is not the default, so that modules without one have the digests they always had.
    """
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
    if mode is not None and mode != pb.Mode():
        digest.update(b"|mode|" + mode.SerializeToString(deterministic=True))
    return digest.hexdigest()
