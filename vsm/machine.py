"""The machine that the supervisor runs on, as Linux tells: load, memory, and the NIC by which it is managed.

That NIC stands behind `mgmt0`: it is the one of the default route, else the first that is not the loopback.  Show
commands look here (vsm/cli/show/processes.py, network.py); the daemon has the load sampled (vsm/daemon.py).
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Interface
from pathlib import Path

from dvswitch.errors import Unavailable

SAMPLE_S = 5.0
"""Seconds between samples of the load."""
_KEPT_S = 300.0
_TICKS = os.sysconf("SC_CLK_TCK")
_GET_ADDRESS, _GET_MASK = 0x8915, 0x891B
"""ioctl numbers of Linux: SIOCGIFADDR, SIOCGIFNETMASK."""
_ROUTE_UP, _ROUTE_GATEWAY = 1, 2
_ARP_COMPLETE = 2
_LINK_LOCAL = 0x20


@dataclass(frozen=True, slots=True)
class Ticks:
    """What a CPU has done since the machine started, in clock ticks."""

    user: int
    kernel: int
    idle: int
    interrupts: int

    @property
    def total(self) -> int:
        """Everything; interrupts are a part of the kernel's."""
        return self.user + self.kernel + self.idle


@dataclass(frozen=True, slots=True)
class Sample:
    """The load at an instant."""

    time: float
    cpus: tuple[Ticks, ...]
    """All together, then each."""
    own: int
    """Ticks of the supervisor's process."""


@dataclass(frozen=True, slots=True)
class Share:
    """What of a CPU's time went where, in percent."""

    user: float
    kernel: float
    idle: float
    interrupts: float

    @property
    def busy(self) -> float:
        """User and kernel."""
        return self.user + self.kernel


@dataclass(frozen=True, slots=True)
class Load:
    """How busy the machine is."""

    five_seconds: Share
    one_minute: Share
    five_minutes: Share
    cpus: tuple[Share, ...]
    """Each CPU, over one minute."""
    own: float
    """Percent of one CPU that the supervisor took in the last five seconds."""


@dataclass(frozen=True, slots=True)
class Process:
    """The supervisor's process."""

    pid: int
    name: str
    runtime_ms: int
    switches: int
    """How often it was given a CPU."""
    allocated: int
    """Bytes of data and heap, likewise the next two."""
    limit: int
    """0 = none."""
    used: int
    stack: int
    pointer: int
    """Where its stack begins, and where it is now if the kernel tells."""


@dataclass(frozen=True, slots=True)
class Nic:
    """The NIC behind mgmt0."""

    name: str
    up: bool
    """Administratively."""
    link: bool
    mtu: int
    mac: str
    """Dotted."""
    speed: int
    """Mbit/s; 0 = not known."""
    address: IPv4Interface | None
    ipv6: tuple[IPv6Interface, ...]
    link_local: tuple[IPv6Interface, ...]


@dataclass(frozen=True, slots=True)
class Traffic:
    """Totals of a NIC, in from the network and out to it."""

    in_bytes: int = 0
    in_packets: int = 0
    in_errors: int = 0
    in_drops: int = 0
    in_multicast: int = 0
    out_bytes: int = 0
    out_packets: int = 0
    out_errors: int = 0
    out_drops: int = 0


@dataclass(frozen=True, slots=True)
class ArpEntry:
    """A line of the host's ARP table."""

    address: IPv4Address
    mac: str
    """Dotted; "" = nobody has answered."""


@dataclass(frozen=True, slots=True)
class Route:
    """A way of the host."""

    network: IPv4Network
    gateway: IPv4Address | None
    """None: directly connected."""
    metric: int


def primary_address(name: str) -> IPv4Interface | None:
    """The first IPv4 address of a NIC and its mask; None if it has none."""
    request = struct.pack("256s", name.encode()[:15])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked, suppress(OSError):
        address, mask = (fcntl.ioctl(asked.fileno(), which, request)[20:24] for which in (_GET_ADDRESS, _GET_MASK))
        return IPv4Interface((IPv4Address(address), str(IPv4Address(mask))))
    return None


@dataclass(slots=True)
class Machine:
    """Reads what Linux tells.  Methods raise Unavailable when it does not."""

    proc: Path = Path("/proc")
    sys: Path = Path("/sys")
    address_of: Callable[[str], IPv4Interface | None] = primary_address
    _samples: deque[Sample] = field(default_factory=deque)

    def sample(self, now: float) -> None:
        """Remember the load at ``now`` (seconds, of any clock that goes on steadily)."""
        self._samples.append(self._sampled(now))
        while self._samples[0].time < now - _KEPT_S - SAMPLE_S:
            self._samples.popleft()

    def load(self, now: float) -> Load:
        """The load up to ``now``; averages over the time that there are samples of, if that is shorter."""
        latest = self._sampled(now)
        short, minute, long = (self._before(now - seconds) for seconds in (SAMPLE_S, 60.0, _KEPT_S))
        all_in = [_share(latest.cpus[0], then.cpus[0]) for then in (short, minute, long)]
        each = tuple(map(_share, latest.cpus[1:], minute.cpus[1:]))
        own = 100 * (latest.own - short.own) / _TICKS / max(now - short.time, 1.0) if short.time else 0.0
        return Load(all_in[0], all_in[1], all_in[2], each, own)

    def process(self) -> Process:
        """The supervisor's process."""
        name, values = self._own_stat()
        status = dict(line.partition(":")[::2] for line in self._read("self/status").splitlines())
        limit = next(line for line in self._read("self/limits").splitlines() if line.startswith("Max address space"))
        switches = sum(int(status[f"{kind}_ctxt_switches"]) for kind in ("voluntary", "nonvoluntary"))
        allocated, used = (1024 * int(status[key].split()[0]) for key in ("VmData", "VmRSS"))
        bound = limit.split()[3]
        return Process(
            pid=int(status["Pid"]),
            name=name,
            runtime_ms=(int(values[11]) + int(values[12])) * 1000 // _TICKS,
            switches=switches,
            allocated=allocated,
            limit=int(bound) if bound.isdecimal() else 0,
            used=used,
            stack=int(values[25]),
            pointer=int(values[26]),
        )

    def memory(self) -> dict[str, int]:
        """KiB by the kernel's names: MemTotal, MemAvailable, ..."""
        lines = (line.partition(":") for line in self._read("meminfo").splitlines())
        return {name: int(rest.split()[0]) for name, _, rest in lines}

    def averages(self) -> list[str]:
        """The words of loadavg: 1, 5 and 15 minutes, running/all tasks, the last pid."""
        return self._read("loadavg").split()

    def management(self) -> Nic | None:
        """The NIC behind mgmt0; None if there is no NIC but the loopback."""
        name = self._managed_by()
        if not name:
            return None
        six = [
            (IPv6Interface((bytes.fromhex(digits), int(length, 16))), int(scope, 16))
            for digits, _, length, scope, _, nic in map(str.split, self._net("if_inet6"))
            if nic == name
        ]
        digits = self._attribute(name, "address").replace(":", "")
        return Nic(
            name=name,
            up=bool(int(self._attribute(name, "flags") or "0", 16) & 1),
            link=self._attribute(name, "operstate") in ("up", "unknown"),
            mtu=int(self._attribute(name, "mtu") or "1500"),
            mac=f"{digits[:4]}.{digits[4:8]}.{digits[8:]}",
            speed=max(0, int(self._attribute(name, "speed") or "0")),
            address=self.address_of(name),
            ipv6=tuple(address for address, scope in six if scope != _LINK_LOCAL),
            link_local=tuple(address for address, scope in six if scope == _LINK_LOCAL),
        )

    def traffic(self, name: str) -> Traffic:
        """Totals of a NIC; zeros if it is gone."""
        for line in self._net("dev"):
            nic, _, rest = line.partition(":")
            if nic.strip() == name:
                one = [int(value) for value in rest.split()]
                return Traffic(one[0], one[1], one[2], one[3], one[7], one[8], one[9], one[10], one[11])
        return Traffic()

    def traffic6(self, name: str) -> dict[str, int]:
        """Totals of IPv6 of a NIC, by Linux's names for them; empty if there are none."""
        path = self.proc / "net" / "dev_snmp6" / name
        rows = (line.split() for line in path.read_text().splitlines()) if path.is_file() else ()
        return {row[0]: int(row[1]) for row in rows if len(row) == 2}

    def arp(self, name: str) -> list[ArpEntry]:
        """Neighbours of a NIC by address."""
        rows = [line.split() for line in self._net("arp")[1:]]
        found = [
            ArpEntry(IPv4Address(row[0]), _dotted(row[3]) if int(row[2], 16) & _ARP_COMPLETE else "")
            for row in rows
            if row[-1] == name
        ]
        return sorted(found, key=lambda entry: entry.address)

    def routes(self, name: str) -> list[Route]:
        """Ways through a NIC by network, the better first."""
        found = [route for nic, route in self._routes() if nic == name]
        return sorted(found, key=lambda route: (route.network, route.metric))

    def _managed_by(self) -> str:
        default = [(route.metric, nic) for nic, route in self._routes() if route.network.prefixlen == 0]
        if default:
            return min(default)[1]
        nics = [line.partition(":")[0].strip() for line in self._net("dev")[2:]]
        return next((nic for nic in nics if nic != "lo" and self.address_of(nic)), "")

    def _routes(self) -> Iterator[tuple[str, Route]]:
        for line in self._net("route")[1:]:
            nic, target, gateway, flags, _, _, metric, mask, *_ = line.split()
            if int(flags, 16) & _ROUTE_UP:
                network = IPv4Network((_little(target), str(_little(mask))))
                via = _little(gateway) if int(flags, 16) & _ROUTE_GATEWAY else None
                yield nic, Route(network, via, int(metric))

    def _sampled(self, now: float) -> Sample:
        rows = (line.split() for line in self._read("stat").splitlines() if line.startswith("cpu"))
        _, own = self._own_stat()
        return Sample(
            now, tuple(_ticks([int(value) for value in row[1:]]) for row in rows), int(own[11]) + int(own[12])
        )

    def _before(self, then: float) -> Sample:
        """The latest sample from before ``then``; else the oldest, else nothing since the machine's start."""
        # Samples are taken about every SAMPLE_S seconds: half of that may be missing.
        older = [sample for sample in self._samples if sample.time <= then + SAMPLE_S / 2]
        if older or self._samples:
            return older[-1] if older else self._samples[0]
        nothing = Ticks(0, 0, 0, 0)
        return Sample(0.0, (nothing,) * (1 + (os.cpu_count() or 1)), 0)

    def _own_stat(self) -> tuple[str, list[str]]:
        """Name and the fields behind it; the name may hold blanks and brackets."""
        head, _, rest = self._read("self/stat").rpartition(")")
        return head.partition("(")[2], rest.split()

    def _net(self, name: str) -> list[str]:
        """Lines of a table of the network; none where the kernel has no such protocol."""
        with suppress(FileNotFoundError):
            return (self.proc / "net" / name).read_text().splitlines()
        return []

    def _attribute(self, nic: str, name: str) -> str:
        """ "" = the NIC does not tell."""
        with suppress(OSError):
            return (self.sys / "class" / "net" / nic / name).read_text().strip()
        return ""

    def _read(self, name: str) -> str:
        try:
            return (self.proc / name).read_text()
        except OSError as problem:
            raise Unavailable("the supervisor's machine", f"does not tell: {problem}") from problem


def _ticks(values: list[int]) -> Ticks:
    user, nice, system, idle, waiting, irq, soft, stolen, *_ = values
    return Ticks(user + nice, system + irq + soft + stolen, idle + waiting, irq + soft)


def _share(now: Ticks, then: Ticks) -> Share:
    total = max(1, now.total - then.total)
    spent = (now.user - then.user, now.kernel - then.kernel, now.idle - then.idle, now.interrupts - then.interrupts)
    user, kernel, idle, interrupts = (100.0 * max(0, ticks) / total for ticks in spent)
    return Share(user, kernel, idle, interrupts)


def _little(digits: str) -> IPv4Address:
    """An address as /proc/net has it, in the byte order of the machine."""
    return IPv4Address(struct.pack("=I", int(digits, 16)))


def _dotted(mac: str) -> str:
    digits = mac.replace(":", "")
    return f"{digits[:4]}.{digits[4:8]}.{digits[8:]}"
