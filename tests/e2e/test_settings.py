"""Lines typed at the supervisor, seen in what real hosts do with frames: tagging by guest and by network, and settings
that must at least be taken without a refusal."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.scenes import DB, WEB, WEB_VLAN, WireScene, wire_scene
from tests.support.fabric import Host, wire
from tests.support.processes import PATIENCE, wait_until

pytestmark = pytest.mark.slow

EXTERNAL, GUEST = "external", "guest"
PROFILES = f"""\
port-profile type ethernet UPLINK
  switchport trunk native vlan untagged
port-profile type vethernet {EXTERNAL}
  switchport access vlan untagged
  no shutdown
  state enabled
port-profile type vethernet {GUEST}
  switchport mode trunk
  switchport trunk native vlan untagged
  no shutdown
  state enabled
"""
EVERYTHING = f"""\
security preset vss
mac address-table aging-time 60
ip igmp snooping
ip igmp snooping query-interval 60
teaming up-delay 200
port-profile type vethernet {DB}
  security promiscuous accept
  spanning-tree bpduguard disable
  mac-learning
  mac-learning limit 5 action allow
  storm-control broadcast level pps 1000
  storm-control multicast level pps 1000
  storm-control unknown-unicast level pps 1000
  teaming active 1
  teaming standby 2
  teaming unused 3
  teaming failback no
  teaming notify-switches no
  teaming failure-detection beacon
  pinning id 1 backup 2
port-profile type ethernet UPLINK
  channel-group auto mode on mac-pinning
"""


class Guest:
    """A NIC whose frames the test sends and sees."""

    def __init__(self, scene: WireScene, host: Host, number: int, profile: str) -> None:
        self.mac = bytes([2, 0, 0, 0, 0x30, number])
        near, far = scene.path / f"port.{number}", scene.path / f"guest.{number}"
        self._socket = _bound(far)
        self._port = str(near)
        text = self.mac.hex(":")
        self.veth = scene.fabric.attach_forwarding(host, f"vm{number}", mac=text, profile=profile, plug=wire(near, far))

    def close(self) -> None:
        self._socket.close()

    def broadcast(self, cookie: bytes, vlan: int | None = None) -> None:
        tag = b"" if vlan is None else b"\x81\x00" + vlan.to_bytes(2, "big")
        frame = b"\xff" * 6 + self.mac + tag + b"\x88\xb5" + cookie
        self._socket.sendto(frame.ljust(64, b"\0"), self._port)

    def hears(self, cookie: bytes, seconds: float = PATIENCE) -> bytes | None:
        """The tag, or b"", of the frame with this cookie; None if it does not come."""
        while select.select([self._socket], [], [], seconds)[0]:
            frame = self._socket.recv(2048)
            if cookie in frame:
                return frame[12:16] if frame[12:14] == b"\x81\x00" else b""
        return None


def _bound(path: Path) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    made.bind(str(path))
    return made


@pytest.fixture(scope="module")
def scene() -> Iterator[WireScene]:
    with wire_scene() as made:
        made.fabric.configure(PROFILES)
        yield made


def test_frames_that_are_tagged_by_the_network_the_switch_or_the_guest(scene: WireScene) -> None:
    """S-030, S-031, S-035, S-036 between two hosts, over a trunk of a physical switch."""
    with ExitStack() as stack:
        places = [(scene.alpha, EXTERNAL), (scene.beta, EXTERNAL), (scene.beta, GUEST), (scene.beta, WEB)]
        guests = [Guest(scene, host, number, profile) for number, (host, profile) in enumerate(places, start=1)]
        for guest in guests:
            stack.callback(guest.close)
        near, external, tagging, web = guests
        near.broadcast(b"from external")
        assert external.hears(b"from external") == b"" and tagging.hears(b"from external") == b""
        tagging.broadcast(b"tagged", vlan=WEB_VLAN)
        assert web.hears(b"tagged") == b""
        tagging.broadcast(b"untagged")
        assert near.hears(b"untagged") == b"" and external.hears(b"untagged") == b""
        web.broadcast(b"from web")
        assert tagging.hears(b"from web") == b"\x81\x00" + WEB_VLAN.to_bytes(2, "big")
        assert web.hears(b"from external", 0.2) is None and near.hears(b"from web", 0.2) is None


def test_hosts_take_every_setting(scene: WireScene) -> None:
    fabric = scene.fabric
    fabric.configure(EVERYTHING)
    guest = Guest(scene, scene.alpha, 9, DB)
    try:
        wait_until(lambda: "All interfaces are in sync" in fabric.cli("show port-profile sync-status"), "hosts follow")
        assert "Uplinks active 1, standby 2, unused 3" in fabric.cli(f"show interface vethernet {guest.veth} detail")
        wait_until(lambda: "Eth3/1" in fabric.cli("show pinning module 3"), "the host tells its uplink")
    finally:
        guest.close()
