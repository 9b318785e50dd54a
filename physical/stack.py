"""A light guest's network stack: ARP, ICMP echo both ways, numbered streams, frame counters.

Pure: frames in, frames out, ``now`` (seconds) passed in.  physical/guest.py is the shell that owns sockets and clock;
the bytes are made in physical/frames.py.  One Stack per NIC.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface

from dvswitch.errors import Conflict, InvalidValue
from dvswitch.mac import BROADCAST, MacAddress
from physical import frames, stream

ARP_INTERVAL = 0.5
"""Seconds between requests for one address."""
ARP_TRIES = 6
ARP_LIFETIME = 60.0
ARP_QUEUE = 64
"""Packets kept per address while it is being resolved."""
MAX_PINGS = 64
MAX_STREAMS = 256
"""Streams received at a time; more are counted as ignored."""
_NO_MAC = MacAddress(bytes(6))
_PING_DATA = b"dvswitch light guest "


@dataclass(frozen=True, slots=True)
class Nic:
    """Who the guest is on one wire."""

    mac: MacAddress
    address: IPv4Interface
    """All hosts of its network are reached directly; there is no gateway."""
    vlan: int = 0
    """1-4094: the guest tags its frames (VGT); 0: untagged."""


@dataclass(slots=True)
class FrameCounters:
    """Frames as the guest sees them (rx = the guest received it)."""

    rx_frames: int = 0
    rx_bytes: int = 0
    rx_broadcast: int = 0
    rx_ignored: int = 0
    """Not for this NIC, another VLAN, malformed, or nothing it knows."""
    tx_frames: int = 0
    tx_bytes: int = 0


@dataclass(slots=True)
class Ping:
    """Echo requests to one address, and what came back."""

    ident: int
    target: IPv4Address
    count: int
    interval: float
    timeout: float
    """Seconds to wait for each reply."""
    next_at: float
    until_reply: bool = False
    """A probe: stops at the first reply, and asks for the MAC address anew with every request."""
    sent: int = 0
    received: int = 0
    duplicates: int = 0
    first_reply_at: float | None = None
    round_trips: list[float] = field(default_factory=list)
    """Seconds."""
    waiting: dict[int, float] = field(default_factory=dict)

    @property
    def done(self) -> bool:
        """All answered or given up."""
        if self.until_reply and self.received:
            return True
        return self.sent >= self.count and not self.waiting

    def expire(self, now: float) -> None:
        """Give up on replies that are late."""
        for sequence in [n for n, at in self.waiting.items() if now - at >= self.timeout]:
            del self.waiting[sequence]

    def timer(self) -> float | None:
        """When something is to be done next."""
        if self.done:
            return None
        times = [at + self.timeout for at in self.waiting.values()]
        if self.sent < self.count:
            times.append(self.next_at)
        return min(times, default=None)


@dataclass(slots=True)
class _Neighbour:
    """An address being resolved, or resolved (mac set)."""

    mac: MacAddress | None = None
    expires: float = 0.0
    tries: int = 0
    next_try: float = 0.0
    queue: deque[frames.Ipv4] = field(default_factory=lambda: deque(maxlen=ARP_QUEUE))


class Stack:
    """The stack of one NIC."""

    def __init__(self, nic: Nic) -> None:
        self.nic = nic
        self.counters = FrameCounters()
        self.unresolved = 0
        """Packets given up because nobody answered ARP."""
        self.pings: dict[int, Ping] = {}
        self.senders: dict[int, tuple[IPv4Address, stream.Sender]] = {}
        self.receivers: dict[tuple[IPv4Address, int], stream.Receiver] = {}
        self._neighbours: dict[IPv4Address, _Neighbour] = {}
        self._packet_id = 0

    @property
    def asking(self) -> int:
        """Addresses being asked for; that goes on for a while when nobody waits for them any more."""
        return sum(neighbour.mac is None for neighbour in self._neighbours.values())

    # --- what the guest is asked to do ----------------------------------------------------------------------
    def announce(self) -> list[bytes]:
        """A gratuitous ARP request: here I am (on attach, after a move)."""
        own = self.nic.address.ip
        return [self._send(BROADCAST, frames.TYPE_ARP, self._arp(frames.ARP_REQUEST, _NO_MAC, own))]

    def start_ping(
        self, target: IPv4Address, now: float, count: int = 3, interval: float = 0.05, timeout: float = 1.0
    ) -> Ping:
        """Send ``count`` echo requests; poll() does it.  Conflict when too many run already."""
        self._check_target(target)
        if len(self.pings) >= MAX_PINGS:
            raise Conflict("ping", f"{MAX_PINGS} pings are running", "wait for one to end")
        self._ask_again(target)
        ident = next(n for n in range(1, 0x10000) if n not in self.pings)
        ping = self.pings[ident] = Ping(ident, target, count, interval, timeout, next_at=now)
        return ping

    def start_stream(self, target: IPv4Address, now: float, number: int, rate: float, limit: int = 0) -> stream.Sender:
        """Send numbered datagrams to ``target``; poll() does it.  Conflict when ``number`` is in use."""
        self._check_target(target)
        if number in self.senders:
            raise Conflict(f"stream {number}", "exists already", "choose another number")
        sender = stream.Sender(number, rate, limit, next_at=now)
        self.senders[number] = (target, sender)
        return sender

    # --- frames and time ------------------------------------------------------------------------------------
    def receive(self, frame: bytes, now: float) -> list[bytes]:
        """A frame came by the wire; returns the answers."""
        self.counters.rx_frames += 1
        self.counters.rx_bytes += len(frame)
        ethernet = frames.parse_ethernet(frame)
        if ethernet is None or not self._is_mine(ethernet):
            self.counters.rx_ignored += 1
            return []
        self.counters.rx_broadcast += ethernet.dst == BROADCAST
        if ethernet.ethertype == frames.TYPE_ARP:
            answers = self._receive_arp(frames.parse_arp(ethernet.payload), now)
        elif ethernet.ethertype == frames.TYPE_IPV4:
            answers = self._receive_ipv4(ethernet.src, frames.parse_ipv4(ethernet.payload), now)
        else:
            answers = None
        self.counters.rx_ignored += answers is None
        return answers or []

    def poll(self, now: float) -> list[bytes]:
        """What is due now: echo requests, stream frames, repeated ARP requests."""
        out: list[bytes] = []
        for ping in list(self.pings.values()):
            out += self._poll_ping(ping, now)
        for number, (target, sender) in list(self.senders.items()):
            for mark in sender.due(now):
                datagram = frames.Udp(stream.PORT, stream.PORT, mark.build(sender.size))
                out += self._send_udp(target, datagram, now)
            if sender.done:
                del self.senders[number]
        for address, neighbour in list(self._neighbours.items()):
            out += self._poll_neighbour(address, neighbour, now)
        return out

    def timer(self) -> float | None:
        """When poll() has something to do next; None = not before a frame or a request comes."""
        times = [t for t in (ping.timer() for ping in self.pings.values()) if t is not None]
        times += [sender.next_at for _, sender in self.senders.values()]
        times += [n.next_try for n in self._neighbours.values() if n.mac is None]
        return min(times, default=None)

    # --- ARP ------------------------------------------------------------------------------------------------
    def _receive_arp(self, arp: frames.Arp | None, now: float) -> list[bytes] | None:
        own = self.nic.address.ip
        if arp is None or arp.sender == own:
            return None
        out: list[bytes] = []
        if arp.target == own or arp.sender in self._neighbours:
            out += self._resolved(arp.sender, arp.sender_mac, now)
        if arp.operation == frames.ARP_REQUEST and arp.target == own:
            reply = self._arp(frames.ARP_REPLY, arp.sender_mac, arp.sender)
            out.append(self._send(arp.sender_mac, frames.TYPE_ARP, reply))
        return out

    def _resolved(self, address: IPv4Address, mac: MacAddress, now: float) -> list[bytes]:
        if mac.is_multicast or address.is_unspecified or address not in self.nic.address.network:
            return []
        neighbour = self._neighbours.setdefault(address, _Neighbour())
        neighbour.mac, neighbour.expires, neighbour.tries = mac, now + ARP_LIFETIME, 0
        waiting, neighbour.queue = neighbour.queue, deque(maxlen=ARP_QUEUE)
        return [self._send(mac, frames.TYPE_IPV4, packet.build()) for packet in waiting]

    def _poll_neighbour(self, address: IPv4Address, neighbour: _Neighbour, now: float) -> list[bytes]:
        if neighbour.mac is not None or now < neighbour.next_try:
            return []
        if neighbour.tries >= ARP_TRIES:
            self.unresolved += len(neighbour.queue)
            del self._neighbours[address]
            return []
        neighbour.tries += 1
        neighbour.next_try = now + ARP_INTERVAL
        return [self._send(BROADCAST, frames.TYPE_ARP, self._arp(frames.ARP_REQUEST, _NO_MAC, address))]

    def _ask_again(self, address: IPv4Address) -> None:
        """The next packet to an unresolved address asks at once, however lately it was asked for."""
        neighbour = self._neighbours.get(address)
        if neighbour is not None and neighbour.mac is None:
            neighbour.tries, neighbour.next_try = 0, 0.0

    def _arp(self, operation: int, target_mac: MacAddress, target: IPv4Address) -> bytes:
        return frames.Arp(operation, self.nic.mac, self.nic.address.ip, target_mac, target).build()

    # --- IPv4 -----------------------------------------------------------------------------------------------
    def _receive_ipv4(self, src_mac: MacAddress, packet: frames.Ipv4 | None, now: float) -> list[bytes] | None:
        if packet is None or packet.dst != self.nic.address.ip:
            return None
        if packet.protocol == frames.PROTO_ICMP:
            return self._receive_echo(src_mac, packet, now)
        return self._receive_udp(packet, now)

    def _receive_echo(self, src_mac: MacAddress, packet: frames.Ipv4, now: float) -> list[bytes] | None:
        echo = frames.parse_echo(packet.payload)
        if echo is None:
            return None
        if echo.request:
            reply = frames.Echo(False, echo.ident, echo.sequence, echo.data).build()
            answer = self._packet(packet.src, frames.PROTO_ICMP, reply)
            return [self._send(src_mac, frames.TYPE_IPV4, answer.build())]
        return self._receive_reply(packet.src, echo, now)

    def _receive_reply(self, source: IPv4Address, echo: frames.Echo, now: float) -> list[bytes] | None:
        ping = self.pings.get(echo.ident)
        if ping is None or ping.target != source or echo.sequence >= ping.sent:
            return None
        sent_at = ping.waiting.pop(echo.sequence, None)
        if sent_at is None:
            ping.duplicates += 1
            return []
        ping.received += 1
        ping.round_trips.append(now - sent_at)
        if ping.first_reply_at is None:
            ping.first_reply_at = now
        return []

    def _receive_udp(self, packet: frames.Ipv4, now: float) -> list[bytes] | None:
        datagram = frames.parse_udp(packet)
        mark = stream.parse_mark(datagram.payload) if datagram and datagram.dst_port == stream.PORT else None
        if mark is None:
            return None
        key = (packet.src, mark.stream)
        if key not in self.receivers and len(self.receivers) >= MAX_STREAMS:
            return None
        receiver = self.receivers.setdefault(key, stream.Receiver())
        return [] if receiver.note(mark.sequence, now) else None

    def _poll_ping(self, ping: Ping, now: float) -> list[bytes]:
        ping.expire(now)
        out: list[bytes] = []
        if not ping.done and ping.sent < ping.count and ping.next_at <= now:
            echo = frames.Echo(True, ping.ident, ping.sent & 0xFFFF, _PING_DATA)
            ping.waiting[ping.sent & 0xFFFF] = now
            ping.sent += 1
            ping.next_at = now + ping.interval
            if ping.until_reply:
                self._ask_again(ping.target)
            out = self._send_ip(self._packet(ping.target, frames.PROTO_ICMP, echo.build()), now)
        return out

    def _send_udp(self, target: IPv4Address, datagram: frames.Udp, now: float) -> list[bytes]:
        data = datagram.build(self.nic.address.ip, target)
        return self._send_ip(self._packet(target, frames.PROTO_UDP, data), now)

    def _send_ip(self, packet: frames.Ipv4, now: float) -> list[bytes]:
        """Straight out when the address is resolved, else kept until it is."""
        neighbour = self._neighbours.setdefault(packet.dst, _Neighbour())
        if neighbour.mac is not None and now < neighbour.expires:
            return [self._send(neighbour.mac, frames.TYPE_IPV4, packet.build())]
        neighbour.mac = None
        self.unresolved += len(neighbour.queue) == ARP_QUEUE
        neighbour.queue.append(packet)
        return self._poll_neighbour(packet.dst, neighbour, now)

    def _packet(self, target: IPv4Address, protocol: int, payload: bytes) -> frames.Ipv4:
        self._packet_id = (self._packet_id + 1) & 0xFFFF
        return frames.Ipv4(self.nic.address.ip, target, protocol, payload, ident=self._packet_id)

    # --- Ethernet -------------------------------------------------------------------------------------------
    def _send(self, dst: MacAddress, ethertype: int, payload: bytes) -> bytes:
        tci = self.nic.vlan or None
        frame = frames.Ethernet(dst, self.nic.mac, ethertype, payload, tci).build()
        self.counters.tx_frames += 1
        self.counters.tx_bytes += len(frame)
        return frame

    def _is_mine(self, ethernet: frames.Ethernet) -> bool:
        return ethernet.vlan == self.nic.vlan and ethernet.dst in (self.nic.mac, BROADCAST)

    def _check_target(self, target: IPv4Address) -> None:
        if target == self.nic.address.ip:
            raise InvalidValue(f"address {target}", "is the guest's own")
        if target not in self.nic.address.network:
            raise InvalidValue(f"address {target}", f"is not in {self.nic.address.network}, and there is no gateway")
