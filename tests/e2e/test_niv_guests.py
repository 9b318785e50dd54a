"""Real Linux guests on hosts that only tag: all they say to each other goes by way of the VIS, and only there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.e2e.niv_machines import NivScene, niv_scene
from tests.e2e.scenes import WEB, Stack, reaches
from tests.support.fabric import tap
from tests.support.lookout import Lookout
from tests.support.processes import wait_until
from tests.vm.guest_image import GuestUnavailable
from tests.vm.qemu import Guest, TapNic

pytestmark = [pytest.mark.kernel, pytest.mark.qemu, pytest.mark.slow, pytest.mark.timeout(600)]
FILE_BYTES = 8 << 20
ADDRESSES = {"near": "10.0.0.1", "beside": "10.0.0.2"}
MACS = {"near": "52:54:00:00:00:01", "beside": "52:54:00:00:00:02"}
VNTAG, ARP, IPV6 = b"\x89\x26", b"\x08\x06", b"\x86\xdd"
NOBODY = "10.0.0.99"


@dataclass(frozen=True)
class Stage:
    """Two real guests on host "one", and a stack on each of the others."""

    scene: NivScene
    near: Guest
    beside: Guest
    veths: dict[str, int]
    two: Stack
    dvs: Stack

    def watch(self, stack: ExitStack, wanted: Callable[[bytes], bool]) -> dict[str, Lookout]:
        """Every place where a guest sends and gets frames."""
        places = [(name, self.scene.space("one"), f"tap-{name}") for name in MACS]
        places += [(item.name, item.space, "eth0") for item in (self.two, self.dvs)]
        return {name: stack.enter_context(Lookout(space, link, wanted)) for name, space, link in places}

    def pings(self, to: str, patience: int = 20, count: int = 3) -> bool:
        _, output = self.near.execute(f"ping -c {count} -i 0.2 -W {patience} {to}")
        return " 0% packet loss" in output


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with ExitStack() as stack:
        scene = stack.enter_context(niv_scene())
        one, guests, veths = scene.hosts["one"], {}, {}
        for name, mac in MACS.items():
            scene.lab.tap(scene.space("one"), f"tap-{name}")
            veths[name] = scene.fabric.attach_forwarding(one, name, mac=mac, profile=WEB, plug=tap(f"tap-{name}"))
            nic = TapNic(mac, f"tap-{name}", f"{ADDRESSES[name]}/24")
            guest = Guest(name, [nic], where=scene.space("one"), http_bytes=FILE_BYTES, ipv6=True)
            try:
                guests[name] = stack.enter_context(guest)
            except GuestUnavailable as reason:
                pytest.skip(str(reason))
        two, dvs = scene.stack("two", 3), scene.stack("dvs", 4)
        for guest in guests.values():
            guest.wait_ready()
        made = Stage(scene, guests["near"], guests["beside"], veths, two, dvs)
        wait_until(lambda: made.pings(ADDRESSES["beside"], 2, 1), "the guests reach each other")
        yield made


def test_two_guests_of_one_host_talk_only_through_the_vis(stage: Stage) -> None:
    """Every frame between them is on the cable twice, tagged; the VIS counts them at the vEths; without it: silence."""
    scene = stage.scene
    before = scene.fabric.veths()
    with Lookout(scene.space("one"), "up0", lambda head: True) as cable:
        fetched = stage.near.run(f"wget -q -O - http://{ADDRESSES['beside']}/file | sha256sum", timeout=180).split()[0]
    assert fetched == stage.beside.run("sha256sum /www/file").split()[0]
    between = [seen for seen in cable.seen if seen.head[:12] in (_pair("near", "beside"), _pair("beside", "near"))]
    assert between and all(seen.head[12:14] == VNTAG for seen in between)
    up = sum(seen.leaving for seen in between)
    assert up == len(between) - up, "each came back by the cable that it left by"
    assert cable.octets[0] > FILE_BYTES and cable.octets[1] > FILE_BYTES

    def counted() -> bool:
        after = scene.fabric.veths()
        near, beside = stage.veths["near"], stage.veths["beside"]
        served = after[beside].counters.rx_bytes - before[beside].counters.rx_bytes
        got = after[near].counters.tx_bytes - before[near].counters.tx_bytes
        return served > FILE_BYTES and got > FILE_BYTES

    wait_until(counted, "the VIS has counted the file at the guests' vEths")
    scene.space("vis").run("ip", "link", "set", "p1", "down")
    wait_until(lambda: not stage.pings(ADDRESSES["beside"], 1, 1), "the cable is cut")
    assert not stage.pings(ADDRESSES["beside"], 1, 2)
    scene.space("vis").run("ip", "link", "set", "p1", "up")
    wait_until(lambda: stage.pings(ADDRESSES["beside"], 1, 1), "the cable is whole again")


def test_guests_reach_those_on_another_niv_host_and_on_one_that_switches(stage: Stage) -> None:
    for other in (stage.two, stage.dvs):
        wait_until(lambda to=other.address: stage.pings(to, 2, 1), f"{other.name} answers")  # type: ignore[misc]
        assert stage.pings(other.address)
        text = other.space.run("ping", "-q", "-c3", "-i0.2", "-W20", ADDRESSES["beside"])
        assert " 0% packet loss" in text
    assert reaches(stage.two, stage.dvs, 3, 20)


def test_a_broadcast_reaches_each_once_and_not_its_sender(stage: Stage) -> None:
    with ExitStack() as stack:
        seen = stage.watch(stack, lambda head: head[12:14] == ARP and head[38:42] == _octets(NOBODY))
        assert not stage.pings(NOBODY, 1, 1)
        said = _came(seen)
    _once(seen, said)


def test_neighbour_discovery_reaches_each_once_and_not_its_sender(stage: Stage) -> None:
    """IPv6: solicitations are multicast; the answer is for one."""
    address = "fd00::2"
    for guest, own in ((stage.near, "fd00::1"), (stage.beside, address)):
        guest.run(f"echo 0 > /proc/sys/net/ipv6/conf/eth0/accept_dad; ip -6 address add {own}/64 dev eth0")
    with ExitStack() as stack:
        seen = stage.watch(
            stack, lambda head: head[12:14] == IPV6 and head[54:55] == b"\x87" and head[77:78] == b"\x02"
        )
        _, output = stage.near.execute(f"ping -6 -c 3 -W 20 {address}")
        assert " 0% packet loss" in output, output
        said = _came(seen)
    _once(seen, said)


def _came(seen: dict[str, Lookout]) -> int:
    """How much the near guest has said so far, when all of it has come to the others.  It may go on."""
    said = len(seen["near"].seen)
    assert said > 0
    wait_until(lambda: all(len(lookout.seen) >= said for lookout in seen.values()), "it came to all others")
    return said


def _once(seen: dict[str, Lookout], said: int) -> None:
    """What came from the near guest's tap left by every other one, as often, and never by its own.

    The near guest is watched longest: what others got after it said ``said`` is a part of what it said then, and none
    of them comes before it was said.
    """
    sender = seen.pop("near")
    assert not any(item.leaving for item in sender.seen), "it was given back to its sender"
    for name, lookout in seen.items():
        assert said <= len(lookout.seen) <= len(sender.seen), f"{name}: {len(lookout.seen)} of {len(sender.seen)}"
        early = [got for sent, got in zip(sender.seen, lookout.seen, strict=False) if got.time < sent.time]
        assert not early, f"{name} got one of them twice"


def _pair(to: str, source: str) -> bytes:
    return bytes.fromhex((MACS[to] + MACS[source]).replace(":", ""))


def _octets(address: str) -> bytes:
    assert re.fullmatch(r"[\d.]+", address)
    return bytes(map(int, address.split(".")))
