"""VMs that were seen to run here before anybody said so: the frames of prepared ports, told to the supervisor (S-246).

A frame is believed only as the datapath shows it (vem/datapath/src/punt.h): it came out of the NIC of the prepared port
and has that port's own MAC address.  What another guest says about that address, here or elsewhere, moves nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from dvswitch.mac import MacAddress
from dvswitch.v1 import fabric_pb2 as fabric
from vem.agent.holdings import Holdings
from vem.agent.wanted import Phase, Port

QUIET = 0.1
"""Seconds between two reports of one port; a report may have found no supervisor, so later frames repeat it."""
QUIET_LEFT = 1.0
"""Likewise, of a vEth that has left."""
log = structlog.get_logger(__name__)


class Arrivals:
    """One host's memory of whom it heard.  ``send``: whether the message found a session."""

    def __init__(
        self,
        holdings: Holdings,
        send: Callable[[fabric.ModuleMessage], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._holdings, self._send, self._clock = holdings, send, clock
        self._told: dict[int, float] = {}
        """When each prepared vEth was reported last."""

    def spoke(self, lport: int, mac: MacAddress) -> None:
        """A frame came out of an awaited port."""
        attachment = next((found for found in self._holdings.attachments.plugged() if found.lport == lport), None)
        if attachment and attachment.veth and attachment.veth not in self._holdings.staging.committed.ports:
            self._left(attachment.veth)
            return
        port = self._awaited(attachment.veth) if attachment else None
        if port is None or port.mac != mac:
            return
        now = self._clock()
        if now - self._told.get(port.veth, -QUIET) >= QUIET:
            self._told[port.veth] = now
            self._tell(port)

    def _left(self, veth: int) -> None:
        """The VM of a vEth that has left speaks here: its migration may have failed with its new host, which the
        supervisor knows."""
        now = self._clock()
        if now - self._told.get(veth, -QUIET_LEFT) >= QUIET_LEFT:
            self._told[veth] = now
            self._send(fabric.ModuleMessage(seen=fabric.PortSeen(veth=veth)))

    def again(self) -> None:
        """A session is open: what it must know and may not have heard.  Who is no longer awaited is forgotten."""
        ports = {veth: self._awaited(veth) for veth in self._told}
        self._told = {veth: self._clock() for veth, port in ports.items() if port}
        for port in filter(None, ports.values()):
            self._tell(port)

    def _awaited(self, veth: int) -> Port | None:
        port = self._holdings.staging.committed.ports.get(veth)
        return port if port and port.phase is Phase.PREPARED else None

    def _tell(self, port: Port) -> None:
        log.info("the VM of a prepared port speaks", port=str(port), nic=str(port.nic))
        self._send(fabric.ModuleMessage(seen=fabric.PortSeen(veth=port.veth, generation=port.generation)))
