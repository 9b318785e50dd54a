"""Real Linux guests on two hosts: what they send is what guests send, offloads and all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest

from tests.e2e.scenes import WEB, NamespaceScene, WireScene, namespace_scene, wire_scene
from tests.support.fabric import Fabric, Host, access_profile, tap, wire
from tests.support.processes import wait_until
from tests.vm.guest_image import GuestUnavailable
from tests.vm.qemu import Guest, TapNic, WireNic

FILE_BYTES = 16 << 20
NEAR_MAC, FAR_MAC = "52:54:00:00:00:01", "52:54:00:00:00:02"
NEAR, FAR = "10.0.0.1", "10.0.0.2"
MOBILE = "mobile"
"""A profile of the far guest alone, so that an edit moves nobody else."""


@dataclass(frozen=True)
class Pair:
    """A guest on either host; the far one serves a file."""

    fabric: Fabric
    near: Guest
    far: Guest


@dataclass(frozen=True)
class Place:
    """Which guest is where."""

    name: str
    mac: str
    address: str
    profile: str

    def host(self, scene: NamespaceScene | WireScene) -> Host:
        return scene.alpha if self.name == "near" else scene.beta


PLACES = (Place("near", NEAR_MAC, NEAR, WEB), Place("far", FAR_MAC, FAR, MOBILE))


@contextmanager
def kernel_pair() -> Iterator[Pair]:
    """Taps, kernel engines, a trunk of a veth pair."""
    with namespace_scene("kernel") as scene, ExitStack() as guests:
        scene.fabric.configure(access_profile(MOBILE, 10))
        yield booted(scene.fabric, *(tap_guest(scene, guests, place) for place in PLACES))


def tap_guest(scene: NamespaceScene, guests: ExitStack, place: Place) -> Guest:
    host, device = place.host(scene), f"tap-{place.name}"
    assert host.where is not None
    scene.lab.tap(host.where, device)
    scene.fabric.attach_forwarding(host, place.name, mac=place.mac, profile=place.profile, plug=tap(device))
    nic = TapNic(place.mac, device, f"{place.address}/24")
    return guests.enter_context(Guest(place.name, [nic], where=host.where, http_bytes=FILE_BYTES))


@contextmanager
def user_pair() -> Iterator[Pair]:
    """Datagram wires, user engines, a trunk through the modelled physical switch."""
    with wire_scene() as scene, ExitStack() as guests:
        scene.fabric.configure(access_profile(MOBILE, 10))
        yield booted(scene.fabric, *(wire_guest(scene, guests, place) for place in PLACES))


def wire_guest(scene: WireScene, guests: ExitStack, place: Place) -> Guest:
    ours, theirs = scene.path / f"port.{place.name}", scene.path / f"guest.{place.name}"
    plug = wire(ours, theirs)
    scene.fabric.attach_forwarding(place.host(scene), place.name, mac=place.mac, profile=place.profile, plug=plug)
    nic = WireNic(place.mac, theirs, ours, f"{place.address}/24")
    return guests.enter_context(Guest(place.name, [nic], http_bytes=FILE_BYTES))


def booted(fabric: Fabric, near: Guest, far: Guest) -> Pair:
    near.wait_ready()
    far.wait_ready()
    return Pair(fabric, near, far)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(kernel_pair, id="kernel-taps", marks=pytest.mark.kernel),
        pytest.param(user_pair, id="user-wires"),
    ],
)
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    """Booted guests, one pair for all tests of an engine."""
    with ExitStack() as stack:
        try:
            made = stack.enter_context(request.param())
        except GuestUnavailable as reason:
            pytest.skip(str(reason))
        yield made


pytestmark = [pytest.mark.qemu, pytest.mark.slow, pytest.mark.timeout(600)]


def ping_loss(guest: Guest, to: str, count: int = 5, patience: int = 20) -> int:
    """Percent of echo requests without an answer; ``patience`` in seconds after the last one."""
    _, output = guest.execute(f"ping -c {count} -i 0.2 -W {patience} {to}")
    found = re.search(r"(\d+)% packet loss", output)
    assert found, output
    return int(found[1])


def test_guests_reach_each_other(pair: Pair) -> None:
    wait_until(lambda: ping_loss(pair.near, FAR, 1, 1) == 0, "hosts and guests are up")
    assert ping_loss(pair.near, FAR) == 0
    assert ping_loss(pair.far, NEAR) == 0


def test_a_download_arrives_unchanged(pair: Pair) -> None:
    """16 MB by HTTP, in both directions."""
    for client, server, address in ((pair.near, pair.far, FAR), (pair.far, pair.near, NEAR)):
        fetched = client.run(f"wget -q -O - http://{address}/file | sha256sum", timeout=180).split()[0]
        assert fetched == server.run("sha256sum /www/file").split()[0]


def test_a_profile_edit_moves_a_running_guest_to_another_vlan(pair: Pair) -> None:
    """Out of reach as soon as the edit is acknowledged, and back."""
    assert ping_loss(pair.near, FAR) == 0
    pair.fabric.configure(f"port-profile {MOBILE}\nswitchport access vlan 20")
    wait_until(lambda: ping_loss(pair.near, FAR, 2, 1) == 100, "the guest is in another VLAN")
    pair.fabric.configure(f"port-profile {MOBILE}\nswitchport access vlan 10")
    wait_until(lambda: ping_loss(pair.near, FAR, 2, 1) == 0, "the guest is back")
    assert ping_loss(pair.far, NEAR) == 0


def test_every_frame_is_accounted_for(pair: Pair) -> None:
    pair.fabric.check_accounts()
