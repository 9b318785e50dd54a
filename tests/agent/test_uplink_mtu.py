"""Uplinks' NICs get the MTU that the switch needs, before and after the tables as is right (S-243)."""

from __future__ import annotations

import asyncio

import pytest

from dvswitch.v1 import fabric_pb2 as fabric
from dvswitch.v1 import types_pb2 as pb
from tests.agent.supervisor import mac, until
from tests.rows.world import sized
from tests.support.packets import FrameSocket
from tests.teaming.live import KINDS, PATIENCE, LiveHost, live_host
from vem.agent.uplink_mtu import UplinkMtus
from vem.datapath.engine import EngineError, Plug

ONE, TWO = Plug("raw", "one"), Plug("raw", "two")


class Devices:
    """NICs of which one can't carry more than 4000 bytes."""

    def __init__(self) -> None:
        self.mtus = {ONE: 1500, TWO: 2000}
        self.mtu = UplinkMtus(self.read, self.write)

    def read(self, plug: Plug) -> int:
        if plug not in self.mtus:
            raise EngineError(f"device {plug.device}", "is gone")
        return self.mtus[plug]

    def write(self, plug: Plug, value: int) -> None:
        self.read(plug)
        if plug == TWO and value > 4000:
            raise EngineError("device two", f"MTU {value}: refused")
        self.mtus[plug] = value

    def change(self, wanted: dict[Plug, int]) -> tuple[dict[Plug, int], list[str], dict[Plug, int]]:
        """What they are when the tables are changed, what was refused, and what they are in the end."""
        errors = [str(error) for error in self.mtu.raise_to(wanted)]
        between = dict(self.mtus)
        self.mtu.lower_to(wanted)
        return between, errors, dict(self.mtus)


def test_raised_first_and_lowered_last_and_never_below_what_was_found() -> None:
    made = Devices()
    both = {ONE: 3000, TWO: 3000}
    assert made.change(both) == (both, [], both)
    less = {ONE: 1280, TWO: 2500}
    assert made.change(less) == (both, [], {ONE: 1500, TWO: 2500})
    assert made.change({ONE: 1600}) == ({ONE: 1600, TWO: 2500}, [], {ONE: 1600, TWO: 2000}), "one is not ours any more"


def test_a_nic_that_can_not_is_named_and_hinders_no_other() -> None:
    made = Devices()
    _, errors, after = made.change({TWO: 9000, ONE: 9000})
    assert after == {ONE: 9000, TWO: 2000}
    assert len(errors) == 1 and "device two" in errors[0]
    del made.mtus[ONE]
    made.change({TWO: 2000})
    made.mtus[ONE] = 1500
    assert made.change({ONE: 9000})[2] == {ONE: 9000, TWO: 2000}, "back, and taken for a new one"


def device_mtu(host: LiveHost, device: str) -> int:
    text = host.where.run("ip", "-o", "link", "show", device)
    return int(text.split(" mtu ")[1].split()[0])


@pytest.mark.kernel
@pytest.mark.parametrize("kind", KINDS)
async def test_larger_frames_leave_by_real_uplinks(kind: str) -> None:
    """S-243, S-004: `system mtu` alone does it, and undoes it."""
    async with live_host(kind, guests=(5,), uplinks=1) as host:
        host.network.run("ip", "link", "set", "net1", "mtu", "9000")
        for space, device in ((host.where, "vm5"), (host.guests[5], "eth0")):
            space.run("ip", "link", "set", device, "mtu", "9000")
        await host.attach(5)
        assert device_mtu(host, "up1") == 1500
        await set_mtu(host, 9000)
        collecting = asyncio.create_task(host.collect(1, bytes(1000), PATIENCE, 1))
        with FrameSocket(host.guests[5], "eth0") as nic:
            nic.send(sized(9014, b"\xff" * 6, mac(5).octets))
        assert [len(frame) for frame in await collecting] == [9018], "with its tag"
        await set_mtu(host, 1500)


async def set_mtu(host: LiveHost, mtu: int) -> None:
    """The supervisor's `system mtu`, until it is there."""
    await host.bench.supervisor.applied(fabric.Change(set_switch=pb.Switch(name="vsm", domain=1, mtu=mtu)))
    await until(lambda: device_mtu(host, "up1") == mtu, f"the NIC's MTU is {mtu}")
