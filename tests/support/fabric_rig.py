"""A supervisor inside the test: store, fabric, migrations and manager API, served on a unix socket."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from dvswitch.v1 import fabric_pb2, fabric_pb2_grpc, manager_pb2_grpc
from tests.support.fake_module import PATIENCE, FakeModule
from vsm.api.manager import ManagerService
from vsm.events.bus import EventBus
from vsm.fabric.runtime import FabricRuntime
from vsm.fabric.service import FabricService
from vsm.fabric.session import Timing
from vsm.listen import bind, make_server
from vsm.mobility.driver import Mobility, Patience
from vsm.model.niv import HostMode
from vsm.model.settings import Settings
from vsm.model.state import PortProfile, ProfileType, State, Vlan
from vsm.store.sqlite import SqliteStore
from vsm.supervisor import Supervisor


def host(number: int) -> str:
    """A host's UUID."""
    return f"00000000-0000-4000-8000-0000000000{number:02x}"


def mac(number: int) -> str:
    """A NIC's MAC address."""
    return f"52:54:00:00:{number >> 8:02x}:{number & 255:02x}"


def with_profile(
    name: str, vlan: int = 10, max_ports: int = 32, kind: ProfileType = ProfileType.VETHERNET
) -> Callable[[State], State]:
    """A change that makes (or edits) an enabled access profile and its VLAN."""

    def change(state: State) -> State:
        config, inventory = state.config, state.inventory
        known = config.profiles.get(name)
        if known is None:
            known = PortProfile(name, kind, policy_id=inventory.next_policy_id)
            inventory = replace(inventory, next_policy_id=inventory.next_policy_id + 1)
        settings = Settings(access_vlan=vlan, shutdown=False)
        profile = replace(known, settings=settings, enabled=True, max_ports=max_ports)
        config = replace(config, vlans={**config.vlans, vlan: Vlan(vlan)}, profiles={**config.profiles, name: profile})
        return replace(state, config=config, inventory=inventory)

    return change


FAST = Timing(heartbeat=0.1, absent=60.0, counters=0.1, persist=0.2)
DRAIN_TIMEOUT = 60.0
"""Seconds; like ``absent``, longer than any test takes, so that only a test about it meets it."""


class Rig:
    """``async with Rig(tmp_path) as rig`` - a served supervisor with profile "web"."""

    def __init__(
        self,
        directory: Path,
        timing: Timing = FAST,
        drain_timeout: float = DRAIN_TIMEOUT,
        prepare_timeout: float = 3600.0,
    ) -> None:
        self.directory = directory
        self.address = f"unix:{directory / 'f.sock'}"
        self._timing, self._patience = timing, Patience(prepare=prepare_timeout, drain=drain_timeout)
        self._closed = False

    async def __aenter__(self) -> Rig:
        self.store = SqliteStore(self.directory / "vsm.db")
        self.supervisor = Supervisor(self.store)
        self.supervisor.transact(with_profile("web"))
        self.runtime = FabricRuntime(time.time)
        self.bus = EventBus(time.time)
        self.fabric = FabricService(self.supervisor, self.runtime, self.bus, self._timing)
        self.mobility = Mobility(self.supervisor, self.runtime, self.fabric, self._patience)
        self.server = make_server()
        fabric_pb2_grpc.add_FabricServicer_to_server(self.fabric, self.server)
        manager = ManagerService(self.supervisor, self.runtime, self.mobility)
        manager_pb2_grpc.add_ManagerServicer_to_server(manager, self.server)
        bind(self.server, self.address, None)
        await self.server.start()
        self.mobility.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop serving; may be called twice."""
        if self._closed:
            return
        self._closed = True
        await self.mobility.stop()
        self.fabric.stop()
        await self.server.stop(0.2)
        self.store.close()

    @property
    def state(self) -> State:
        """What is committed now."""
        return self.supervisor.state

    def module(self, number: int, **more: object) -> FakeModule:
        """A host that is not connected yet."""
        return FakeModule(self.address, host(number), f"kvm-{number}", **more)

    def vis(self, number: int) -> FakeModule:
        """A VIS that is not connected yet."""
        module = FakeModule(self.address, host(number), f"vis-{number}")
        module.hello.type = fabric_pb2.Hello.VIS
        return module

    def card(self, number: int, vis: int) -> FakeModule:
        """The card of a host on that VIS, not connected yet."""
        card = FakeModule(self.address, host(number), f"kvm-{number}")
        card.hello.role, card.hello.through, card.hello.incarnation = fabric_pb2.Hello.CARD, host(vis), "card"
        return card

    def mode(self, slot: int, mode: HostMode) -> None:
        """Set a module's mode."""

        def change(state: State) -> State:
            slots = {**state.config.slots, slot: replace(state.config.slots[slot], mode=mode)}
            return replace(state, config=replace(state.config, slots=slots))

        self.supervisor.transact(change)

    async def until(self, ready: Callable[[], bool], patience: float = PATIENCE) -> None:
        """Wait for something that is not announced anywhere."""
        async with asyncio.timeout(patience):
            while not ready():  # noqa: ASYNC110 - polled, with a deadline
                await asyncio.sleep(0.005)
