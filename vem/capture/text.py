"""Frames in a line of text each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

from dvswitch.drops import BY_NAME
from dvswitch.mac import MacAddress
from vem.datapath.image import Counters
from vem.datapath.watch import CapturedFrame, LastDrop, niv_tag

_TYPES = {0x0800: "IPv4", 0x0806: "ARP", 0x8035: "RARP", 0x86DD: "IPv6", 0x8809: "LACP", 0x88CC: "LLDP"}
_PROTOCOLS = {1: "ICMP", 2: "IGMP", 6: "TCP", 17: "UDP", 58: "ICMPv6"}
TAG = 4
Names = Callable[[int], str]


def headers(frame: bytes) -> str:
    """Addresses, tags and types of a frame or its head."""
    if len(frame) < 14:
        return f"{len(frame)} bytes"
    text = f"{MacAddress(frame[6:12])} > {MacAddress(frame[:6])}"
    at, kind = 12, int.from_bytes(frame[12:14], "big")
    if niv := niv_tag(frame):
        text += f" {niv}"
        at += len(bytes(niv))
        kind = int.from_bytes(frame[at : at + 2], "big")
    while kind in (0x8100, 0x88A8) and len(frame) >= at + 6:
        text += f" vlan {int.from_bytes(frame[at + 2 : at + 4], 'big') & 4095}"
        at += 4
        kind = int.from_bytes(frame[at : at + 2], "big")
    text += f" {_TYPES.get(kind, f'0x{kind:04x}')}"
    protocol = {0x0800: at + 11, 0x86DD: at + 8}.get(kind)
    if protocol and len(frame) > protocol:
        text += f" {_PROTOCOLS.get(frame[protocol], f'protocol {frame[protocol]}')}"
    return text


def captured(event: CapturedFrame, names: Names, epoch: float) -> str:
    """A captured frame; ``epoch`` is Unix time less time.monotonic().  The outer tag is shown, and not counted: a frame
    has the same length on both sides of a port (S-055).
    """
    moment = event.time + epoch
    clock = time.strftime("%H:%M:%S", time.gmtime(moment)) + f".{int(moment % 1 * 1e6):06d}"
    drop = f" {event.reason} (came by {names(event.came_by)})" if event.reason else ""
    return (
        f"{clock} #{event.packet} {names(event.lport)} {event.point.label}{drop}: "
        f"{headers(event.frame)}, length {event.length - _tag_bytes(event)}\n"
    )


def _tag_bytes(event: CapturedFrame) -> int:
    niv = niv_tag(event.frame)
    return (0 if event.tci is None else TAG) + (len(bytes(niv)) if niv else 0)


def last_drop(drop: LastDrop, names: Names, now: float) -> str:
    """The last drop of a port for a reason, what it means, and its first bytes; ``now`` is time.monotonic()."""
    reason = BY_NAME[drop.reason]
    head = f"{names(drop.lport)} {'in' if drop.inward else 'out'} {reason.word}: "
    return f"{head}{_moment(drop, names, now)}\n    {reason.sentence}\n    {drop.head.hex(' ', 2)}\n"


def counted_drops(counters: Mapping[int, Counters], last: Iterable[LastDrop], names: Names, now: float) -> str:
    """How many frames each port dropped for each reason, what that means, and the last one's header."""
    latest = {(drop.lport, drop.inward, drop.reason): drop for drop in last}
    text = _DROPS.format("VSM Port", "Dir", "Reason", "Frames")
    for lport, counts in sorted(counters.items()):
        for inward, drops in ((True, counts.drops_in), (False, counts.drops_out)):
            for name, frames in sorted(drops.items()):
                reason = BY_NAME[name]
                text += _DROPS.format(names(lport), "in" if inward else "out", reason.word, frames)
                text += f"    {reason.sentence}\n"
                if drop := latest.get((lport, inward, name)):
                    text += f"    last {_moment(drop, names, now)}\n    {drop.head.hex(' ', 2)}\n"
    return text


_DROPS = "{:<14}  {:<3}  {:<16}  {:>12}\n"


def _moment(drop: LastDrop, names: Names, now: float) -> str:
    head = drop.head
    if drop.tci is not None:
        head = head[:12] + b"\x81\x00" + drop.tci.to_bytes(2, "big") + head[12:]
    seconds = max(0.0, now - drop.time)
    return f"{seconds:.1f} s ago, came by {names(drop.came_by)}, {headers(head)}, length {drop.length}"
