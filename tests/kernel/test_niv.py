"""Linux network stacks talk through a host that only tags and the switch that forwards for it, back to the same host by
the link that they came by: with VNTag and E-TAG, on both engines, and where the link's NIC can't segment.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from tests.kernel.rig import Host, Switch, address
from tests.kernel.test_two_hosts import transfer, waiting
from tests.rows.row import check_accounts
from tests.rows.rows_niv import NIV_BYTES, VIS, L, M, P, vn
from tests.rows.world import BROADCAST, access, frame, mac, switch_port, tag, trunk, uplink, vnic, world
from tests.support.netns import Lab, Namespace
from tests.support.packets import FrameSocket
from vem.datapath.apply import apply_image
from vem.datapath.engine import Engine, Plug
from vem.datapath.image import Image, Niv, Tagging
from vem.datapath.user import UserEngine
from vem.datapath.vif_lists import vif_lists_of
from vem.datapath.watch import Capture, Point

pytestmark = pytest.mark.kernel

LINK, GUESTS, ETHERNET = 10, (1, 2, 3), 1514
TPID = {Tagging.VNTAG: "8926", Tagging.ETAG: "893f"}


def host_image(tagging: Tagging) -> Image:
    """Guest N's VIF is 4 + N; lists are the VIS's."""
    nics = (vnic(lport, access(100), link=LINK, vif=4 + lport) for lport in GUESTS)
    link = uplink(LINK, niv=Niv.EXTENDER, tagging=tagging, plain=False)
    return world(*nics, link, niv=True, vif_lists=vis_image(tagging).vif_lists)


def vis_image(tagging: Tagging) -> Image:
    """Its ports have the guests' MACs, as they are the guests' ports; broadcasts go by a list where there are two."""
    vifs = (vnic(lport, access(100), link=LINK, vif=4 + lport) for lport in GUESTS)
    made = world(*vifs, switch_port(LINK, trunk("0-4094"), niv=Niv.BRIDGE, tagging=tagging, plain=False))
    return vif_lists_of(made)[0]


class Scene:
    """A host with three guests, and a VIS."""

    def __init__(self, lab: Lab, kinds: tuple[str, str], tagging: Tagging, switches: tuple[Switch, Switch]) -> None:
        self.host = Host(lab, "iv", guests=GUESTS)
        self.vis = lab.namespace("vis")
        self.kinds = kinds
        lab.veth(self.host.where, "wire", self.vis, "wire", mtu=1520)
        self.engines = [self._engine(kind, switch) for kind, switch in zip(kinds, switches, strict=True)]
        for lport in GUESTS:
            self.engines[0].plug(lport, self._plug(0, f"vm{lport}", self.host.where))
        self.engines[0].plug(LINK, self._plug(0, "wire", self.host.where))
        self.engines[1].plug(LINK, self._plug(1, "wire", self.vis))
        apply_image(self.engines[0], Image(), host_image(tagging))
        apply_image(self.engines[1], Image(), vis_image(tagging))

    def _engine(self, kind: str, switch: Switch) -> Engine:
        return switch.open() if kind == "kernel" else UserEngine()

    def _plug(self, engine: int, device: str, where: Namespace) -> Plug:
        return Plug("veth" if self.kinds[engine] == "kernel" else "raw", device, where.name)

    def close(self) -> None:
        for kind, engine in zip(self.kinds, self.engines, strict=True):
            if kind == "user":
                engine.close(keep=False)


@contextmanager
def scene(kinds: tuple[str, str], tagging: Tagging) -> Iterator[Scene]:
    with Lab() as lab, Switch("iv") as iv, Switch("vis") as vis:
        made = Scene(lab, kinds, tagging, (iv, vis))
        try:
            yield made
        finally:
            made.close()


@contextmanager
def ends(running: Scene) -> Iterator[tuple[FrameSocket, FrameSocket]]:
    """What comes to the VIS by the link, and to the host."""
    with FrameSocket(running.vis, "wire") as there, FrameSocket(running.host.where, "wire") as here:
        yield there, here


def ping(guest: Namespace, to: str, *more: str) -> None:
    printed = guest.run("ping", "-c2", "-i0.2", "-W5", *more, to, check=False)
    assert " 0% packet loss" in printed, printed


def check_nothing_lost(engines: list[Engine]) -> None:
    for engine in engines:
        counters = engine.counters()
        check_accounts(counters)
        assert not any(port.drops_out for port in counters.values()), counters


SCENES = [
    (("kernel", "kernel"), Tagging.VNTAG),
    (("kernel", "kernel"), Tagging.ETAG),
    (("user", "user"), Tagging.VNTAG),
    (("kernel", "user"), Tagging.ETAG),
]


@pytest.mark.parametrize(("kinds", "tagging"), SCENES)
def test_guests_of_one_host_talk_through_the_vis(kinds: tuple[str, str], tagging: Tagging) -> None:
    with scene(kinds, tagging) as running, FrameSocket(running.vis, "wire") as wire:
        here, there = (running.host.guests[lport] for lport in (1, 2))
        ping(here, address(2), "-s", "56")  # after ARP
        ping(here, address(2), "-s", "1472", "-M", "do")
        for lport, guest in running.host.guests.items():
            guest.write_sysctl("net.ipv6.conf.eth0.disable_ipv6", "0")
            guest.run("ip", "address", "add", f"fd00::{lport}/64", "dev", "eth0", "nodad")
        ping(here, "fd00::2", "-s", "1452")  # after neighbour discovery
        sent, arrived = transfer(here, there, address(2))
        assert sent == arrived != ""
        frames = list(waiting(wire))
        assert frames and all(frame[12:14].hex() == TPID[tagging] for frame in frames), "everything is tagged"
        if kinds == ("kernel", "kernel"):
            assert max(map(len, frames)) > 9000, "superframes are not segmented on the way"
        check_nothing_lost(running.engines)
        vif = running.engines[1].counters()
        guest_side = running.engines[0].counters()
        assert vif[1].tx_bytes >= guest_side[1].tx_bytes - 64 * vif[1].tx_frames, "a VIF counts as its vNIC does"
        assert vif[LINK].rx_forwarded == 0, "what is a VIF's counts there"


@pytest.mark.parametrize(
    ("kinds", "plain_ends"),
    [(("kernel", "kernel"), (0, 1)), (("user", "user"), (0, 1)), (("kernel", "kernel"), (1,))],
    ids=["kernel", "user", "kernel, the VIS's end alone"],
)
def test_a_nic_that_does_nothing_for_superframes_gets_none(kinds: tuple[str, str], plain_ends: tuple[int, ...]) -> None:
    """Nor unfinished checksums."""
    tagging = Tagging.VNTAG
    with scene(kinds, tagging) as running, FrameSocket(running.host.where, "wire") as wire:
        for where in (running.host.where, running.vis):
            where.run("ethtool", "-K", "wire", "gro", "off")
        for end in plain_ends:
            where = (running.host.where, running.vis)[end]
            where.run("ethtool", "-K", "wire", "tx", "off", "tso", "off", "gso", "off")
        sent, arrived = transfer(running.host.guests[1], running.host.guests[2], address(2))
        assert sent == arrived != ""
        frames = list(waiting(wire))
        assert max(map(len, frames)) == ETHERNET + NIV_BYTES[tagging]
        check_nothing_lost(running.engines)


def test_a_broadcast_comes_back_over_the_link_once() -> None:
    with scene(("kernel", "kernel"), Tagging.VNTAG) as running, ends(running) as (there, here):
        assert running.engines[0].image().vif_lists == {(LINK, 4096): GUESTS}
        ping(running.host.guests[1], address(2))  # asks all for the address
        asked = [[frame[14:18].hex() for frame in waiting(end) if frame[:6] == b"\xff" * 6] for end in (there, here)]
        assert asked == [["00000005"], ["d0008005"]]
        counters = running.engines[1].counters()
        assert [counters[lport].tx_broadcast for lport in GUESTS] == [0, 1, 1]
        check_nothing_lost(running.engines)


def seen(engine: Engine, frames: int) -> dict[tuple[Point, int], list[bytes]]:
    """So many captured frames, by where they were."""
    found: dict[tuple[Point, int], list[bytes]] = {}
    end = time.monotonic() + 20
    while (missing := frames - sum(map(len, found.values()))) > 0:
        assert time.monotonic() < end, f"{missing} missing of {found}"
        for event in engine.captured():
            found.setdefault((event.point, event.lport), []).append(event.frame)
        time.sleep(0.01)
    return found


BY_5 = vn("0000 0005", frame(BROADCAST, mac(1), ethertype=0x0806))
BY_9 = vn("0000 0009", frame(BROADCAST, mac(3), tag(100), ethertype=0x0806))


@pytest.mark.parametrize("sent", [BY_5, BY_9], ids=["untagged", "802.1Q"])
def test_captures_of_a_flood_have_each_copy_as_it_goes(sent: bytes) -> None:
    """By a VIF to those of two links, with 802.1Q tags and without, and to a port of the usual kind: what the copy
    before has on it is nobody's business."""
    with Lab() as lab, Switch("vis") as switch, closing(UserEngine()) as user:
        here, there = lab.namespace("vis"), lab.namespace("hosts")
        engine = switch.open()
        for lport in (L, M, P):
            lab.veth(here, f"port{lport}", there, f"port{lport}", mtu=1520)
            engine.plug(lport, Plug("raw", f"port{lport}", here.name))
            user.plug(lport, Plug("memory"))
        for one in (engine, user):
            apply_image(one, Image(), VIS)
            one.capture(Capture(ethertype=0x0806))
        user.test(L, sent)
        wanted = user.captured()
        with FrameSocket(there, f"port{L}") as wire:
            wire.send(sent)
        assert len(wanted) > 12
        assert seen(engine, len(wanted)) == {(event.point, event.lport): [event.frame] for event in wanted}
