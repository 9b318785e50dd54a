"""Rows: VLAN modes.  EST = access(0), VST = access(n), VGT = trunk with untagged (S-030 to S-056)."""

from __future__ import annotations

from tests.rows.row import Row, Step, becomes, dropped, forwarded, lost, sent
from tests.rows.world import (
    BROADCAST,
    EVERYTHING,
    OUTSIDE,
    TPID_8021AD,
    VGT,
    access,
    frame,
    mac,
    tag,
    trunk,
    uplink,
    vnic,
    world,
)

U = 10
EST, VST200, VST300 = access(0), access(200), access(300)
LISTED = trunk("100-101,300")
QINQ = (tag(200, tpid=TPID_8021AD), tag(100))

S0 = world(vnic(1, trunk(VGT)), vnic(2, VST300), vnic(3, EST), vnic(4, EST), uplink(U))
"""The figure of four guests: VGT, VST(300), EST twice."""


def from_outside(*tags: bytes, to: bytes = BROADCAST) -> bytes:
    """A frame of the network."""
    return frame(to, OUTSIDE, *tags)


def outward(lport: int, *tags: bytes) -> bytes:
    """A frame of a vNIC to the outside."""
    return frame(OUTSIDE, mac(lport), *tags)


def _up(lport: int, came: tuple[bytes, ...], left: tuple[bytes, ...]) -> Step:
    """In by the vNIC with these tags, out by the uplink with those, as unknown unicast."""
    return forwarded(lport, outward(lport, *came), sent(U, outward(lport, *left), flooded=True))


ACCESS = [
    Row(
        "EST: untagged stays untagged",
        ("S-030",),
        world(vnic(1, EST), uplink(U)),
        (_up(1, (), ()),),
    ),
    Row(
        "untagged from the network goes to EST and to VGT that lists 0",
        ("S-031",),
        S0,
        (
            forwarded(
                U,
                from_outside(),
                sent(1, from_outside()),
                sent(3, from_outside()),
                sent(4, from_outside()),
            ),
        ),
    ),
    Row(
        "VST tags what leaves by the uplink",
        ("S-032",),
        world(vnic(1, VST200), uplink(U)),
        (_up(1, (), (tag(200),)),),
    ),
    Row(
        "VST gets its VLAN only, without the tag",
        ("S-033",),
        world(vnic(1, VST200), vnic(2, VST300), vnic(3, EST), uplink(U)),
        (
            forwarded(U, from_outside(tag(200)), sent(1, from_outside())),
            forwarded(U, from_outside(tag(200), to=mac(1)), sent(1, from_outside(to=mac(1)))),
            dropped(U, from_outside(tag(200), to=mac(2)), "UNKNOWN_UNICAST"),
            dropped(U, from_outside(tag(200), to=mac(3)), "UNKNOWN_UNICAST"),
        ),
    ),
    Row(
        "four guests: VLAN 300 goes tagged to VGT, untagged to VST(300), nowhere else",
        ("S-034",),
        S0,
        (forwarded(U, from_outside(tag(300)), sent(1, from_outside(tag(300))), sent(2, from_outside())),),
    ),
    Row(
        "VST refuses frames that the guest tagged, even with its own VLAN",
        ("S-040",),
        world(vnic(1, VST200), uplink(U)),
        tuple(dropped(1, outward(1, tag(vid)), "VLAN_MISMATCH") for vid in (1, 200, 300, 4095)),
    ),
    Row(
        "EST refuses them too",
        ("S-041",),
        world(vnic(1, EST), uplink(U)),
        tuple(dropped(1, outward(1, tag(vid)), "VLAN_MISMATCH") for vid in (1, 200)),
    ),
]

TRUNK = [
    Row(
        "VGT keeps the guest's tag, priority and DEI",
        ("S-035",),
        world(vnic(1, trunk(VGT)), vnic(2, trunk(VGT)), uplink(U)),
        (
            _up(1, (tag(300, 5, 1),), (tag(300, 5, 1),)),
            _up(1, (tag(1),), (tag(1),)),
            _up(1, (tag(4094, 7),), (tag(4094, 7),)),
            forwarded(
                1,
                frame(mac(2), mac(1), tag(100, 3)),
                sent(2, frame(mac(2), mac(1), tag(100, 3))),
            ),
        ),
    ),
    Row(
        "VGT untagged leaves untagged",
        ("S-036",),
        world(vnic(1, trunk(VGT)), uplink(U)),
        (_up(1, (), ()),),
    ),
    Row(
        "a VLAN outside the list is refused",
        ("S-037",),
        world(vnic(1, LISTED), uplink(U)),
        (dropped(1, outward(1, tag(250)), "VLAN_MISMATCH"), _up(1, (tag(101),), (tag(101),))),
    ),
    Row(
        "and not delivered",
        ("S-038",),
        world(vnic(1, LISTED), vnic(2, access(250)), uplink(U)),
        (
            forwarded(U, from_outside(tag(250)), sent(2, from_outside())),
            dropped(U, from_outside(tag(250), to=mac(1)), "UNKNOWN_UNICAST"),
        ),
    ),
    Row(
        "a list without 0 takes and gives no untagged frames",
        ("S-039",),
        world(vnic(1, LISTED), vnic(2, EST), uplink(U)),
        (
            dropped(1, outward(1), "VLAN_MISMATCH"),
            forwarded(U, from_outside(), sent(2, from_outside())),
            dropped(U, from_outside(to=mac(1)), "UNKNOWN_UNICAST"),
        ),
    ),
    Row(
        "an uplink's list counts too, both ways",
        ("S-037", "S-038"),
        world(vnic(1, VST200), vnic(2, VST200), vnic(3, VST300), uplink(U, trunk("200"))),
        (
            _up(1, (), (tag(200),)),
            dropped(3, outward(3), "UNKNOWN_UNICAST"),
            dropped(3, frame(BROADCAST, mac(3)), "NO_RECEIVER"),
            dropped(U, from_outside(tag(300), to=mac(3)), "VLAN_MISMATCH"),
            dropped(U, from_outside(), "VLAN_MISMATCH"),
        ),
    ),
]

NATIVE = trunk("1,100,200", native=100)
NATIVE_VLAN = [
    Row(
        "native VLAN of the uplink: out and in untagged",
        ("S-036", "S-047"),
        world(vnic(1, access(100)), vnic(2, access(200)), uplink(U, NATIVE)),
        (
            _up(1, (), ()),
            _up(2, (), (tag(200),)),
            forwarded(U, from_outside(to=mac(1)), sent(1, from_outside(to=mac(1)))),
            forwarded(U, from_outside(tag(100), to=mac(1)), sent(1, from_outside(to=mac(1)))),
            dropped(U, from_outside(to=mac(2)), "UNKNOWN_UNICAST"),
        ),
    ),
    Row(
        "the physical native VLAN is ours tagged: replies come untagged and reach nobody",
        ("S-047",),
        world(vnic(1, access(100)), uplink(U, trunk("1-4094"))),
        (_up(1, (), (tag(100),)), dropped(U, from_outside(to=mac(1)), "VLAN_MISMATCH")),
    ),
    Row(
        "native VLAN of a guest's trunk",
        ("S-051",),
        world(vnic(1, NATIVE), vnic(2, access(100)), uplink(U)),
        (
            _up(1, (), (tag(100),)),
            _up(1, (tag(200),), (tag(200),)),
            forwarded(1, frame(mac(2), mac(1)), sent(2, frame(mac(2), mac(1)))),
            forwarded(2, frame(mac(1), mac(2)), sent(1, frame(mac(1), mac(2)))),
        ),
    ),
    Row(
        "a trunk with a native VLAN never carries VLAN 0, whatever its list says",
        ("S-036", "S-039"),
        world(vnic(1, trunk("0,100", native=100)), vnic(2, EST), uplink(U)),
        (
            forwarded(U, from_outside(), sent(2, from_outside())),
            dropped(U, from_outside(to=mac(1)), "UNKNOWN_UNICAST"),
            _up(1, (), (tag(100),)),
        ),
    ),
]

PRIORITY = [
    Row(
        "a priority tag from VST becomes the VLAN's tag with that priority",
        ("S-042",),
        world(vnic(1, VST200), vnic(2, VST200), uplink(U)),
        (
            _up(1, (tag(0, 5),), (tag(200, 5),)),
            _up(1, (tag(0, 5, 1),), (tag(200, 5, 1),)),
            forwarded(1, frame(mac(2), mac(1), tag(0, 5)), sent(2, frame(mac(2), mac(1)))),
        ),
    ),
    Row(
        "from EST it leaves untagged",
        ("S-042",),
        world(vnic(1, EST), uplink(U)),
        (_up(1, (tag(0, 5),), ()), _up(1, (tag(0),), ())),
    ),
    Row(
        "unless the switch keeps priority tags, and there is a priority",
        ("S-042",),
        world(vnic(1, EST), uplink(U), keep_priority_tag=True),
        (_up(1, (tag(0, 5),), (tag(0, 5),)), _up(1, (tag(0),), ()), _up(1, (), ())),
    ),
    Row(
        "a priority tag from the network counts as untagged: EST without, VGT as it came",
        ("S-043",),
        S0,
        (
            forwarded(
                U,
                from_outside(tag(0, 3)),
                sent(1, from_outside(tag(0, 3))),
                sent(3, from_outside()),
                sent(4, from_outside()),
            ),
            forwarded(U, from_outside(tag(0), to=mac(1)), sent(1, from_outside(tag(0), to=mac(1)))),
            forwarded(U, from_outside(tag(0, 3), to=mac(3)), sent(3, from_outside(to=mac(3)))),
        ),
    ),
    Row(
        "VGT may send priority tags",
        ("S-035", "S-042"),
        world(vnic(1, trunk(VGT)), vnic(2, EST), uplink(U)),
        (
            _up(1, (tag(0, 6),), ()),
            forwarded(1, frame(mac(2), mac(1), tag(0, 6)), sent(2, frame(mac(2), mac(1)))),
        ),
    ),
    Row(
        "a list without 0 refuses them",
        ("S-039", "S-042"),
        world(vnic(1, LISTED), uplink(U)),
        (dropped(1, outward(1, tag(0, 6)), "VLAN_MISMATCH"),),
    ),
]

ODD_TAGS = [
    Row(
        "VID 4095 is reserved",
        ("S-044",),
        S0,
        (
            dropped(U, from_outside(tag(4095)), "VLAN_MISMATCH"),
            dropped(1, outward(1, tag(4095)), "VLAN_MISMATCH"),
        ),
    ),
    Row(
        "an 802.1ad tag matches no VLAN: VGT gets it unchanged, others do not",
        ("S-045",),
        world(vnic(1, trunk(VGT)), vnic(2, access(200)), vnic(3, access(100)), vnic(4, EST), uplink(U)),
        (
            forwarded(U, from_outside(*QINQ), sent(1, from_outside(*QINQ))),
            forwarded(U, from_outside(*QINQ, to=mac(1)), sent(1, from_outside(*QINQ, to=mac(1)))),
            forwarded(U, from_outside(*QINQ, to=mac(4)), lost(4, "VLAN_MISMATCH")),
            dropped(U, from_outside(*QINQ, to=mac(2)), "UNKNOWN_UNICAST"),
        ),
    ),
    Row(
        "VGT may send it, EST and VST may not",
        ("S-045", "S-041"),
        world(vnic(1, trunk(VGT)), vnic(2, access(200)), vnic(3, EST), uplink(U)),
        (
            _up(1, QINQ, QINQ),
            dropped(2, outward(2, *QINQ), "VLAN_MISMATCH"),
            dropped(3, outward(3, *QINQ), "VLAN_MISMATCH"),
            dropped(3, outward(3, tag(0, 5, tpid=TPID_8021AD)), "VLAN_MISMATCH"),
        ),
    ),
    Row(
        "an 802.1ad tag does not enter a native VLAN",
        ("S-045",),
        world(vnic(1, access(100)), vnic(2, trunk("1,100", native=1)), uplink(U, NATIVE)),
        (
            dropped(U, from_outside(*QINQ), "VLAN_MISMATCH"),
            dropped(2, outward(2, *QINQ), "VLAN_MISMATCH"),
        ),
    ),
    Row(
        "two 802.1Q tags: the outer one counts, the inner one is payload",
        ("S-046",),
        world(vnic(1, access(100)), vnic(2, trunk(VGT)), vnic(3, EST), uplink(U)),
        (
            forwarded(
                U,
                from_outside(tag(100), tag(7)),
                sent(1, from_outside(tag(7))),
                sent(2, from_outside(tag(100), tag(7))),
            ),
            forwarded(U, from_outside(tag(100, 4), tag(7, 2), to=mac(1)), sent(1, from_outside(tag(7, 2), to=mac(1)))),
        ),
    ),
]

LOCAL = [
    Row(
        "same VLAN in two port groups: delivered here, nothing on the uplink",
        ("S-048",),
        world(vnic(1, VST200), vnic(2, access(200, forged_ok=True)), uplink(U)),
        (forwarded(1, frame(mac(2), mac(1)), sent(2, frame(mac(2), mac(1)))),),
    ),
    Row(
        "different VLANs: never delivered here",
        ("S-049",),
        world(vnic(1, VST200), vnic(2, VST300), uplink(U)),
        (
            forwarded(1, frame(mac(2), mac(1)), sent(U, frame(mac(2), mac(1), tag(200)), flooded=True)),
            forwarded(1, frame(BROADCAST, mac(1)), sent(U, frame(BROADCAST, mac(1), tag(200)))),
        ),
    ),
    Row(
        "VGT tagged 300 to VST(300) and back",
        ("S-051",),
        S0,
        (
            forwarded(1, frame(mac(2), mac(1), tag(300)), sent(2, frame(mac(2), mac(1)))),
            forwarded(2, frame(mac(1), mac(2)), sent(1, frame(mac(1), mac(2), tag(300)))),
        ),
    ),
    Row(
        "VGT untagged to EST and back",
        ("S-052",),
        S0,
        (
            forwarded(1, frame(mac(3), mac(1)), sent(3, frame(mac(3), mac(1)))),
            forwarded(3, frame(mac(1), mac(3)), sent(1, frame(mac(1), mac(3)))),
        ),
    ),
    Row(
        "a VGT vNIC's MAC is known in every VLAN of its trunk, and in no other",
        ("S-053",),
        world(vnic(1, trunk("0,100,300")), uplink(U, trunk(EVERYTHING))),
        (
            forwarded(U, from_outside(to=mac(1)), sent(1, from_outside(to=mac(1)))),
            forwarded(U, from_outside(tag(100), to=mac(1)), sent(1, from_outside(tag(100), to=mac(1)))),
            forwarded(U, from_outside(tag(300), to=mac(1)), sent(1, from_outside(tag(300), to=mac(1)))),
            dropped(U, from_outside(tag(200), to=mac(1)), "UNKNOWN_UNICAST"),
        ),
    ),
    Row(
        "a port that changes its VLAN changes at once, in both directions",
        ("S-056",),
        world(vnic(1, VST200), vnic(2, VST200), uplink(U)),
        (
            _up(1, (), (tag(200),)),
            becomes(world(vnic(1, VST300), vnic(2, VST200), uplink(U))),
            _up(1, (), (tag(300),)),
            dropped(U, from_outside(tag(200), to=mac(1)), "UNKNOWN_UNICAST"),
            forwarded(U, from_outside(tag(300), to=mac(1)), sent(1, from_outside(to=mac(1)))),
            forwarded(1, frame(mac(2), mac(1)), sent(U, frame(mac(2), mac(1), tag(300)), flooded=True)),
        ),
    ),
]

ROWS: list[Row] = [*ACCESS, *TRUNK, *NATIVE_VLAN, *PRIORITY, *ODD_TAGS, *LOCAL]
