"""The same small host, switched elsewhere: its vNICs on two NIV hosts, everything else on the VIS behind their links.

One host speaks VNTag with the VIS, the other E-TAG.  A frame of a vNIC goes through its host's engine, by the link
through the VIS's, and by a link through a host's again; all three run the loaded pipeline dry.  The VIS's engine is the
one whose deliveries, reasons, counters and learned addresses the model judges, so a vEth's are the same in mode NIV as
where its host switches.  test_model.py runs the programs; host.py says what the lports are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import pytest

from tests.kernel.rig import Switch
from tests.model_switch.host import NOBODY, SLOTS
from tests.rows.backend import BackendKind, Delivered
from tests.rows.row import check_accounts
from vem.datapath.apply import apply_image
from vem.datapath.engine import Engine
from vem.datapath.image import Control, CopyFate, Fate, Image, Niv, Policy, Port, Tagging
from vem.datapath.user import UserEngine
from vem.datapath.vif_lists import Lists, vif_lists_of

LINKS = {30: Tagging.VNTAG, 31: Tagging.ETAG}
"""lports of the links, the same at both ends."""
LINK_POLICY = 30
MTU = 9190
SHORTEST = 64
"""Bytes, with an 802.1Q tag: what crosses a cable has no less (S-001), and every frame does here."""


def link_of(lport: int) -> int:
    """Vnics with an odd lport are on the first host."""
    return 30 if lport % 2 else 31


@dataclass
class _Iv:
    """One NIV host."""

    link: int
    engine: Engine
    image: Image = field(default_factory=Image)

    def become(self, image: Image) -> None:
        apply_image(self.engine, self.image, image)
        self.image = image

    def ports(self) -> Iterable[int]:
        return (*SLOTS, self.link)


class NivPair:
    """A back end for random programs (tests/rows/backend.py)."""

    def __init__(self, open_engine: Callable[[], Engine]) -> None:
        self.engine = open_engine()
        self._hosts = {link: _Iv(link, open_engine()) for link in LINKS}
        self._lists: Lists | None = None
        self._vis = Image()
        self.hairpins = self.listed = 0
        """Copies that went back by the link they came by; and those that another for the same list stood for."""

    def prepare(self, image: Image) -> None:
        """Nothing is plugged."""

    def load(self, image: Image) -> None:
        """What is to be as if one host had these tables.  The hosts know lists before the VIS uses them."""
        vis, lists = vif_lists_of(on_vis(image), self._lists)
        for host in self._hosts.values():
            host.become(on_host(image, host.link, lists))
        apply_image(self.engine, self._vis, vis)
        self._vis, self._lists = vis, lists

    def send(self, lport: int, frame: bytes, gso: int) -> tuple[Fate | None, Delivered]:
        """By the host to the VIS, if a vNIC sends it."""
        if lport not in SLOTS:
            return self._switch(lport, frame)
        sent = self._hosts[link_of(lport)].engine.test(lport, frame)
        assert not sent.reason, "an IV judges nothing"
        [up] = sent.copies
        assert up.lport == link_of(lport) and not up.reason
        return self._switch(up.lport, up.frame)

    def _switch(self, lport: int, frame: bytes) -> tuple[Fate, Delivered]:
        fate = self.engine.test(lport, frame)
        delivered: list[tuple[int, bytes]] = []
        for copy in fate.copies:
            self.hairpins += bool(copy.link) and copy.link == lport
            self.listed += copy.shared
            if not copy.reason and not copy.shared:
                delivered += self._arrive(copy)
        return fate, delivered

    def _arrive(self, copy: CopyFate) -> Delivered:
        if not copy.link:
            return [(copy.lport, copy.frame)]
        down = self._hosts[copy.link].engine.test(copy.link, copy.frame)
        assert not down.reason and not any(each.reason for each in down.copies), "what a VIS sends is taken"
        return [(each.lport, each.frame) for each in down.copies]

    def check_hosts(self) -> None:
        """The books of the NIV hosts."""
        for host in self._hosts.values():
            check_accounts(host.engine.counters(host.ports()))

    def close(self) -> None:
        """All three."""
        for engine in (self.engine, *(host.engine for host in self._hosts.values())):
            engine.close(keep=False)


def on_vis(image: Image) -> Image:
    """The VIS's tables: vNICs are VIFs with their lports as numbers, the rest stays."""
    if not image.ports:
        return image
    ports = {
        lport: replace(port, link=link_of(lport), vif=lport) if lport in SLOTS else port
        for lport, port in image.ports.items()
    }
    for link, tagging in LINKS.items():
        ports[link] = Port(LINK_POLICY, link, NOBODY, niv=Niv.BRIDGE, tagging=tagging, plain=False)
    return replace(image, ports=ports, policies={**image.policies, LINK_POLICY: Policy()})


def on_host(image: Image, link: int, lists: Lists) -> Image:
    """An IV's: every vNIC open, whatever its policy."""
    vnics = {lport: port for lport, port in image.ports.items() if lport in SLOTS and link_of(lport) == link}
    ports = {lport: Port(LINK_POLICY, port.number, port.mac, link=link, vif=lport) for lport, port in vnics.items()}
    ports[link] = Port(LINK_POLICY, link, NOBODY, uplink=True, niv=Niv.EXTENDER, tagging=LINKS[link], plain=False)
    told = {(link, number): members for number, members in lists.of_link(link).items()}
    return Image(Control(mtu=MTU, niv=True), ports, {LINK_POLICY: Policy()}, vif_lists=told)


NIV = [
    BackendKind("niv-user", "user", lambda: NivPair(UserEngine)),
    BackendKind("niv-kernel", "kernel", lambda: NivPair(lambda: Switch("niv").open()), marks=(pytest.mark.kernel,)),
]
