"""Linux network stacks talk TCP through two hosts and a trunk: access VLAN, tag on the wire, superframes kept whole."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel.rig import Host, Switch, address
from tests.rows.row import check_accounts
from tests.rows.world import access, uplink, vnic, world
from tests.support.netns import Lab, Namespace
from tests.support.packets import FrameSocket
from tests.support.processes import PATIENCE
from vem.datapath.apply import apply_image
from vem.datapath.engine import Plug
from vem.datapath.image import Image
from vem.datapath.kernel import KernelEngine
from vem.datapath.kernel_attach import Method

pytestmark = pytest.mark.kernel

TCP = Path(__file__).with_name("tcp.py")
VLAN, UPLINK, PORT = 100, 10, 5100
BYTES = 16 << 20
TAG = bytes.fromhex("81000064")


def run_host(host: Host, switch: Switch, lport: int) -> KernelEngine:
    engine = switch.open()
    host.plug(engine)
    engine.plug(UPLINK, Plug("veth", "trunk", host.where.name))
    apply_image(engine, Image(), world(vnic(lport, access(VLAN)), uplink(UPLINK)))
    return engine


def start(where: Namespace, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(where.command(sys.executable, str(TCP), *arguments), stdout=subprocess.PIPE, text=True)


def transfer(sender: Namespace, receiver: Namespace, to: str) -> tuple[str, str]:
    """What was sent, and what arrived."""
    with start(receiver, "serve", to, str(PORT)) as server:
        try:
            assert server.stdout is not None and server.stdout.readline() == "ready\n"
            with start(sender, "send", to, str(PORT), str(BYTES)) as client:
                sent, _ = client.communicate(timeout=PATIENCE)
            arrived, _ = server.communicate(timeout=PATIENCE)
        finally:
            server.kill()
    return sent, arrived


def waiting(socket: FrameSocket) -> Iterator[bytes]:
    while (frame := socket.receive()) is not None:
        yield frame


@pytest.mark.parametrize("method", ["tcx", "clsact"])
def test_tcp_crosses_the_trunk_in_superframes(method: Method) -> None:
    with Lab() as lab, Switch("left", method) as left, Switch("right", method) as right:
        here, there = Host(lab, "left", guests=(1,)), Host(lab, "right", guests=(2,))
        lab.veth(here.where, "trunk", there.where, "trunk")
        engines = [run_host(here, left, 1), run_host(there, right, 2)]
        with FrameSocket(there.where, "trunk") as wire:
            sent, arrived = transfer(here.guests[1], there.guests[2], address(2))
            frames = list(waiting(wire))
        assert sent == arrived != ""
        assert frames and all(frame[12:16] == TAG for frame in frames), "everything on the trunk is tagged"
        assert max(map(len, frames)) > 9000, "superframes are not segmented on the way"
        for engine in engines:
            check_accounts(engine.counters())
            assert sum(sum(port.drops_out.values()) for port in engine.counters().values()) == 0
