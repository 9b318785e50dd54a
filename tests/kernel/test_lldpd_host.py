"""A host's uplink and lldpd find each other, by LLDP and by CDP, with either engine (S-220 to S-224)."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dvswitch import cdp, lldp
from dvswitch.v1 import fabric_pb2 as fabric
from dvswitch.v1 import types_pb2 as pb
from tests.agent.supervisor import until
from tests.kernel.test_lldpd import lldpcli, room
from tests.support import tshark
from tests.support.netns import Namespace
from tests.teaming.live import KINDS, LiveHost, live_host

__all__ = ["room"]

pytestmark = pytest.mark.kernel
PATIENCE = 90.0
LINK = "net1"
START = 'mkdir -p /run/lldpd; mount -t tmpfs none /run/lldpd; exec lldpd -d -u "$0" -I net1 -c -S "a stranger"'
NAME = "alpha"
LISTENS = {"lldp": 0x88CC.to_bytes(2, "big"), "cdp": b"\x01\x00\x0c\xcc\xcc\xcc"}


def switch(**modes: Any) -> fabric.Change:
    """The switch's settings with these modes; the rest is off."""
    return fabric.Change(set_switch=pb.Switch(name="vsm", domain=1, mtu=1500, **modes))


@contextmanager
def lldpd(where: Namespace, path: Path) -> Iterator[None]:
    """The daemon, on the network's end of the first cable."""
    if not shutil.which("lldpd"):
        pytest.skip("needs lldpd: run deploy/setup.sh test as root")
    command = where.command("unshare", "-m", "bash", "-c", START, str(path))
    daemon = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        daemon.terminate()
        daemon.wait(PATIENCE)


async def ask(where: Namespace, path: Path, *words: str) -> str:
    """An answer of lldpd, as key=value lines; empty while it does not listen yet."""
    return await asyncio.to_thread(lldpcli, where, path, "-f", "keyvalue", *words)


async def lldpd_ready(where: Namespace, path: Path) -> None:
    """Wait until lldpd hears on its link, and make it speak often."""
    end = asyncio.get_running_loop().time() + PATIENCE
    while LINK not in await ask(where, path, "show", "interfaces"):
        assert asyncio.get_running_loop().time() < end, "lldpd does not listen"
        await asyncio.sleep(0.1)
    await ask(where, path, "configure", "lldp", "tx-interval", "1")


def reported(host: LiveHost) -> list[Any]:
    """What the agent told the supervisor last."""
    reports = host.bench.supervisor.all("neighbors")
    return list(reports[-1].neighbors) if reports else []


async def until_lldpd(host: LiveHost, path: Path, *lines: str, gone: bool = False) -> str:
    """Wait until lldpd knows all of this, or nothing any more."""
    end = asyncio.get_running_loop().time() + PATIENCE
    while True:
        text = await ask(host.network, path, "show", "neighbors", "details")
        if (gone and LINK not in text) or (not gone and all(line in text for line in lines)):
            return text
        assert asyncio.get_running_loop().time() < end, f"lldpd knows: {text}"
        await asyncio.sleep(0.1)


def goodbye(frames: list[bytes], host: LiveHost, protocol: str) -> bool:
    """Take in what came out of the cable; whether the last of our frames wants to be forgotten."""
    at = slice(12, 14) if protocol == "lldp" else slice(0, 6)
    frames += [frame for frame in iter(host.cables[1].receive, None) if frame[at] == LISTENS[protocol]]
    return bool(frames) and (lldp.decode if protocol == "lldp" else cdp.decode)(frames[-1]).ttl == 0


EXPECTED = {
    "lldp": ("via=LLDP", "port.descr=vsm uplink 1"),
    "cdp": ("via=CDPv2", "port.ttl=180", "vlan.vlan-id=1"),
}
BOTH_SAY = (f"chassis.name={NAME}", "chassis.descr=dvswitch", "chassis.Bridge.enabled=on", "port.ifname=up1")


@pytest.mark.rules("S-220", "S-221", "S-222", "S-224")
@pytest.mark.parametrize("protocol", ["lldp", "cdp"])
@pytest.mark.parametrize("kind", KINDS)
async def test_lldpd_and_the_host_find_each_other(kind: str, protocol: str, room: Path, tmp_path: Path) -> None:
    path = room / "lldpd"
    async with live_host(kind, guests=(), uplinks=1) as host:
        with lldpd(host.network, path):
            await lldpd_ready(host.network, path)
            await host.bench.supervisor.applied(switch(**{protocol: pb.BOTH}))
            await until_lldpd(host, path, *(f"{LINK}.{line}" for line in (*EXPECTED[protocol], *BOTH_SAY)))
            (found,) = await until(lambda: reported(host), "a neighbour is told to the supervisor", PATIENCE)
            assert (found.uplink, pb_name(found)) == (1, protocol.upper())  # the other protocol is not listened to
            assert found.system_description == "a stranger" or protocol == "cdp"
            assert found.port and found.chassis and 0 < found.left_s <= found.hold_s
            await host.bench.supervisor.applied(switch())
            if protocol == "lldp":  # what a holdtime of 0 means in CDP, lldpd does not know
                await until_lldpd(host, path, gone=True)
            assert await until(lambda: reported(host) == [], "nobody is listened to", PATIENCE)
            frames: list[bytes] = []
            await until(lambda: goodbye(frames, host, protocol), "the network hears a goodbye", PATIENCE)
            mac = host.bench.agent.holdings.uplinks[1].mac
            assert len(frames) >= 2 and {frame[6:12] for frame in frames} == {mac.octets}
            hold = {"lldp": "lldp.time_to_live", "cdp": "cdp.ttl"}[protocol]
            rows = tshark.fields(tmp_path, frames, hold, "_ws.expert.severity")
            assert rows[0][0] == {"lldp": "120", "cdp": "180"}[protocol] and rows[-1][0] == "0"
            assert {row[1] for row in rows} == {""}


def pb_name(found: Any) -> str:
    """The protocol's name."""
    return str(fabric.Neighbor.Protocol.Name(found.protocol))
