"""A small switch for tests of policy and CLI: two hosts, four profiles, five vEths, and a store in memory."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import weakref
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Interface
from pathlib import Path

from dvswitch.errors import DvsError, Unavailable
from dvswitch.mac import MacAddress
from dvswitch.vlan import VlanSet
from tests.support.fake_runtime import FakeRuntime
from vsm.cli.service import CliReply, CliService
from vsm.machine import Machine
from vsm.model.migration import Move, MoveState, MoveStep, PastMove
from vsm.model.niv import Card, HostMode, LinkState, ModeKind, Tagging, Way
from vsm.model.passwords import hashed
from vsm.model.settings import ChannelMode, PortMode, Settings
from vsm.model.state import (
    Config,
    Inventory,
    Module,
    Nic,
    PortProfile,
    ProfileType,
    State,
    Uplink,
    VemSlot,
    Veth,
    Vlan,
)
from vsm.model.users import Access, Role, Rule, User
from vsm.observed import (
    ChannelStatus,
    Discovery,
    LacpEnd,
    LacpMember,
    ManagerStatus,
    Member,
    MemberState,
    Neighbor,
    NivLink,
    SessionCounts,
    Vif,
)
from vsm.policy.catalog import catalog
from vsm.policy.wanted import PolicySpec
from vsm.runtime import Counters, LogLine, MacRow, ModuleStatus, PortStatus
from vsm.store.bootflash import Bootflash
from vsm.supervisor import Supervisor

HOSTS = {3: "1d2f8a10-55aa-4c1e-9a41-0c0ffee00033", 4: "1d2f8a10-55aa-4c1e-9a41-0c0ffee00034"}
NOW = 1_795_379_590.25
"""Sun Nov 22 20:33:10.250 2026 UTC."""


PASSWORD = "Right-h0rse"
PASSWORD_HASH = hashed(PASSWORD, bytes(16))
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f me@host"


class MemoryStore:
    """Keeps nothing beyond the process: durability is tested elsewhere."""

    def __init__(self, state: State) -> None:
        self._state = state

    def load(self) -> State:
        return self._state

    def save(self, old: State, new: State) -> None:
        self._state = new


def mac(number: int) -> MacAddress:
    """52:54:00:00:00:NN."""
    return MacAddress(b"\x52\x54\x00\x00\x00" + bytes([number]))


def veth(number: int, profile: str = "WEB", slot: int | None = 3, vm: str = "", **more: int) -> Veth:
    """A vEth of a VM of its own."""
    return Veth(number, Nic(vm or f"vm{number:02}", 0, f"vnet{number}"), mac(number), profile, slot, **more)


def module(slot: int) -> Module:
    """A joined host."""
    return Module(
        slot, HOSTS[slot], f"kvm-{slot}.example.net", "VEM", "kernel", "0.1.0", "Linux 6.8", f"192.0.2.{slot}", 1022,
        modes=(ModeKind.NIV, ModeKind.VEPA),
    )  # fmt: skip


def bare(spec: PolicySpec) -> PolicySpec:
    """What it comes to, without who said so."""
    return replace(spec, layers=(), blocked=("", ""))


def state() -> State:
    """The whole switch."""
    trunk = Settings(PortMode.TRUNK, allowed_vlans=VlanSet.of([1, 10, 20, 99]), shutdown=False, mtu=9000)
    profiles = [
        PortProfile("BASE", policy_id=1, settings=Settings(mode=PortMode.ACCESS, shutdown=False), enabled=True),
        PortProfile(
            "WEB", policy_id=2, inherit="BASE", settings=Settings(access_vlan=10), enabled=True, port_group="WEB"
        ),
        PortProfile("DB", policy_id=3, description="data bases", settings=Settings(access_vlan=20), max_ports=8),
        PortProfile("UPLINK", ProfileType.ETHERNET, policy_id=4, settings=trunk, enabled=True),
    ]
    config = Config(
        hostname="vsm-a",
        domain=100,
        vlans={1: Vlan(1, "default"), 10: Vlan(10, "web"), 20: Vlan(20), 30: Vlan(30, active=False)},
        profiles={profile.name: profile for profile in profiles},
        overrides={"Vethernet2": Settings(mac_learning=True, mac_limit=16, mac_limit_allow=False)},
        descriptions={"Vethernet2": "nested hypervisor", "Ethernet3/1": "to-leaf-1"},
        slots={slot: VemSlot(slot, uuid) for slot, uuid in HOSTS.items()},
        users={"admin": User("admin", PASSWORD_HASH, ("network-admin",)), "watch": User("watch", keys=(KEY,))},
        roles={"ports": Role("ports", "profiles only", (Rule(1, True, Access.COMMAND, "port-profile *"),))},
    )
    veths = [veth(1), veth(2, policy_id=5), veth(3, slot=4), veth(4, "DB", 4), veth(5, slot=None)]
    inventory = Inventory(
        modules={slot: module(slot) for slot in HOSTS},
        uplinks={
            (3, 1): Uplink(3, 1, "eth2", "UPLINK", link_up=True, mac="52:54:00:00:03:01"),
            (4, 1): Uplink(4, 1, "eth2", "MISSING", link_up=True),
        },
        veths={one.number: one for one in veths},
        next_policy_id=6,
    )
    return State(config, inventory, 1)


def runtime() -> FakeRuntime:
    """Host 3 is connected, host 4 is not."""
    counters = Counters(
        722583, 39434742, 238, 275158, 722345, 722400, 7279690, 1230453905, 70652, 6760722, 12, {}, {"TX_ERROR": 2}
    )
    counters.drops_in = {"FORGED_TX": 230, "RUNT": 8}
    return FakeRuntime(
        modules={3: ModuleStatus(True, NOW, 1, 1), 4: ModuleStatus(False, NOW, 1, 1)},
        totals={"Vethernet1": counters},
        macs=[MacRow(10, mac(0x99), False, 12, "Ethernet3/1", 3), MacRow(10, mac(2), True, 0, "Vethernet2", 3)],
        ports={1: PortStatus(True, True, 1), 2: PortStatus(True, True, 0)},
        log=[
            LogLine(NOW - 9, "module", "module 3", "connected", "Module 3 (kvm-3.example.net) is connected."),
            LogLine(NOW - 8, "veth", "vethernet 1", "attached", "Vethernet 1 (vm01, port-profile WEB) attached."),
            LogLine(NOW, "host", "vethernet 1", "duplicate_mac", "Module 3: 5254.0000.0001 was seen on Ethernet3/1."),
        ],
        seconds=3 * 86400 + 4 * 3600 + 12 * 60 + 9,
        channels=[lacp_channel()],
        counted={3: SessionCounts(2, 1, 10500, 10400, 10384, 10380, 1)},
        neighbours=neighbours(),
        watching=[
            ManagerStatus("KVM", "libvirt 10.0.0", "", catalog(state().config)),
            ManagerStatus("lab", "", "192.0.2.5:41000", {}),
        ],
    )


UPLINKS = (
    (1, MemberState.UP, 0x3F),
    (2, MemberState.UP, 0x3D),
    (3, MemberState.SUSPENDED, 0x02),
    (4, MemberState.STANDBY, 0x07),
    (5, MemberState.INDIVIDUAL, 0x3B),
    (6, MemberState.DOWN, 0x02),
)
"""Members of host 3's channel: number, state, the partner's LACP bits."""


def with_channels(mode: ChannelMode = ChannelMode.ACTIVE) -> State:
    """The switch with its UPLINK profile made a bundle: six uplinks on host 3, one on host 4 that never came."""
    start = state()
    uplink = start.config.profiles["UPLINK"]
    profiles = {**start.config.profiles, "UPLINK": replace(uplink, settings=replace(uplink.settings, channel=mode))}
    uplinks = {
        **start.inventory.uplinks,
        **{(3, n): Uplink(3, n, f"eth{n + 1}", "UPLINK", True, mac=f"52:54:00:00:03:0{n}") for n, _, _ in UPLINKS},
        (4, 1): Uplink(4, 1, "eth2", "UPLINK"),
    }
    inventory = replace(start.inventory, uplinks=uplinks, channels={(3, 4): 1, (4, 4): 7})
    return replace(start, config=replace(start.config, profiles=profiles), inventory=inventory)


def with_moves() -> State:
    """The switch with a vEth that moves, one that did, and one whose manager thought better of it."""
    start, began = state(), 1_795_379_587.25

    def steps(*found: tuple[MoveState, float, str]) -> tuple[MoveStep, ...]:
        return tuple(MoveStep(where, began + after, cause) for where, after, cause in found)

    prepared, paused = (MoveState.PREPARED, 0.0, "begin"), (MoveState.PAUSED, 2.125, "commit")
    activated = (MoveState.ACTIVATED, 2.131, "drained")
    move = Move(1, 3, 4, MoveState.PAUSED, 4, asked_by="libvirt on kvm-1", steps=steps(prepared, paused))
    done = steps(prepared, paused, activated, (MoveState.DONE, 2.14, "applied"))
    cancelled = steps(prepared, (MoveState.CANCELLED, 4.0, "cancelled by operator"), (MoveState.DONE, 4.002, "applied"))
    past = {7: PastMove(2, 4, 3, 3, "done", "manager", done)}
    past[8] = PastMove(3, 4, 3, 2, "cancelled", "manager", cancelled)
    return replace(start, inventory=replace(start.inventory, moves={1: move}, past_moves=past))


def lacp_channel() -> ChannelStatus:
    """Host 3's channel, with a member in each state."""
    return ChannelStatus(3, 4, tuple(_member(*one) for one in UPLINKS))


def _member(number: int, found: MemberState, bits: int) -> Member:
    heard = found not in (MemberState.SUSPENDED, MemberState.DOWN)
    system = MacAddress.parse("00:23:04:ee:be:0a") if heard else MacAddress(bytes(6))
    partner = LacpEnd(system, 0x8000, 0x8001, 0x8000, 0x100 + number, bits) if heard else LacpEnd(system, 0, 0, 0, 0, 2)
    lacp = LacpMember(LacpEnd(mac(3), 0x8000, 4, 0x8000, number, 0x3F), partner, 90 + number, 80 + number, 0, 1234)
    return Member(number, found, 0, 10_000, lacp)


def neighbours() -> list[Neighbor]:
    """Two that LLDP found, two that CDP found."""
    lldp, cdp = Discovery.LLDP, Discovery.CDP
    return [
        Neighbor(
            3, 1, lldp, "52:54:00:00:0a:00", "Ethernet1/1", "to kvm-3", "leaf-1", "NX-OS 9.3 of somewhere", "",
            0x14, 0x04, ("192.0.2.101",), 1, 120, 97,
        ),
        Neighbor(3, 2, lldp, "52:54:00:00:0b:00", "52:54:00:00:0b:02", hold=120, left=5, enabled=0x84),
        Neighbor(
            3, 1, cdp, "leaf-1.dc1.example.net(FOC1234)", "Ethernet1/1", "", "leaf-1", "NX-OS 9.3 of somewhere",
            "N9K-C93180YC", 0x29, 0, ("192.0.2.101",), 1, 180, 137,
        ),
        Neighbor(3, 2, cdp, "leaf-2", "Ethernet1/2", platform="Linux on x86 64", capabilities=0x10, hold=180, left=9),
    ]  # fmt: skip


def flash() -> Bootflash:
    """A bootflash with one file, gone when nobody uses it any more."""
    files = Bootflash(Path(tempfile.mkdtemp(prefix="dvs-flash-")))
    weakref.finalize(files, shutil.rmtree, files.directory, ignore_errors=True)
    path = files.directory / "base.cfg"
    path.write_text("hostname vsm-z\nvlan 40\n  name forty\n")
    os.utime(path, (NOW, NOW))
    return files


def machine() -> Machine:
    """A machine that is always the same: a NIC eth0 in the network."""
    files = Path(__file__).parents[1] / "cli" / "machine"
    return Machine(files / "proc", files / "sys", lambda _: IPv4Interface("192.0.2.10/24"))


class Terminal:
    """One CLI session over a switch of its own."""

    def __init__(self, start: State | None = None) -> None:
        self.supervisor = Supervisor(MemoryStore(state() if start is None else start))
        self.runtime = runtime()
        self.now = NOW
        self.files = flash()
        self.service = CliService(
            self.supervisor, self.runtime, lambda: self.now, self._module, files=self.files, machine=machine()
        )
        self.asked: list[tuple[int, list[str]]] = []
        """What modules were asked, in order."""
        self.answers: dict[int, str | DvsError] = {
            3: "Veth1 in forged-tx: 0.3 s ago\n    what it means\n    ffff ff52\n"
        }
        """What they say; others are not there."""

    async def _module(self, slot: int, words: Sequence[str]) -> str:
        self.asked.append((slot, list(words)))
        if list(words) == ["show", "groups"] and slot in self.answers:
            return "VLAN  Group      Members\n  10  239.1.1.1  Veth1, Veth2\n  20  ff05::99   Veth2\n"
        answer = self.answers.get(slot, Unavailable(f"module {slot}", "is not connected"))
        if isinstance(answer, DvsError):
            raise answer
        return answer

    @property
    def state(self) -> State:
        return self.supervisor.state

    def run(self, *lines: str) -> CliReply:
        """Run lines; the reply to the last.  Any other that is refused fails the test."""
        for line in lines[:-1]:
            reply = self._one(line)
            assert reply.ok, f"{line}: {reply.output}"
        return self._one(lines[-1])

    def _one(self, line: str) -> CliReply:
        return asyncio.run(self.service.run("test", line))

    def configure(self, *lines: str) -> CliReply:
        """Likewise, in configuration mode."""
        return self.run("configure terminal", *lines)

    def words(self, line: str) -> list[str]:
        """What may come next."""
        return [candidate.word for candidate in self.service.complete("test", line)]


def niv_terminal() -> Terminal:
    """A session where host 3 is in mode NIV, its card connected, and host 4 has heard of a VIS that refuses it."""
    start, vis = state(), "1d2f8a10-55aa-4c1e-9a41-0c0ffee00099"
    slots = {**start.config.slots, 3: replace(start.config.slots[3], mode=HostMode(ModeKind.NIV, Tagging.VNTAG))}
    inventory = replace(start.inventory, ways={3: (Way(1, vis),)}, cards={3: Card(vis)})
    terminal = Terminal(replace(start, config=replace(start.config, slots=slots), inventory=inventory))
    vifs = (Vif(1, 1, True), Vif(2, 2, False), Vif(0, 3, False, "new guest", 1))
    terminal.runtime.niv = {
        3: (NivLink(1, vis, "vis-a", "port 7", Tagging.VNTAG, LinkState.UP, "", vifs),),
        4: (NivLink(1, vis, "vis-b", "p8", Tagging.NONE, LinkState.REFUSED, "space of VIFs is used up"),),
    }
    terminal.runtime.cards = {3: ModuleStatus(True, NOW)}
    return terminal
