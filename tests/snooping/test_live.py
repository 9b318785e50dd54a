"""Linux network stacks join and leave groups, on both engines; frames of a group reach its members only."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest

from dvswitch.v1 import fabric_pb2 as fabric
from dvswitch.v1 import types_pb2 as pb
from tests.agent.supervisor import BASICS, PATIENCE, until
from tests.support.multicast import joined
from tests.support.packets import FrameSocket
from tests.teaming.live import KINDS, LiveHost, live_host
from vem.datapath.image import Group

pytestmark = pytest.mark.kernel
VLAN, GROUP = 10, "239.1.2.3"
SNOOPING = fabric.Change(set_switch=pb.Switch(name="vsm", domain=1, mtu=1500, snooping=True))
KEY = Group(VLAN, socket.inet_aton(GROUP))


def from_network(cookie: bytes, group: str = GROUP) -> bytes:
    address = socket.inet_aton(group)
    body = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 48, 0, 0, 4, 17, 0, bytes([10, 0, 0, 99]), address) + cookie.ljust(28)
    to = bytes([1, 0, 0x5E, address[1] & 127, *address[2:]])
    return to + bytes.fromhex("020000000063") + b"\x81\x00\x00\x0a\x08\x00" + body


def members(host: LiveHost) -> set[int]:
    """vEths that the datapath has in the group."""
    image = host.bench.agent.datapath.image
    return {image.ports[lport].number for lport in image.groups.get(KEY, ())}


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("kind", KINDS)
async def test_groups_go_to_those_who_joined(kind: str, version: int) -> None:
    async with live_host(kind, guests=(5, 6), uplinks=1, basics=(*BASICS, SNOOPING)) as host:
        for veth, guest in host.guests.items():
            guest.write_sysctl("net.ipv4.conf.eth0.force_igmp_version", str(version))
            await host.attach(veth)
        listener = joined(host.guests[5], GROUP)
        await until(lambda: members(host) == {5}, "S-232, S-233: the join")
        with FrameSocket(host.guests[5], "eth0") as nic5, FrameSocket(host.guests[6], "eth0") as nic6:
            host.cables[1].send(from_network(b"for members"))
            host.cables[1].send(from_network(b"for all members", "224.0.0.251"))
            got = await asyncio.to_thread(nic5.collect, b"members", PATIENCE, enough=2)
            assert len(got) == 2
            others = await asyncio.to_thread(nic6.collect, b"members", PATIENCE, enough=1)
            others += await asyncio.to_thread(nic6.collect, b"members", 0.2)
            assert [b"for all" in frame for frame in others] == [True]  # S-237
            assert any(
                frame[18:19] == b"\x46" for frame in await host.collect(1, b"\x94\x04\0\0", PATIENCE, 1)
            )  # S-236
        listener.close()
        await until(lambda: members(host) == set(), "S-233: the leave")


@pytest.mark.parametrize("kind", KINDS)
async def test_hosts_that_joined_before_are_asked(kind: str) -> None:
    """S-235: without a querier the switch asks itself, and the stacks answer."""
    async with live_host(kind, guests=(5,), uplinks=1) as host:
        await host.attach(5)
        listener = joined(host.guests[5], GROUP)
        await asyncio.sleep(0.1)
        assert members(host) == set()  # snooping is off
        with FrameSocket(host.guests[5], "eth0") as nic:
            await host.bench.supervisor.applied(SNOOPING)
            queries = await asyncio.to_thread(nic.collect, b"\x94\x04\0\0", PATIENCE, enough=1)
            assert [frame[34 + 4 : 34 + 5] for frame in queries] == [b"\x11"]
            await until(lambda: members(host) == {5}, "the answer")
        listener.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_after_a_failover_receivers_are_asked_and_answer_by_the_new_uplink(kind: str) -> None:
    """S-156, S-239"""
    async with live_host(kind, guests=(5,), basics=(*BASICS, SNOOPING)) as host:
        await host.attach(5)
        assert host.pinned(5) == 2
        listener = joined(host.guests[5], GROUP)
        await until(lambda: members(host) == {5}, "the join")
        reports = socket.inet_aton("224.0.0.22")  # of IGMPv3
        await host.collect(2, reports, 2.0, 1)
        await host.collect(1, reports, 0.1)
        with FrameSocket(host.guests[5], "eth0") as nic:
            await asyncio.to_thread(nic.collect, b"\x94\x04\0\0", 0.1)
            await asyncio.to_thread(host.cut, 2)
            await until(lambda: host.pinned(5) == 1, "failover")
            queries = await asyncio.to_thread(nic.collect, b"\x94\x04\0\0", PATIENCE, enough=1)
            assert [frame[38:39] for frame in queries] == [b"\x11"]
        assert await host.collect(1, reports, PATIENCE, 1), "the answer"
        assert members(host) == {5}
        listener.close()
