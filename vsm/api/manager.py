"""The manager API: hypervisor managers announce NICs, take them away, and move them step by step."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from random import Random, SystemRandom
from typing import Any
from urllib.parse import unquote

from dvswitch.errors import InvalidValue, NotFound
from dvswitch.mac import MacAddress
from dvswitch.v1 import manager_pb2, manager_pb2_grpc, types_pb2
from vsm.api.catalog import CatalogService
from vsm.api.status import answering, streaming
from vsm.api.views import mac_info, port_group_update, veth_info
from vsm.fabric import wire
from vsm.fabric.runtime import FabricRuntime
from vsm.mobility.driver import Mobility, Outcome
from vsm.model import lifecycle, macs
from vsm.model.state import MacLease, Nic, State, Veth
from vsm.observed import ManagerStatus
from vsm.policy.catalog import profile_of_group
from vsm.supervisor import Supervisor

_DEFAULT_STEP = 10.0
"""Seconds for one step of a migration when the caller does not say."""
_MAX_REQUESTER = 64
"""Characters that are kept of who asks for a migration."""


class ManagerService(manager_pb2_grpc.ManagerServicer):
    """Serves hypervisor managers."""

    def __init__(
        self, supervisor: Supervisor, runtime: FabricRuntime, mobility: Mobility, random: Random | None = None
    ) -> None:
        self._catalog = CatalogService(supervisor, runtime)
        self._supervisor, self._runtime, self._mobility = supervisor, runtime, mobility
        self._random = random or SystemRandom()

    @answering
    async def Attach(self, request: manager_pb2.ManagerAttachRequest) -> manager_pb2.VethInfo:
        """Make or find the vEth of a NIC."""
        nic = wire.read_nic(request.nic)
        given = MacAddress.station(request.mac) if request.mac else None
        if bool(request.profile) == bool(request.port_group):
            raise InvalidValue(macs.nic_text(nic), "needs either a profile or a port_group", "set one of them")

        def provision(state: State) -> State:
            profile = request.profile or profile_of_group(state.config, request.port_group)
            if given is None:
                state = macs.allocated(state, nic, self._random)
            mac = given or macs.entry_of(state, nic).lease.mac
            return lifecycle.provisioned(state, nic, mac, profile)

        state = self._supervisor.transact(provision)
        return self._info(lifecycle.find_veth(state, nic, given or macs.entry_of(state, nic).lease.mac))

    @answering
    async def Detach(self, request: manager_pb2.DetachRequest) -> manager_pb2.VethInfo:
        """The NIC is gone from where it is."""
        number = self._number(request.veth, request.nic)
        state = self._supervisor.transact(lambda state: lifecycle.released(state, number))
        return self._info(state.inventory.veths[number])

    @answering
    async def Migrate(self, request: manager_pb2.MigrateRequest) -> manager_pb2.MigrateReply:
        """One step of a migration."""
        number, seconds = self._number(request.veth, request.nic), request.timeout_ms / 1000 or _DEFAULT_STEP
        by = request.requester[:_MAX_REQUESTER] or "manager"
        match request.step:
            case manager_pb2.MigrateRequest.BEGIN:
                target = self._mobility.find_target(request.target_host)
                return _reply(await self._mobility.begin(number, target, seconds, by))
            case manager_pb2.MigrateRequest.CHECK:
                return _reply(self._mobility.check(number, self._mobility.find_target(request.target_host)))
            case manager_pb2.MigrateRequest.COMMIT:
                return _reply(await self._mobility.commit(number, seconds))
            case manager_pb2.MigrateRequest.CANCEL:
                return _reply(await self._mobility.cancel(number, seconds, by))
        raise InvalidValue("migration step", f"{request.step} is unknown", "use BEGIN, COMMIT, CANCEL or CHECK")

    @answering
    async def ListVeths(self, request: manager_pb2.ListVethsRequest) -> manager_pb2.ListVethsReply:
        """All vEths, by number."""
        veths = self._supervisor.state.inventory.veths
        return manager_pb2.ListVethsReply(veths=[self._info(veths[number]) for number in sorted(veths)])

    @answering
    async def AllocateMac(self, request: manager_pb2.AllocateMacRequest) -> manager_pb2.MacInfo:
        """Give a NIC its address before it is plugged in."""
        nic = wire.read_nic(request.nic)
        mac = MacAddress.station(request.mac) if request.mac else None
        if not request.by_hand:
            state = self._supervisor.transact(lambda state: macs.allocated(state, nic, self._random, mac))
        elif mac is None:
            raise InvalidValue(macs.nic_text(nic), "an address chosen by hand must be told", "set mac")
        else:
            state = self._supervisor.transact(lambda state: macs.reserved(state, nic, mac))
        return mac_info(macs.entry_of(state, nic))

    @answering
    async def ReleaseMac(self, request: manager_pb2.ReleaseMacRequest) -> manager_pb2.MacInfo:
        """Give up the address of a NIC that has no vEth."""
        nic = wire.read_nic(request.nic)
        entry = macs.entry_of(self._supervisor.state, nic)
        self._supervisor.transact(lambda state: macs.released(state, nic))
        return mac_info(entry)

    @answering
    async def CloneVm(self, request: manager_pb2.CloneVmRequest) -> manager_pb2.CloneVmReply:
        """Addresses for a VM that was made from another."""
        source = macs.Machine(request.vm, request.vm_uuid)
        target = macs.Machine(request.new_vm, request.new_vm_uuid)
        leases: list[MacLease] = []
        if request.answer not in manager_pb2.CloneVmRequest.Answer.values():
            raise InvalidValue("answer", f"{request.answer} is unknown", "use COPIED, MOVED or UNATTENDED")

        def clone(state: State) -> State:
            state, found = macs.duplicated(state, source, target, macs.Answer(request.answer), self._random)
            leases.extend(found)
            return state

        state = self._supervisor.transact(clone)
        infos = [mac_info(macs.entry_of(state, lease.nic)) for lease in leases]
        return manager_pb2.CloneVmReply(vm_uuid=leases[0].nic.vm_uuid, macs=infos)

    @answering
    async def ListMacs(self, request: manager_pb2.ListMacsRequest) -> manager_pb2.ListMacsReply:
        """All addresses and their NICs."""
        return manager_pb2.ListMacsReply(macs=[mac_info(entry) for entry in macs.registry(self._supervisor.state)])

    @streaming
    async def WatchPortGroups(
        self, request: manager_pb2.WatchPortGroupsRequest, context: Any
    ) -> AsyncIterator[manager_pb2.PortGroupUpdate]:
        """The catalogue and its changes."""
        peer = context.peer()
        address = "" if peer.startswith("unix") else unquote(peer.partition(":")[2])
        async with aclosing(self._catalog.watch(ManagerStatus(request.manager, request.version, address))) as updates:
            async for update in updates:
                yield port_group_update(update)

    def _info(self, veth: Veth | None) -> manager_pb2.VethInfo:
        assert veth is not None
        return veth_info(self._supervisor.state, self._runtime, veth)

    def _number(self, number: int, nic: types_pb2.Nic) -> int:
        """The vEth meant by its number, or else by its NIC."""
        veths = self._supervisor.state.inventory.veths
        if number:
            if number not in veths:
                raise NotFound(f"vethernet {number}", "does not exist")
            return number
        wanted = wire.read_nic(nic)
        found = lifecycle.find_veth(self._supervisor.state, wanted) or self._by_name(wanted)
        if found is None:
            raise NotFound(f"NIC {wanted.index} of VM {wanted.vm}", "is not known", "attach it first")
        return found.number

    def _by_name(self, wanted: Nic) -> Veth | None:
        """A caller may know the VM's name only, although its manager gave a UUID."""
        veths = self._supervisor.state.inventory.veths.values()
        found = [veth for veth in veths if (veth.nic.vm, veth.nic.index) == (wanted.vm, wanted.index)]
        return found[0] if len(found) == 1 else None


def _reply(outcome: Outcome) -> manager_pb2.MigrateReply:
    return manager_pb2.MigrateReply(
        veth=outcome.veth, state=outcome.state.value, generation=outcome.generation, slot=outcome.slot
    )
