"""Looks at the hosts' ports while something happens: did one stop forwarding, did a counter fall, do the sums agree?"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType

import grpc

from dvswitch import client
from dvswitch.v1 import manager_pb2, types_pb2
from physical.lab import Lab

INTERVAL = 0.05
"""Seconds between two looks."""
NOBODYS = "-"
"""What a host calls a port without a vEth: a NIC that is plugged in and waits, or one whose vEth has left."""
PortKey = tuple[str, str]


class PortWatch:
    """Between enter and exit, a thread looks at all ports again and again.

    A port that forwarded and then does not, goes away, or counts less than before is a fault, unless it is
    ``leaving``: (host, port name) of one that migrates.
    """

    def __init__(self, lab: Lab, leaving: PortKey | None = None) -> None:
        self.looks = 0
        self._leaving = leaving
        self._addresses = {host: lab.address(host) for host in lab.network.hosts}
        self._faults: list[str] = []
        self._last: dict[PortKey, manager_pb2.HostPort] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="port watch", daemon=True)

    def __enter__(self) -> PortWatch:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()

    def fallen(self) -> list[str]:
        """What was seen that must not be, each once."""
        return list(dict.fromkeys(self._faults))

    def _watch(self) -> None:
        channels = {host: client.open_channel(address) for host, address in self._addresses.items()}
        while not self._stop.wait(INTERVAL):
            for host, channel in channels.items():
                with suppress(grpc.RpcError):
                    self._look(host, client.host_stub(channel).Status(manager_pb2.StatusRequest(), timeout=1))
            self.looks += 1
        for channel in channels.values():
            channel.close()

    def _look(self, host: str, status: manager_pb2.StatusReply) -> None:
        now = {(host, port.name): port for port in status.ports if port.name != NOBODYS}
        for key, before in self._last.items():
            if key[0] == host and key != self._leaving and before.state == "FWD":
                self._compare(key, before, now.get(key))
        self._last.update(now)

    def _compare(self, key: PortKey, before: manager_pb2.HostPort, now: manager_pb2.HostPort | None) -> None:
        host, name = key
        if now is None:
            self._faults.append(f"{name} on {host} went away")
        elif now.state != "FWD":
            self._faults.append(f"{name} on {host} went from FWD to {now.state}")
        elif _fell(before, now):
            self._faults.append(f"counters of {name} on {host} fell")


def _fell(before: manager_pb2.HostPort, now: manager_pb2.HostPort) -> bool:
    old, new = before.counters, now.counters
    return new.rx_frames < old.rx_frames or new.tx_frames < old.tx_frames


def host_accounts(lab: Lab, host: str) -> str | None:
    """A sentence with the sums if every port of the host accounts for every frame it received, else None."""
    status = lab.host_status(host)
    if status is None or not all(_balanced(port.counters) for port in status.ports):
        return None
    received = sum(port.counters.rx_frames for port in status.ports)
    dropped = sum(sum(port.counters.drops_in.values()) for port in status.ports)
    return f"{host}: {received} frames received = {received - dropped} forwarded + {dropped} dropped, on every port"


def _balanced(counters: types_pb2.Counters) -> bool:
    return counters.rx_frames == counters.rx_forwarded + sum(counters.drops_in.values())


def switch_accounts(lab: Lab) -> str | None:
    """The same of the physical switch; all its ports are there from the beginning, so that copies must add up too."""
    counters = list(lab.switch.call("counters")["counters"].values())
    received, forwarded, copies, sent = (
        sum(int(c[name]) for c in counters) for name in ("rx_frames", "rx_forwarded", "rx_copies", "tx_frames")
    )
    dropped, undelivered = (sum(sum(c[name].values()) for c in counters) for name in ("drops_in", "drops_out"))
    if received != forwarded + dropped or copies != sent + undelivered:
        return None
    return (
        f"sw1: {received} frames received = {forwarded} forwarded + {dropped} dropped; "
        f"{copies} copies = {sent} sent + {undelivered} dropped"
    )


def drops(lab: Lab) -> str:
    """Where frames were dropped so far, for the message when some are missing."""
    found = [
        f"{host} {port.name}: {_by_reason(port.counters.drops_in)} in, {_by_reason(port.counters.drops_out)} out"
        for host in lab.network.hosts
        if (status := lab.host_status(host))
        for port in status.ports
        if port.counters.drops_in or port.counters.drops_out
    ]
    for number, counters in lab.switch.call("counters")["counters"].items():
        found.append(f"sw1 {number}: {_by_reason(counters['drops_in'])} in, {_by_reason(counters['drops_out'])} out")
    return "; ".join(found)


def _by_reason(counts: Mapping[str, int]) -> str:
    return " ".join(f"{reason}={count}" for reason, count in sorted(counts.items())) or "none"
