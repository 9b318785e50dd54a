"""The two captures of S2, with real frames on real devices: a frame that the network brings by both uplinks is seen
twice at PortOutput and once at VnicRx, and Wireshark says where, in which direction, and why one was dropped (S-245).
"""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.scenes import BASICS, WEB
from tests.support.fabric import Fabric, Host, home, veth
from tests.support.netns import Lab
from tests.support.packets import FrameSocket

GUEST, SENDER = bytes.fromhex("0050569dfdb1"), bytes.fromhex("0050569d4342")
EVENTS = 10
"""That a frame on both uplinks makes."""
FIELDS = ("ip.id", "frame.interface_name", "frame.packet_flags_direction", "vlan.id", "frame.comment")

pytestmark = [pytest.mark.kernel, pytest.mark.slow]


@dataclass
class Scene:
    """A guest on a host with two uplinks, whose far ends are the test's."""

    fabric: Fabric
    host: Host
    cables: list[FrameSocket]
    port: str
    pinned: int

    def capture(self, target: Path) -> None:
        """Send one numbered frame after another on both uplinks until enough was captured."""
        words = ["capture", "--protocol", "1", "--count", str(4 * EVENTS), "--write", str(target)]
        argv = [sys.executable, "-m", "vem.main", *words, "--socket", str(self.host.socket)]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            for number in range(1, 3000):
                for cable in self.cables:
                    cable.send(reply(number))
                try:
                    assert process.wait(0.1) == 0
                except subprocess.TimeoutExpired:
                    continue
                return
            process.kill()
        raise AssertionError("nothing was captured")


def reply(number: int) -> bytes:
    """The echo reply of S2, tagged 100 on the wire there and 10 here; 98 bytes without the tag."""
    head = struct.pack("!BBHHHBBH", 0x45, 0, 84, number, 0, 64, 1, 0) + bytes([192, 168, 100, 11, 192, 168, 100, 12])
    return GUEST + SENDER + bytes.fromhex("8100000a0800") + head + bytes(64)


@pytest.fixture(params=["kernel", "user"])
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    if not shutil.which("tshark"):
        pytest.skip("needs tshark: run deploy/setup.sh test as root")
    with ExitStack() as stack:
        lab, path = stack.enter_context(Lab()), stack.enter_context(home())
        space, network, guest = (lab.namespace(name) for name in ("host", "net", "guest"))
        for number in (1, 2):
            lab.veth(space, f"up{number}", network, f"net{number}")
        lab.veth(space, "vm1", guest, "eth0", peer_mac=GUEST.hex(":"))
        fabric = stack.enter_context(Fabric(path))
        fabric.configure(*BASICS)
        specs = [f"{number},profile=UPLINK,device=up{number}" for number in (1, 2)]
        host = fabric.add_host("esxi", request.param, where=space, uplinks=specs)
        number = fabric.attach_forwarding(host, "test", mac=GUEST.hex(":"), profile=WEB, plug=veth("vm1"))
        port = next(port for port in fabric.status(host).ports if port.name == f"Veth{number}")
        cables = [stack.enter_context(FrameSocket(network, f"net{n}")) for n in (1, 2)]
        yield Scene(fabric, host, cables, port.name, port.pinned_uplink)


@pytest.mark.rules("S-245", "S-245a", "S-245d", "S-245e", "S-245f", "S-116", "S-117", "S-126")
def test_port_output_twice_vnic_rx_once(scene: Scene, tmp_path: Path) -> None:
    target = tmp_path / "s2.pcapng"
    scene.capture(target)
    fields = [word for name in FIELDS for word in ("-e", name)]
    rows = [line.split("\t") for line in tshark(target, "-T", "fields", *fields).splitlines()]
    packets = [[row[1:] for row in rows if row[0] == ident] for ident in dict.fromkeys(row[0] for row in rows)]
    whole = packets[1:-1]  # the first and the last may be cut off
    assert whole
    mine, other = f"Eth3/{scene.pinned}", f"Eth3/{3 - scene.pinned}"
    ways_in = ("UplinkRcv", "PortInput", "EtherswitchDispatch")
    points = [f"{uplink}:{point}" for uplink in (mine, other) for point in ways_in]
    expected = Counter([*points, *[f"{scene.port}:PortOutput"] * 2, f"{scene.port}:VnicRx", f"{scene.port}:Drop"])
    for packet in whole:
        assert Counter(row[0] for row in packet) == expected
        by_point = {row[0].split(":")[1]: row for row in packet}
        assert by_point["Drop"][3] == f"point=Drop reason=REVERSE_TEAMING rx={other} tx={scene.port}"
        assert {point: row[2] for point, row in by_point.items() if row[2] != "10"} == {"VnicRx": ""}  # S-245a
        assert by_point["UplinkRcv"][1] != by_point["VnicRx"][1], "in by the uplink, out to the guest"
    assert tshark(target, "-Y", "_ws.malformed") == ""


def tshark(target: Path, *words: str) -> str:
    """What it prints of a capture."""
    return subprocess.check_output(["tshark", "-n", "-r", str(target), *words], text=True, timeout=60)
