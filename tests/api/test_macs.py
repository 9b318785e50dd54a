"""The registry of MAC addresses as managers use it: before the first power-on, at attach, and for copies of a VM."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest

from dvswitch.client import manager_stub, open_aio_channel
from dvswitch.mac import MacAddress
from dvswitch.v1 import manager_pb2 as pb
from dvswitch.v1 import types_pb2
from tests.support.fabric_rig import Rig, mac

NIC = types_pb2.Nic(vm="db1", vm_uuid="uuid-1")


@dataclass
class Managed:
    """A served supervisor and a manager's channel to it."""

    rig: Rig
    manager: Any

    async def listed(self) -> list[tuple[str, str, bool, bool, int]]:
        """(VM, address, automatic, duplicate, vEth) of the whole registry."""
        macs = (await self.manager.ListMacs(pb.ListMacsRequest())).macs
        return [(info.nic.vm, info.mac, info.automatic, info.duplicate, info.veth) for info in macs]


@pytest.fixture
async def managed(tmp_path: Path) -> AsyncIterator[Managed]:
    async with Rig(tmp_path) as rig:
        channel = open_aio_channel(rig.address)
        yield Managed(rig, manager_stub(channel))
        await channel.close()


async def refused(call: Any, code: grpc.StatusCode, words: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    assert raised.value.code() is code and words in str(raised.value.details())


async def test_an_address_before_the_first_power_on_is_the_one_it_runs_with(managed: Managed) -> None:
    """S-266, S-276."""
    made = await managed.manager.AllocateMac(pb.AllocateMacRequest(nic=NIC))
    assert made.mac.startswith("52:54:00:") and made.automatic and made.range == "QEMU-KVM"
    again = await managed.manager.AllocateMac(pb.AllocateMacRequest(nic=NIC))
    veth = await managed.manager.Attach(pb.ManagerAttachRequest(nic=NIC, profile="web"))
    assert again.mac == veth.mac == made.mac
    assert await managed.listed() == [("db1", made.mac, True, False, 1)]


async def test_attaching_without_an_address_makes_one(managed: Managed) -> None:
    first = await managed.manager.Attach(pb.ManagerAttachRequest(nic=NIC, profile="web"))
    second = await managed.manager.Attach(pb.ManagerAttachRequest(nic=types_pb2.Nic(vm="db2"), profile="web"))
    assert first.mac != second.mac and (first.veth, second.veth) == (1, 2)
    repeated = await managed.manager.Attach(pb.ManagerAttachRequest(nic=NIC, profile="web"))
    assert (repeated.veth, repeated.mac) == (1, first.mac)


async def test_addresses_by_hand(managed: Managed) -> None:
    """S-267, S-268, S-024, S-025."""
    manager, other = managed.manager, types_pb2.Nic(vm="db2")
    dotted = MacAddress.parse(mac(7)).dotted
    made = await manager.AllocateMac(pb.AllocateMacRequest(nic=NIC, mac=dotted, by_hand=True))
    assert (made.mac, made.automatic) == (mac(7), False)
    taken = pb.AllocateMacRequest(nic=other, mac=mac(7), by_hand=True)
    await refused(manager.AllocateMac(taken), grpc.StatusCode.FAILED_PRECONDITION, "belongs to NIC 0 of VM db1")
    automatic = await manager.AllocateMac(pb.AllocateMacRequest(nic=other, mac=mac(7)))
    assert automatic.mac != mac(7) and automatic.automatic
    for bad in ("30:59:b7:00:11::22", "gg:00:00:00:00:00", "001122334455667", "01:00:5e:00:00:01", "00:00:00:00:00:00"):
        request = pb.AllocateMacRequest(nic=types_pb2.Nic(vm="db3"), mac=bad, by_hand=True)
        await refused(manager.AllocateMac(request), grpc.StatusCode.INVALID_ARGUMENT, bad)
    nothing = pb.AllocateMacRequest(nic=types_pb2.Nic(vm="db3"), by_hand=True)
    await refused(manager.AllocateMac(nothing), grpc.StatusCode.INVALID_ARGUMENT, "must be told")


async def test_clones_and_moves(managed: Managed) -> None:
    """S-270, S-271, S-272."""
    manager = managed.manager
    original = await manager.Attach(pb.ManagerAttachRequest(nic=NIC, profile="web"))
    hand = types_pb2.Nic(vm="db1", vm_uuid="uuid-1", index=1)
    await manager.Attach(pb.ManagerAttachRequest(nic=hand, mac=mac(7), profile="web"))
    copy = await manager.CloneVm(pb.CloneVmRequest(vm_uuid="uuid-1", new_vm="db2"))
    assert copy.vm_uuid not in ("", "uuid-1")
    assert copy.macs[0].mac != original.mac and copy.macs[0].automatic
    assert (copy.macs[1].mac, copy.macs[1].duplicate) == (mac(7), True)
    attach = pb.ManagerAttachRequest(nic=copy.macs[1].nic, profile="web")
    await refused(
        manager.Attach(attach), grpc.StatusCode.FAILED_PRECONDITION, "belongs to vethernet 2, NIC 1 of VM db1"
    )
    moved = await manager.CloneVm(pb.CloneVmRequest(vm_uuid="uuid-1", new_vm="db9", answer=pb.CloneVmRequest.MOVED))
    assert moved.vm_uuid == "uuid-1" and [info.mac for info in moved.macs] == [original.mac, mac(7)]
    unknown = pb.CloneVmRequest(vm="nobody")
    await refused(manager.CloneVm(unknown), grpc.StatusCode.NOT_FOUND, "VM nobody")
    strange = pb.CloneVmRequest(vm_uuid="uuid-1", answer=9)  # type: ignore[arg-type]
    await refused(manager.CloneVm(strange), grpc.StatusCode.INVALID_ARGUMENT, "answer")


async def test_an_unused_address_is_given_back(managed: Managed) -> None:
    await managed.manager.AllocateMac(pb.AllocateMacRequest(nic=NIC))
    await managed.manager.ReleaseMac(pb.ReleaseMacRequest(nic=NIC))
    assert await managed.listed() == []
    await refused(
        managed.manager.ReleaseMac(pb.ReleaseMacRequest(nic=NIC)), grpc.StatusCode.NOT_FOUND, "has no MAC address"
    )
    await managed.manager.Attach(pb.ManagerAttachRequest(nic=NIC, profile="web"))
    request = pb.ReleaseMacRequest(nic=NIC)
    await refused(managed.manager.ReleaseMac(request), grpc.StatusCode.FAILED_PRECONDITION, "has vethernet 1")
