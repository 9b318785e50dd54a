"""Rows: NIV and VEPA (S-092): a host that only tags (IV), the switch that forwards for it (VIS), lists of VIFs, and
hosts that have everything switched behind their uplinks.

A VIF's frames leave by its link, and count at its own port, without the tag; the examples V1 to V6 and E1 to E3 are
those of the formats' descriptions.
"""

from __future__ import annotations

from dataclasses import replace

from tests.rows.row import ETHERNET_MIN, Copy, Row, Step, becomes, dropped, forwarded, lost, sent
from tests.rows.world import (
    BROADCAST,
    MULTICAST,
    OUTSIDE,
    OUTSIDE2,
    TPID_8021AD,
    At,
    access,
    frame,
    ipv4,
    mac,
    sized,
    switch_port,
    tag,
    trunk,
    uplink,
    vnic,
    world,
)
from vem.datapath.image import LIST_RECEIVER, Image, Niv, Tagging

VN, E = Tagging.VNTAG, Tagging.ETAG
NIV_BYTES = {VN: 6, E: 8}
V100, V200 = access(100), access(200)
U, U2 = 10, 11
"""An IV's uplinks."""
L, M, P = 20, 21, 30
"""A VIS's links to two hosts, and a port of the usual kind."""
RULE = ("S-092",)
LLDP = bytes.fromhex("0180c200000e")


def vn(word: str, inner: bytes) -> bytes:
    """With that VNTag behind its MACs."""
    return inner[:12] + bytes.fromhex("8926" + word.replace(" ", "")) + inner[12:]


def etag(word: str, inner: bytes) -> bytes:
    """With that E-TAG, whose extensions are 0."""
    return inner[:12] + bytes.fromhex("893f" + word.replace(" ", "") + "0000") + inner[12:]


def tagged(tagging: Tagging, vn_word: str, etag_word: str, inner: bytes) -> bytes:
    """With one or the other."""
    return vn(vn_word, inner) if tagging is VN else etag(etag_word, inner)


def padded(bytes_: bytes) -> bytes:
    """As on a wire."""
    return bytes_.ljust(ETHERNET_MIN, b"\0")


# --- IV ----------------------------------------------------------------------------------------------------------


def link(lport: int, tagging: Tagging = VN, **more: object) -> At:
    """An uplink of an IV."""
    return uplink(lport, niv=Niv.EXTENDER, tagging=tagging, **{"plain": False, **more})


def iv(*ports: At, tagging: Tagging = VN, lists: dict[tuple[int, int], tuple[int, ...]] | None = None) -> Image:
    """A NIV host: vNICs 1 and 2 with VIFs 5 and 7 on its first link, 3 with VIF 5 on its second, and 4 without."""
    nics = (
        vnic(1, V100, link=U, vif=5),
        vnic(2, V200, link=U, vif=7),
        vnic(3, V100, link=U2, vif=5),
        vnic(4, V100, link=U),
    )
    return world(*nics, *ports, link(U, tagging), link(U2, tagging), niv=True, vif_lists=lists)


IV, IV_E = iv(), iv(tagging=E)
UNICAST = frame(OUTSIDE, mac(1), ethertype=0x0800)
IN_1 = frame(mac(1), OUTSIDE, ethertype=0x0800)
IN_2 = frame(mac(2), OUTSIDE, ethertype=0x0800)
ARP = frame(BROADCAST, mac(1), ethertype=0x0806)
V5 = bytes.fromhex(
    "ffffffffffff 0050569d4342 8926 c1238005 0806 0001080006040001 0050569d4342 c0a8640b 000000000000 c0a8640c"
)
"""In full, as described."""
V5_INNER = V5[:12] + V5[18:]
LISTS = {(U, 0x123): (1, 2), (U2, 0x123): (3,)}
E_LISTS = {(U, 0x1123): (1, 2), (U2, 0x1123): (3,)}
SUPERFRAME = frame(
    OUTSIDE, mac(1), ethertype=0x0800, body=ipv4("10.0.0.1", "10.0.0.2", 6, bytes(12) + b"\x50" + bytes(20007))
)

IV_UP = [
    Row(
        "up: the sender's VIF, and nothing is switched on the host (V1)",
        RULE,
        IV,
        (
            forwarded(1, UNICAST, sent(U, vn("0000 0005", UNICAST))),
            forwarded(1, frame(mac(2), mac(1)), sent(U, vn("0000 0005", frame(mac(2), mac(1))))),
            forwarded(1, frame(mac(1), mac(1)), sent(U, vn("0000 0005", frame(mac(1), mac(1))))),
            forwarded(1, ARP, sent(U, vn("0000 0005", ARP))),
            forwarded(3, frame(OUTSIDE, mac(3)), sent(U2, vn("0000 0005", frame(OUTSIDE, mac(3))))),
        ),
    ),
    Row(
        "up: a tag of the guest's stays behind the VNTag, whatever it is (V6)",
        RULE,
        IV,
        tuple(
            forwarded(1, given, sent(U, vn("0000 0005", given)))
            for given in (
                frame(OUTSIDE, mac(1), tag(100), ethertype=0x0800),
                frame(OUTSIDE, mac(1), tag(0, priority=5, dei=1)),
                frame(OUTSIDE, mac(1), tag(300, priority=3), tag(17)),
                frame(OUTSIDE, mac(1), tag(4095)),
                frame(BROADCAST, mac(1), tag(5, tpid=TPID_8021AD)),
                frame(BROADCAST, mac(1), tag(5, tpid=TPID_8021AD), tag(6), ethertype=0x0806),
            )
        ),
    ),
    Row(
        "up: E-TAG with the frame's priority (E1)",
        RULE,
        IV_E,
        (
            forwarded(
                1,
                frame(OUTSIDE, mac(1), tag(100, priority=3), ethertype=0x0800),
                sent(U, etag("6000 0005", frame(OUTSIDE, mac(1), tag(100, priority=3), ethertype=0x0800))),
            ),
            forwarded(1, ARP, sent(U, etag("0000 0005", ARP))),
            forwarded(
                1,
                frame(OUTSIDE, mac(1), tag(0, priority=7, dei=1)),
                sent(U, etag("f000 0005", frame(OUTSIDE, mac(1), tag(0, priority=7, dei=1)))),
            ),
        ),
    ),
    Row(
        "up: what a guest may send is the VIS's to say",
        RULE,
        IV,
        tuple(
            forwarded(1, given, sent(U, padded(vn("0000 0005", given))))
            for given in (
                frame(OUTSIDE, OUTSIDE2),
                frame(OUTSIDE, BROADCAST),
                frame(bytes.fromhex("0180c2000000"), mac(1)),
                frame(LLDP, mac(1), ethertype=0x88CC),
                sized(14, OUTSIDE, mac(1)),
                sized(33, OUTSIDE, mac(1)),
            )
        ),
    ),
    Row(
        "up: a guest's own NIV tags would be taken for the host's",
        RULE,
        IV,
        (
            dropped(1, vn("0000 0007", UNICAST), "NIV_NESTED"),
            dropped(1, etag("0000 0007", UNICAST), "NIV_NESTED"),
            forwarded(
                1,
                frame(OUTSIDE, mac(1), tag(7), ethertype=0x8926),
                sent(U, vn("0000 0005", frame(OUTSIDE, mac(1), tag(7), ethertype=0x8926))),
            ),
        ),
    ),
    Row(
        "up: without a VIF, a link that is up, or room",
        RULE,
        iv(link(12, link_up=False), vnic(5, V100, link=12, vif=1), vnic(6, V100, link=U, vif=9, blocked=True)),
        (
            dropped(4, frame(OUTSIDE, mac(4)), "NO_VIF"),
            forwarded(5, frame(OUTSIDE, mac(5)), lost(12, "LINK_DOWN")),
            dropped(6, frame(OUTSIDE, mac(6)), "PORT_BLOCKED"),
            forwarded(1, sized(1514, OUTSIDE, mac(1)), sent(U, vn("0000 0005", sized(1514, OUTSIDE, mac(1))))),
            dropped(1, sized(1515, OUTSIDE, mac(1)), "OVERSIZE"),
            forwarded(
                1, sized(1518, OUTSIDE, mac(1), tag(7)), sent(U, vn("0000 0005", sized(1518, OUTSIDE, mac(1), tag(7))))
            ),
        ),
    ),
    Row(
        "up: superframes stay as they are",
        RULE,
        IV,
        (forwarded(1, SUPERFRAME, sent(U, vn("0000 0005", SUPERFRAME)), gso=1448),),
    ),
]

IV_DOWN = [
    Row(
        "down: to the VIF, without the tag (V2, V3)",
        RULE,
        IV,
        (
            forwarded(U, vn("8007 0000", IN_2), sent(2, IN_2)),
            forwarded(U, vn("8007 8005", IN_2), sent(2, IN_2)),
            forwarded(U, vn("8005 0000", frame(mac(9), OUTSIDE)), sent(1, frame(mac(9), OUTSIDE))),
            forwarded(U2, vn("8005 0000", IN_1), sent(3, IN_1)),
            forwarded(U, vn("8005 4000", IN_1), sent(1, IN_1)),
        ),
    ),
    Row(
        "down: tags behind the VNTag, and any protocol",
        RULE,
        IV,
        tuple(
            forwarded(U, vn("8005 0000", given), sent(1, given))
            for given in (
                frame(mac(1), OUTSIDE, tag(100), ethertype=0x0800),
                frame(mac(1), OUTSIDE, tag(0, priority=5, dei=1)),
                frame(mac(1), OUTSIDE, tag(300, priority=3), tag(17)),
                frame(mac(1), OUTSIDE, tag(5, tpid=TPID_8021AD)),
                frame(mac(1), OUTSIDE, ethertype=0x0806),
                frame(mac(1), OUTSIDE, ethertype=0x86DD),
                sized(14, mac(1), OUTSIDE),
                sized(33, mac(1), OUTSIDE),
                sized(34, mac(1), OUTSIDE),
                sized(18, mac(1), OUTSIDE, tag(100)),
                sized(1518, mac(1), OUTSIDE, tag(100)),
            )
        ),
    ),
    Row(
        "down: a list, and who is not to have it (V4, V5)",
        RULE,
        iv(lists=LISTS),
        (
            forwarded(U, vn("c123 0000", ARP), sent(1, ARP), sent(2, ARP)),
            forwarded(U, V5, sent(2, V5_INNER)),
            forwarded(U, vn("c123 8009", ARP), sent(1, ARP), sent(2, ARP)),
            forwarded(U2, vn("c123 0000", ARP), sent(3, ARP)),
            dropped(U2, vn("c123 8005", ARP), "NO_RECEIVER"),
            dropped(U, vn("c124 0000", ARP), "NIV_UNKNOWN_VIF"),
            becomes(iv()),
            dropped(U, vn("c123 0000", ARP), "NIV_UNKNOWN_VIF"),
        ),
    ),
    Row(
        "down: E-TAG (E2, E3)",
        RULE,
        iv(tagging=E, lists=E_LISTS),
        (
            forwarded(
                U,
                etag("6000 0007", frame(mac(2), OUTSIDE, tag(100), ethertype=0x0800)),
                sent(2, frame(mac(2), OUTSIDE, tag(100), ethertype=0x0800)),
            ),
            forwarded(U, etag("0005 1123", ARP), sent(2, ARP)),
            forwarded(U, etag("0000 1123", ARP), sent(1, ARP), sent(2, ARP)),
            forwarded(U, etag("0000 c007", IN_2), sent(2, IN_2)),
            dropped(U, etag("0007 0007", IN_2), "NIV_LOOPED"),
            dropped(U, etag("0000 1124", ARP), "NIV_UNKNOWN_VIF"),
            dropped(U, IN_2[:12] + bytes.fromhex("893f 0000 0007 0001") + IN_2[12:], "NIV_UNKNOWN_VIF"),
            dropped(U, vn("8007 0000", IN_2), "NIV_UNTAGGED"),
        ),
    ),
    Row(
        "down: what the tag must not be",
        RULE,
        IV,
        (
            dropped(U, vn("8005 8005", IN_1), "NIV_LOOPED"),
            dropped(U, vn("8008 0000", IN_1), "NIV_UNKNOWN_VIF"),
            dropped(U, vn("8000 0000", IN_1), "NIV_UNKNOWN_VIF"),
            dropped(U2, vn("8007 0000", IN_1), "NIV_UNKNOWN_VIF"),
            dropped(U, vn("0005 0000", IN_1), "NIV_DIRECTION"),
            dropped(U, vn("8005 1000", IN_1), "NIV_VERSION"),
            dropped(U, vn("8005 2000", IN_1), "NIV_VERSION"),
            dropped(U, vn("8005 0000", vn("8005 0000", IN_1)), "NIV_NESTED"),
            dropped(U, vn("8005 0000", etag("0005 0000", IN_1)), "NIV_NESTED"),
            dropped(U, vn("8005 0000", IN_1)[:18], "RUNT"),
            dropped(U, vn("8005 0000", IN_1)[:19], "RUNT"),
            dropped(U, etag("0000 0005", IN_1), "NIV_UNTAGGED"),
            dropped(U, IN_1, "NIV_UNTAGGED"),
            dropped(U, frame(mac(1), OUTSIDE, tag(100)), "NIV_UNTAGGED"),
            dropped(U, frame(mac(1), OUTSIDE, tag(100), ethertype=0x8926, body=bytes(50)), "NIV_UNTAGGED"),
            dropped(U, frame(LLDP, OUTSIDE, ethertype=0x88CC), "RESERVED_MCAST"),
        ),
    ),
    Row(
        "down: a port that is closed or has no carrier",
        RULE,
        iv(vnic(5, V100, link=U, vif=1, blocked=True), vnic(6, V100, link=U, vif=2, link_up=False)),
        (
            forwarded(U, vn("8001 0000", IN_1), lost(5, "PORT_BLOCKED")),
            forwarded(U, vn("8002 0000", IN_1), lost(6, "LINK_DOWN")),
        ),
    ),
    Row(
        "while the VIS sends floods with a tag and without, an IV takes those with one",
        RULE,
        world(
            vnic(1, trunk("100"), link=U, vif=5),
            vnic(2, trunk("100"), link=U, vif=7),
            link(U, plain=True),
            niv=True,
            vif_lists={(U, 5000): (1, 2)},
        ),
        (
            dropped(U, frame(BROADCAST, OUTSIDE, tag(100)), "NIV_TWICE"),
            forwarded(
                U,
                vn("d388 0000", frame(BROADCAST, OUTSIDE, tag(100))),
                *(sent(n, frame(BROADCAST, OUTSIDE, tag(100))) for n in (1, 2)),
            ),
            forwarded(U, frame(mac(1), OUTSIDE, tag(100)), sent(1, frame(mac(1), OUTSIDE, tag(100)))),
        ),
    ),
    Row(
        "while the host still switches by itself it takes what is for its VIFs, but for what it sent, and floods",
        RULE,
        replace(
            world(
                vnic(1, V100, link=U, vif=5),
                vnic(2, V100, link=U, vif=7),
                link(U, plain=True),
                vif_lists={(U, 5000): (1, 2)},
            )
        ),
        (
            forwarded(1, frame(mac(2), mac(1)), sent(2, frame(mac(2), mac(1)))),
            forwarded(
                1,
                frame(BROADCAST, mac(1)),
                sent(2, frame(BROADCAST, mac(1))),
                sent(U, frame(BROADCAST, mac(1), tag(100))),
            ),
            forwarded(U, frame(mac(1), OUTSIDE, tag(100)), sent(1, frame(mac(1), OUTSIDE))),
            forwarded(U, vn("8005 0000", IN_1), sent(1, IN_1)),
            dropped(U, vn("8005 0000", frame(mac(1), mac(2))), "RPF_LOCAL_SRC"),
            dropped(U, vn("d388 8005", frame(BROADCAST, mac(1))), "RPF_LOCAL_SRC"),
            forwarded(U, frame(BROADCAST, OUTSIDE, tag(100)), *(sent(n, frame(BROADCAST, OUTSIDE)) for n in (1, 2))),
            dropped(U, vn("d388 0000", frame(BROADCAST, OUTSIDE)), "NIV_TWICE"),
            dropped(U, vn("d388 0000", frame(mac(9), OUTSIDE)), "NIV_TWICE"),
            dropped(U, vn("8005 0000", frame(MULTICAST, OUTSIDE)), "NIV_TWICE"),
        ),
    ),
]


# --- VIS ---------------------------------------------------------------------------------------------------------


def bridge(lport: int, tagging: Tagging = VN, **more: object) -> At:
    """A link of a VIS to a NIV host."""
    return switch_port(lport, trunk("100,200"), niv=Niv.BRIDGE, tagging=tagging, **{"plain": False, **more})


def _alone(image: Image, *links: int) -> Image:
    """Without the links in the receiver lists, as nothing goes there but for VIFs."""
    lists = {vlan: tuple(n for n in lports if n not in links) for vlan, lports in image.members.items()}
    unknown = {vlan: tuple(n for n in lports if n not in links) for vlan, lports in image.unknown_members.items()}
    return replace(image, members=lists, unknown_members={vlan: lports for vlan, lports in unknown.items() if lports})


def vis(*more: At, tagging: Tagging = VN, **control: object) -> Image:
    """A VIS: VIFs 5, 7 and 9 on one link (the last a trunk), 5 and 6 on another, and a port of the usual kind."""
    ports = (
        vnic(1, V100, link=L, vif=5),
        vnic(2, V100, link=L, vif=7),
        vnic(3, trunk("100,200"), link=L, vif=9),
        vnic(4, V100, link=M, vif=5),
        vnic(5, V100, link=M, vif=6),
        switch_port(P, V100),
    )
    made = world(*ports, *more, bridge(L, tagging), bridge(M, tagging), **control)  # type: ignore[arg-type]
    return _alone(made, L, M)


def by(at: int, lport: int, inner: bytes, tagged: bytes, *copies: Copy, drop: str = "", gso: int = 0) -> Step:
    """A frame of a VIF in by its link; it counts at the VIF's port."""
    return Step(lport, tagged, drop=drop, copies=copies, counts_at=at, counts=len(inner), gso=gso)


def via(lport: int, link_: int, inner: bytes, tagged: bytes, *, shared: bool = False) -> Copy:
    """A VIF's copy, out by its link."""
    return Copy(lport, padded(tagged), link=link_, shared=shared, counts=len(inner))


VIS, VIS_E = vis(), vis(tagging=E)
TO_2, TO_4, TO_P = frame(mac(2), mac(1)), frame(mac(4), mac(1)), frame(OUTSIDE, mac(1))
FLOOD = frame(BROADCAST, mac(1), ethertype=0x0806)
FLOOD_3 = frame(BROADCAST, mac(1), tag(100), ethertype=0x0806)
FROM_P = frame(BROADCAST, OUTSIDE, ethertype=0x0806)
FROM_P_3 = frame(BROADCAST, OUTSIDE, tag(100), ethertype=0x0806)

VIS_ROWS = [
    Row(
        "VIS: hairpin, another link, a port of the usual kind (V1, V2, V3)",
        RULE,
        VIS,
        (
            by(1, L, TO_2, vn("0000 0005", TO_2), via(2, L, TO_2, vn("8007 8005", TO_2))),
            by(1, L, TO_4, vn("0000 0005", TO_4), via(4, M, TO_4, vn("8005 0000", TO_4))),
            forwarded(
                P, frame(mac(2), OUTSIDE), via(2, L, frame(mac(2), OUTSIDE), vn("8007 0000", frame(mac(2), OUTSIDE)))
            ),
            by(1, L, TO_P, vn("0000 0005", TO_P), sent(P, TO_P)),
            by(1, L, TO_P, vn("3000 8005", TO_P), sent(P, TO_P)),
        ),
    ),
    Row(
        "VIS: the port's VLANs decide behind the tag (V6)",
        RULE,
        VIS,
        (
            by(
                3,
                L,
                frame(mac(1), mac(3), tag(100, priority=2)),
                vn("0000 0009", frame(mac(1), mac(3), tag(100, priority=2))),
                via(1, L, frame(mac(1), mac(3)), vn("8005 8009", frame(mac(1), mac(3)))),
            ),
            by(
                1,
                L,
                frame(mac(3), mac(1)),
                vn("0000 0005", frame(mac(3), mac(1))),
                via(3, L, frame(mac(3), mac(1), tag(100)), vn("8009 8005", frame(mac(3), mac(1), tag(100)))),
            ),
            by(
                1,
                L,
                frame(mac(2), mac(1), tag(100)),
                vn("0000 0005", frame(mac(2), mac(1), tag(100))),
                drop="VLAN_MISMATCH",
            ),
            by(
                1,
                L,
                frame(mac(2), mac(1), tag(0, priority=4)),
                vn("0000 0005", frame(mac(2), mac(1), tag(0, priority=4))),
                via(2, L, frame(mac(2), mac(1)), vn("8007 8005", frame(mac(2), mac(1)))),
            ),
        ),
    ),
    Row(
        "VIS: E-TAG both ways, with the frame's priority (E1, E2)",
        RULE,
        VIS_E,
        (
            by(1, L, TO_2, etag("6000 0005", TO_2), via(2, L, TO_2, etag("0005 0007", TO_2))),
            by(
                3,
                L,
                frame(mac(1), mac(3), tag(100, priority=3)),
                etag("6000 0009", frame(mac(1), mac(3), tag(100, priority=3))),
                via(1, L, frame(mac(1), mac(3)), etag("6009 0005", frame(mac(1), mac(3)))),
            ),
            by(1, L, TO_4, etag("0000 0005", TO_4), via(4, M, TO_4, etag("0000 0005", TO_4))),
        ),
    ),
    Row(
        "VIS: every VIF is admitted as any port is",
        RULE,
        vis(
            vnic(6, V100, link=L, vif=1, blocked=True),
            vnic(7, V100, link=M, vif=2, link_up=False),
            vnic(8, V100, link=L),
        ),
        (
            by(1, L, frame(mac(2), OUTSIDE2), vn("0000 0005", frame(mac(2), OUTSIDE2)), drop="FORGED_TX"),
            by(1, L, frame(mac(1), mac(1)), vn("0000 0005", frame(mac(1), mac(1))), drop="SAME_PORT"),
            by(6, L, frame(mac(2), mac(6)), vn("0000 0001", frame(mac(2), mac(6))), drop="PORT_BLOCKED"),
            by(1, L, frame(mac(7), mac(1)), vn("0000 0005", frame(mac(7), mac(1))), lost(7, "LINK_DOWN")),
            by(1, L, frame(mac(8), mac(1)), vn("0000 0005", frame(mac(8), mac(1))), lost(8, "NO_VIF")),
            by(
                1,
                L,
                sized(1514, mac(2), mac(1)),
                vn("0000 0005", sized(1514, mac(2), mac(1))),
                via(2, L, sized(1514, mac(2), mac(1)), vn("8007 8005", sized(1514, mac(2), mac(1)))),
            ),
            by(1, L, sized(1515, mac(2), mac(1)), vn("0000 0005", sized(1515, mac(2), mac(1))), drop="OVERSIZE"),
            by(
                1,
                L,
                frame(LLDP, mac(1), ethertype=0x88CC),
                vn("0000 0005", frame(LLDP, mac(1), ethertype=0x88CC)),
                drop="RESERVED_MCAST",
            ),
        ),
    ),
    Row(
        "VIS: what the tag must not be",
        RULE,
        VIS,
        (
            dropped(L, vn("0000 0006", TO_2), "NIV_UNKNOWN_VIF"),
            dropped(L, vn("0000 0000", TO_2), "NIV_UNKNOWN_VIF"),
            dropped(M, vn("0000 0007", TO_2), "NIV_UNKNOWN_VIF"),
            dropped(L, vn("8000 0005", TO_2), "NIV_DIRECTION"),
            dropped(L, vn("0000 1005", TO_2), "NIV_VERSION"),
            dropped(L, vn("0000 0005", vn("0000 0005", TO_2)), "NIV_NESTED"),
            dropped(L, vn("0000 0005", TO_2)[:18], "RUNT"),
            dropped(L, TO_2, "NIV_UNTAGGED"),
            dropped(L, frame(mac(2), OUTSIDE, tag(100)), "NIV_UNTAGGED"),
            dropped(L, etag("0000 0005", TO_2), "NIV_UNTAGGED"),
            dropped(L, frame(bytes.fromhex("0180c2000000"), OUTSIDE), "NIV_UNTAGGED"),
            dropped(L, frame(LLDP, OUTSIDE, ethertype=0x88CC), "RESERVED_MCAST"),
        ),
    ),
    Row(
        "VIS: what an E-TAG must not be",
        RULE,
        VIS_E,
        (
            dropped(L, etag("0000 0006", TO_2), "NIV_UNKNOWN_VIF"),
            dropped(L, etag("0000 0000", TO_2), "NIV_UNKNOWN_VIF"),
            dropped(L, etag("0000 1005", TO_2), "NIV_DIRECTION"),
            dropped(L, etag("0005 0005", TO_2), "NIV_DIRECTION"),
            dropped(L, TO_2[:12] + bytes.fromhex("893f 0000 0005 0100") + TO_2[12:], "NIV_UNKNOWN_VIF"),
            dropped(L, etag("0000 0005", TO_2)[:21], "RUNT"),
            dropped(L, vn("0000 0005", TO_2), "NIV_UNTAGGED"),
        ),
    ),
    Row(
        "VIS: a flood without lists, with the sender named on its own link alone",
        RULE,
        VIS,
        (
            by(
                1,
                L,
                FLOOD,
                vn("0000 0005", FLOOD),
                via(2, L, FLOOD, vn("8007 8005", FLOOD)),
                via(3, L, FLOOD_3, vn("8009 8005", FLOOD_3)),
                via(4, M, FLOOD, vn("8005 0000", FLOOD)),
                via(5, M, FLOOD, vn("8006 0000", FLOOD)),
                sent(P, FLOOD),
            ),
        ),
    ),
    Row(
        "VIS: a link that is down or shut",
        RULE,
        vis(
            bridge(22, link_up=False),
            vnic(6, V100, link=22, vif=1),
            bridge(23, blocked=True),
            vnic(7, V100, link=23, vif=1),
        ),
        (
            by(1, L, frame(mac(6), mac(1)), vn("0000 0005", frame(mac(6), mac(1))), lost(6, "LINK_DOWN")),
            by(1, L, frame(mac(7), mac(1)), vn("0000 0005", frame(mac(7), mac(1))), lost(7, "PORT_BLOCKED")),
            dropped(23, vn("0000 0001", frame(mac(1), mac(7))), "PORT_BLOCKED"),
        ),
    ),
    Row(
        "VIS: superframes stay as they are",
        RULE,
        VIS,
        (
            forwarded(
                P,
                (big := frame(mac(2), OUTSIDE, ethertype=0x0800, body=SUPERFRAME[14:])),
                via(2, L, big, vn("8007 0000", big)),
                gso=1448,
            ),
        ),
    ),
]


def listed(
    image: Image, lists: dict[tuple[int, int], tuple[int, ...]], vlan: int = 100, receivers: tuple[int, ...] = ()
) -> Image:
    """With these lists, and these receivers of the VLAN's broadcasts."""
    return replace(image, vif_lists=lists, members={**image.members, vlan: receivers})


L_LIST, M_LIST = 0x1123, 0x1124
WITH_LISTS = {(L, L_LIST): (1, 2), (M, M_LIST): (4, 5)}
RECEIVERS = (3, P, LIST_RECEIVER + L_LIST, LIST_RECEIVER + M_LIST)


def both(first: int, second: int, link_: int, inner: bytes, tagged: bytes) -> tuple[Copy, Copy]:
    """The two receivers of one frame."""
    return via(first, link_, inner, tagged), via(second, link_, inner, tagged, shared=True)


LIST_ROWS = [
    Row(
        "lists: one copy for all VIFs of a link, which counts for each of them (V4, V5)",
        RULE,
        listed(VIS, WITH_LISTS, receivers=RECEIVERS),
        (
            forwarded(
                P,
                FROM_P,
                via(3, L, FROM_P_3, vn("8009 0000", FROM_P_3)),
                *both(1, 2, L, FROM_P, vn("d123 0000", FROM_P)),
                *both(4, 5, M, FROM_P, vn("d124 0000", FROM_P)),
            ),
            by(
                4,
                M,
                frame(BROADCAST, mac(4)),
                vn("0000 0005", frame(BROADCAST, mac(4))),
                via(3, L, frame(BROADCAST, mac(4), tag(100)), vn("8009 0000", frame(BROADCAST, mac(4), tag(100)))),
                *both(1, 2, L, frame(BROADCAST, mac(4)), vn("d123 0000", frame(BROADCAST, mac(4)))),
                via(5, M, frame(BROADCAST, mac(4)), vn("8006 8005", frame(BROADCAST, mac(4)))),
                sent(P, frame(BROADCAST, mac(4))),
            ),
        ),
    ),
    Row(
        "lists: the sender is on the list, and is named so that it gets nothing (V5, E3)",
        RULE,
        listed(
            vis(vnic(6, V100, link=L, vif=8)),
            {(L, 0x123): (1, 2, 6)},
            receivers=(P, LIST_RECEIVER + 0x123),
        ),
        (
            by(1, L, FLOOD, vn("0000 0005", FLOOD), sent(P, FLOOD), *both(2, 6, L, FLOOD, vn("c123 8005", FLOOD))),
            becomes(
                listed(
                    vis(vnic(6, V100, link=L, vif=8), tagging=E),
                    {(L, L_LIST): (1, 2, 6)},
                    receivers=(P, LIST_RECEIVER + L_LIST),
                )
            ),
            by(1, L, FLOOD, etag("0000 0005", FLOOD), sent(P, FLOOD), *both(2, 6, L, FLOOD, etag("0005 1123", FLOOD))),
        ),
    ),
    Row(
        "lists: who is not of one mind gets copies of its own",
        RULE,
        listed(
            vis(vnic(6, V100, link=L, vif=8, blocked=True)),
            {(L, 0x1200): (1, 2, 3), (M, 0x1201): (4, 5), (L, 0x1202): (6, 1)[::-1]},
            receivers=(P, LIST_RECEIVER + 0x1200),
        ),
        (
            forwarded(
                P,
                FROM_P,
                via(1, L, FROM_P, vn("8005 0000", FROM_P)),
                via(2, L, FROM_P, vn("8007 0000", FROM_P)),
                via(3, L, FROM_P_3, vn("8009 0000", FROM_P_3)),
            ),
            becomes(
                listed(
                    vis(vnic(6, V100, link=L, vif=8, blocked=True)),
                    {(L, 0x1202): (1, 2, 6)},
                    receivers=(LIST_RECEIVER + 0x1202,),
                )
            ),
            forwarded(
                P,
                FROM_P,
                via(1, L, FROM_P, vn("8005 0000", FROM_P)),
                via(2, L, FROM_P, vn("8007 0000", FROM_P)),
                lost(6, "PORT_BLOCKED"),
            ),
        ),
    ),
    Row(
        "lists: one that has lost its members, and one whose members are on another link by now",
        RULE,
        listed(VIS, {(L, 0x1200): (), (M, 0x1201): (1, 2)}, receivers=(LIST_RECEIVER + 0x1200, LIST_RECEIVER + 0x1201)),
        (
            forwarded(
                P,
                FROM_P,
                via(1, L, FROM_P, vn("8005 0000", FROM_P)),
                via(2, L, FROM_P, vn("8007 0000", FROM_P)),
            ),
        ),
    ),
]

PLAIN = world(
    vnic(1, V100, link=L, vif=5),
    vnic(2, V100, link=L, vif=7),
    switch_port(L, V100, niv=Niv.BRIDGE, tagging=VN),
    switch_port(P, V100),
)
MULTI = frame(MULTICAST, OUTSIDE)

PLAIN_ROWS = [
    Row(
        "a link that takes both: what comes either way does not go back the other way",
        RULE,
        PLAIN,
        (
            forwarded(L, MULTI, sent(P, MULTI)),
            by(
                1,
                L,
                FLOOD,
                vn("0000 0005", FLOOD),
                via(2, L, FLOOD, vn("8007 8005", FLOOD)),
                sent(P, FLOOD),
            ),
            forwarded(
                P,
                frame(BROADCAST, OUTSIDE2),
                via(1, L, frame(BROADCAST, OUTSIDE2), vn("8005 0000", frame(BROADCAST, OUTSIDE2))),
                via(2, L, frame(BROADCAST, OUTSIDE2), vn("8007 0000", frame(BROADCAST, OUTSIDE2))),
                sent(L, frame(BROADCAST, OUTSIDE2)),
            ),
            dropped(L, frame(mac(1), OUTSIDE), "SAME_PORT"),
            by(1, L, frame(OUTSIDE, mac(1)), vn("0000 0005", frame(OUTSIDE, mac(1))), drop="SAME_PORT"),
        ),
    ),
    Row(
        "a link that takes both: the host's vNICs may still send without the tag, and nothing is learned of it",
        RULE,
        PLAIN,
        (
            replace(
                forwarded(L, frame(BROADCAST, mac(1)), sent(P, frame(BROADCAST, mac(1)))),
                learned={},
            ),
            forwarded(
                P, frame(mac(1), OUTSIDE), via(1, L, frame(mac(1), OUTSIDE), vn("8005 0000", frame(mac(1), OUTSIDE)))
            ),
        ),
    ),
    Row(
        "nothing that looks like our tag goes to a NIV link without it",
        RULE,
        PLAIN,
        (
            forwarded(
                P,
                vn("8005 0000", frame(BROADCAST, OUTSIDE)),
                via(
                    1,
                    L,
                    vn("8005 0000", frame(BROADCAST, OUTSIDE)),
                    vn("8005 0000", vn("8005 0000", frame(BROADCAST, OUTSIDE))),
                ),
                via(
                    2,
                    L,
                    vn("8005 0000", frame(BROADCAST, OUTSIDE)),
                    vn("8007 0000", vn("8005 0000", frame(BROADCAST, OUTSIDE))),
                ),
                lost(L, "NIV_NESTED"),
            ),
        ),
    ),
]


# --- VEPA --------------------------------------------------------------------------------------------------------

VEPA = world(vnic(1, V100), vnic(2, V100), vnic(3, trunk("0,100")), uplink(U), vepa=True)
RELAY = world(switch_port(1, V100, reflective=True), switch_port(2, V100))

VEPA_ROWS = [
    Row(
        "VEPA: everything goes to the uplink, in its VLAN",
        RULE,
        VEPA,
        (
            forwarded(1, frame(mac(2), mac(1)), sent(U, frame(mac(2), mac(1), tag(100)))),
            forwarded(1, frame(BROADCAST, mac(1)), sent(U, frame(BROADCAST, mac(1), tag(100)))),
            forwarded(1, frame(mac(1), mac(1)), sent(U, frame(mac(1), mac(1), tag(100)))),
            forwarded(1, frame(OUTSIDE, mac(1)), sent(U, frame(OUTSIDE, mac(1), tag(100)))),
            dropped(1, frame(OUTSIDE, OUTSIDE2), "FORGED_TX"),
        ),
    ),
    Row(
        "VEPA: what comes back goes to all but the port that it is from",
        RULE,
        VEPA,
        (
            forwarded(U, frame(mac(2), mac(1), tag(100)), sent(2, frame(mac(2), mac(1)))),
            forwarded(
                U,
                frame(BROADCAST, mac(1), tag(100)),
                sent(2, frame(BROADCAST, mac(1))),
                sent(3, frame(BROADCAST, mac(1), tag(100))),
            ),
            dropped(U, frame(mac(1), mac(1), tag(100)), "RPF_LOCAL_SRC"),
            dropped(U, frame(BROADCAST, mac(3)), "RPF_LOCAL_SRC"),
            forwarded(U, frame(mac(2), OUTSIDE, tag(100)), sent(2, frame(mac(2), OUTSIDE))),
            dropped(U, frame(OUTSIDE, OUTSIDE2, tag(100)), "UNKNOWN_UNICAST"),
        ),
    ),
    Row(
        "VEPA: without an uplink there is no other way",
        RULE,
        world(vnic(1, V100), vnic(2, V100), teams={0: ()}, vepa=True),
        (
            dropped(1, frame(mac(2), mac(1)), "UPLINK_INACTIVE"),
            dropped(1, frame(BROADCAST, mac(1)), "UPLINK_INACTIVE"),
        ),
    ),
    Row(
        "reflective relay: a port may have its own frames back, and no other port may",
        RULE,
        RELAY,
        (
            forwarded(
                1, frame(BROADCAST, OUTSIDE), sent(1, frame(BROADCAST, OUTSIDE)), sent(2, frame(BROADCAST, OUTSIDE))
            ),
            forwarded(1, frame(OUTSIDE, OUTSIDE2), sent(1, frame(OUTSIDE, OUTSIDE2))),
            forwarded(2, frame(BROADCAST, mac(9)), sent(1, frame(BROADCAST, mac(9)))),
            dropped(2, frame(mac(9), mac(8)), "SAME_PORT"),
        ),
    ),
]

ROWS = [*IV_UP, *IV_DOWN, *VIS_ROWS, *LIST_ROWS, *PLAIN_ROWS, *VEPA_ROWS]
