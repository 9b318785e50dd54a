"""LACP with the bonding driver of a real Linux machine as the partner, on both engines."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from scapy.utils import wrpcap  # type: ignore[import-untyped]

from dvswitch.lacp import State
from dvswitch.v1 import fabric_pb2 as fabric
from dvswitch.v1 import types_pb2 as pb
from tests.agent.supervisor import BASICS, UPLINK, WEB, policy, until
from tests.teaming.live import KINDS, LiveHost, live_host
from tests.vm.guest_image import GuestUnavailable, extra_modules, guest_image
from tests.vm.qemu import Guest, TapNic
from vem.agent import show
from vem.agent.status import status_of
from vem.datapath.image import Method

pytestmark = [pytest.mark.kernel, pytest.mark.qemu]
LAG = fabric.Change(
    set_policy=pb.Policy(
        id=UPLINK,
        profile="UPLINK",
        mode=pb.Policy.TRUNK,
        allowed="1,10,20",
        vlan=1,
        channel=pb.ChannelGroup(mode=pb.ChannelGroup.ACTIVE),
    )
)
FLAT = policy(WEB, "web", 1)
BOND = """
for module in /tmp/*.ko; do insmod $module 2>/dev/null; done
[ -d /sys/class/net/bond0 ] || echo +bond0 > /sys/class/net/bonding_masters
cd /sys/class/net/bond0/bonding
echo 802.3ad > mode; echo 100 > miimon; echo fast > lacp_rate
ip link set bond0 up
for n in 0 1; do ip link set eth$n down; echo +eth$n > slaves; done
ip address add 10.0.0.9/24 dev bond0
"""
PATIENCE = 90.0
"""Seconds; a member is lost after three missed LACPDUs at one a second, and Linux takes its time to join one."""


@contextmanager
def linux_bond(host: LiveHost) -> Iterator[Guest]:
    """A machine whose eth0 and eth1 are at the other ends of the host's uplinks."""
    try:
        modules = extra_modules(guest_image())
    except GuestUnavailable as problem:
        pytest.skip(str(problem))
    files = {f"tmp/{number:02}-{name}": content for number, (name, content) in enumerate(modules.items())}
    nics = [TapNic(f"52:54:00:00:09:0{n}", f"up{n}") for n in (1, 2)]
    with Guest("bond", nics, where=host.where, files=files) as guest:
        guest.wait_ready()
        guest.run(BOND)
        yield guest


def check_frames(host: LiveHost, sent: list[tuple[int, bytes]], path: Path) -> None:
    """Wireshark finds nothing wrong with what either side said."""
    heard = [frame for cable in host.cables.values() for frame in iter(cable.receive, None)]
    slow = [frame for frame in [*heard, *(frame for _, frame in sent)] if frame[12:14] == b"\x88\x09"]
    assert len(slow) > 5
    if not shutil.which("tshark"):
        return
    wrpcap(str(path), slow)
    fields = ["-T", "fields", "-e", "lacp.version", "-e", "_ws.malformed", "-e", "_ws.expert.severity"]
    done = subprocess.run(["tshark", "-r", str(path), *fields], capture_output=True, text=True, check=True, timeout=120)
    assert set(done.stdout.splitlines()) == {"0x01\t\t"}


async def lag_is(host: LiveHost, *members: int) -> None:
    """Wait until exactly these uplinks carry traffic, in the datapath."""
    image = host.bench.agent.datapath
    lports = tuple(host.bench.agent.holdings.uplinks[number].lport for number in members)
    wanted = {(lports, Method.IP_HASH)} if lports else set()

    def settled() -> bool:
        ports = [view for _, view in host.bench.agent.control.lacp.view(time.monotonic()) if view.number in members]
        partner_takes = all(State.COLLECTING in view.partner.state for view in ports)
        return partner_takes and {(team.uplinks, team.method) for team in image.image.teams.values()} == wanted

    await until(settled, f"LAG of {members}", PATIENCE)


async def ping(host: LiveHost) -> bool:
    answer = await asyncio.to_thread(host.guests[5].run, "ping", "-c3", "-i0.2", "-W20", "10.0.0.9", check=False)
    return "3 received" in answer


@pytest.mark.parametrize("kind", KINDS)
async def test_lag_with_a_linux_bond(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with live_host(kind, guests=(5,), basics=(*BASICS, LAG, FLAT), taps=True) as host:
        sent: list[tuple[int, bytes]] = []
        emit = host.bench.agent.datapath._emit
        monkeypatch.setattr(host.bench.agent.datapath, "_emit", lambda frames: (sent.extend(frames), emit(frames)))
        await host.attach(5)
        await lag_is(host)
        with linux_bond(host) as guest:
            await lag_is(host, 1, 2)
            assert await ping(host)
            bond = await asyncio.to_thread(guest.run, "cat /proc/net/bonding/bond0")
            assert str(host.bench.agent.control.lacp.system) in bond and "Number of ports: 2" in bond
            text = show.lacp(await status_of(host.bench.agent, "1", macs=False))
            assert text.count("forwarding") == 2 and "Eth3/1" in text
            await asyncio.to_thread(guest.run, "ip link set eth1 down")
            await lag_is(host, 1)
            assert await ping(host)
            await asyncio.to_thread(guest.run, "ip link set eth1 up")
            await lag_is(host, 1, 2)
            assert await ping(host)
            check_frames(host, sent, tmp_path / "lacp.pcap")
        await lag_is(host)
