"""A small switch for tests of policy and CLI: two hosts, four profiles, five vEths, and a store in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from dvswitch.errors import DvsError, Unavailable
from dvswitch.mac import MacAddress
from dvswitch.vlan import VlanSet
from tests.support.fake_runtime import FakeRuntime
from vsm.cli.service import CliReply, CliService
from vsm.model.passwords import hashed
from vsm.model.settings import PortMode, Settings
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
from vsm.runtime import Counters, LogLine, MacRow, ModuleStatus, PortStatus
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
        slot, HOSTS[slot], f"kvm-{slot}.example.net", "VEM", "kernel", "0.1.0", "Linux 6.8", f"192.0.2.{slot}", 1022
    )


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
        overrides={"Vethernet2": Settings(mac_learning=True, mac_limit=16)},
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
    )


class Terminal:
    """One CLI session over a switch of its own."""

    def __init__(self, start: State | None = None) -> None:
        self.supervisor = Supervisor(MemoryStore(state() if start is None else start))
        self.runtime = runtime()
        self.service = CliService(self.supervisor, self.runtime, lambda: NOW, self._module)
        self.asked: list[tuple[int, list[str]]] = []
        """What modules were asked, in order."""
        self.answers: dict[int, str | DvsError] = {3: "Veth1 in forged-tx: 0.3 s ago\n    what it means\n"}
        """What they say; others are not there."""

    async def _module(self, slot: int, words: Sequence[str]) -> str:
        self.asked.append((slot, list(words)))
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
