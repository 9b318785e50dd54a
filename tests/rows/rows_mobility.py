"""Rows: what becomes of frames for a vEth that has moved away, of what a vEth sends before it is activated, and of what
comes back from the mobility program (S-246 to S-252)."""

from __future__ import annotations

from dataclasses import replace

from tests.rows.row import Copy, Row, Step, becomes, dropped, forwarded, lost, sent
from tests.rows.world import (
    EVERYTHING,
    OUTSIDE,
    TPID_8021AD,
    access,
    frame,
    mac,
    tag,
    trunk,
    uplink,
    vnic,
    world,
)
from vem.datapath.abi import CONSTANTS
from vem.datapath.image import Image, Policy

U1, M = 10, 9
VM, PEER, OTHER = 1, 2, 3
V100 = access(100)
NESTED = bytes.fromhex("020000000055")
LEARNS = replace(V100, learn=True, forged_ok=True)
TRUNK = trunk("0,100,200")


def service(lport: int, what: str = "FROM") -> bytes:
    """The tag between switch and mobility program."""
    return tag(lport | CONSTANTS[f"DVS_SERVICE_{what}"] << 13, tpid=TPID_8021AD)


def tunnel(frame: bytes) -> Copy:
    return replace(sent(M, frame), service=True)


def scene(policy: Policy = V100, tunnel: bool = True, **vm: object) -> Image:
    """The VM's port as told, a peer, an uplink, and the port of the mobility program."""
    ports = (vnic(VM, policy, **vm), vnic(PEER, access(100)), uplink(U1))  # type: ignore[arg-type]
    moved = bool(vm.get("moved"))
    if not tunnel:
        return world(*ports, moved=moved)
    return world(*ports, vnic(M, trunk(EVERYTHING[:1]), own=bytes(6), tunnel=True), moved=moved, tunnel=M)


GONE = {"moved": True, "blocked": True}
FORWARDS = {**GONE, "forward": True}
FROM_NET, TO_VM = frame(mac(VM), OUTSIDE, tag(100, 5)), frame(mac(VM), OUTSIDE)
INSIDE = frame(mac(VM), mac(PEER))
BY_UPLINK = replace(sent(U1, frame(mac(VM), mac(PEER), tag(100))), flooded=True)


MOVED = [
    Row(
        "without forwarding the network's frames for a moved vEth have a reason of their own; guests ask the network",
        ("S-246", "S-252"),
        scene(tunnel=False, **GONE),
        (dropped(U1, FROM_NET, "MOVED_AWAY"), forwarded(PEER, INSIDE, BY_UPLINK)),
    ),
    Row(
        "the moved vEth itself is heard from the network: its address is nobody's here",
        ("S-246", "S-087"),
        scene(**FORWARDS),
        (forwarded(U1, frame(mac(PEER), mac(VM), tag(100)), sent(PEER, frame(mac(PEER), mac(VM)))),),
    ),
    Row(
        "with forwarding they go through the tunnel with their VLAN and priority, and so do those of guests",
        ("S-246", "S-252"),
        scene(**FORWARDS),
        (
            forwarded(U1, FROM_NET, tunnel(frame(mac(VM), OUTSIDE, service(VM, "TO"), tag(100, 5)))),
            forwarded(PEER, INSIDE, tunnel(frame(mac(VM), mac(PEER), service(VM, "TO"), tag(100)))),
            dropped(U1, frame(mac(VM), OUTSIDE, tag(200)), "UNKNOWN_UNICAST"),
        ),
    ),
    Row(
        "all VLANs of a trunk are forwarded, untagged frames as such",
        ("S-246", "S-036"),
        scene(TRUNK, **FORWARDS),
        (
            forwarded(
                U1, frame(mac(VM), OUTSIDE, tag(200)), tunnel(frame(mac(VM), OUTSIDE, service(VM, "TO"), tag(200)))
            ),
            forwarded(U1, frame(mac(VM), OUTSIDE), tunnel(frame(mac(VM), OUTSIDE, service(VM, "TO")))),
        ),
    ),
    Row(
        "a port behind which the VM is by now brings what it had before: by the tunnel, not back where it came from",
        ("S-246", "S-249"),
        world(
            vnic(VM, V100, moved=True, blocked=True, forward=True),
            vnic(PEER, LEARNS),
            vnic(OTHER, V100),
            vnic(M, trunk(EVERYTHING[:1]), own=bytes(6), tunnel=True),
            moved=True,
            tunnel=M,
        ),
        (
            replace(
                forwarded(PEER, frame(mac(OTHER), mac(VM)), sent(OTHER, frame(mac(OTHER), mac(VM)))), learned={PEER: 1}
            ),
            forwarded(PEER, frame(mac(VM), OUTSIDE), tunnel(frame(mac(VM), OUTSIDE, service(VM, "TO"), tag(100)))),
            dropped(PEER, frame(mac(PEER), OUTSIDE), "SAME_PORT"),
        ),
    ),
    Row(
        "addresses that the port had learned move at the same instant",
        ("S-246", "S-250"),
        scene(LEARNS),
        (
            replace(forwarded(VM, frame(mac(PEER), NESTED), sent(PEER, frame(mac(PEER), NESTED))), learned={VM: 1}),
            becomes(scene(LEARNS, **FORWARDS)),
            forwarded(
                U1, frame(NESTED, OUTSIDE, tag(100)), tunnel(frame(NESTED, OUTSIDE, service(VM, "TO"), tag(100)))
            ),
        ),
    ),
]


def arrives(what: str, *copies: Copy) -> Step:
    """A frame out of the tunnel for the VM."""
    step = forwarded(M, frame(mac(VM), OUTSIDE, service(VM, what), tag(100)), *copies)
    return replace(step, tunnelled=True)


def comes_back(what: str, *copies: Copy, drop: str = "") -> Step:
    """What the VM sent before comes back."""
    return Step(M, frame(mac(PEER), mac(VM), service(VM, what)), drop=drop, copies=copies, back_to=VM)


ARRIVING = [
    Row(
        "what arrives by the tunnel is delivered like any frame, though a local guest may have sent it",
        ("S-246", "S-252"),
        scene(),
        (
            arrives("TO", sent(VM, TO_VM)),
            replace(
                forwarded(M, frame(mac(VM), mac(PEER), service(VM, "TO"), tag(100)), sent(VM, INSIDE)), tunnelled=True
            ),
            replace(
                forwarded(M, frame(mac(VM), OUTSIDE, service(VM, "TO"), tag(200)), lost(VM, "VLAN_MISMATCH")),
                tunnelled=True,
            ),
        ),
    ),
    Row(
        "what could not wait any longer is counted at the vEth that it was for",
        ("S-240", "S-252"),
        scene(blocked=True),
        (
            arrives("TO_OVERFLOW", lost(VM, "MOVE_OVERFLOW")),
            arrives("TO_EXPIRED", lost(VM, "MOVE_EXPIRED")),
            arrives("TO", lost(VM, "PORT_BLOCKED")),
        ),
    ),
    Row(
        "a vEth that has moved on since is followed",
        ("S-246", "S-252"),
        scene(**FORWARDS),
        (arrives("TO", tunnel(frame(mac(VM), OUTSIDE, service(VM, "TO"), tag(100)))),),
    ),
]


def gate(shut: int) -> Step:
    """The mobility program closes the VM's gate, or opens it: no frame, and counted nowhere."""
    return Step(M, bytes([shut]) + bytes(11) + service(VM, "GATE") + bytes(48), held=True)


def at_gate(image: Image) -> Image:
    """Some port moves."""
    return replace(image, control=replace(image.control, moved=True))


DIRECT, BY_TRUNK = (
    tunnel(frame(mac(VM), OUTSIDE, service(VM, "DIRECT"), tag(100, 5))),
    frame(mac(VM), OUTSIDE, tag(200, 3)),
)
WAITS, PASSES = forwarded(U1, FROM_NET, DIRECT), arrives("DIRECT", sent(VM, TO_VM))

GATE = [
    Row(
        "at the gate, what comes directly waits behind what the tunnel brings, and then for each other",
        ("S-246", "S-252"),
        at_gate(scene(releasing=True)),
        (
            forwarded(U1, FROM_NET, sent(VM, TO_VM)),
            gate(1),
            WAITS,
            WAITS,
            arrives("TO", sent(VM, TO_VM)),
            PASSES,
            gate(0),
            WAITS,  # for the second of those before
            PASSES,
            PASSES,
            forwarded(U1, FROM_NET, sent(VM, TO_VM)),
        ),
    ),
    Row(
        "local guests' frames wait at the gate like the network's",
        ("S-246", "S-252"),
        at_gate(scene(releasing=True)),
        (
            gate(1),
            forwarded(PEER, INSIDE, tunnel(frame(mac(VM), mac(PEER), service(VM, "DIRECT"), tag(100)))),
            gate(0),
            PASSES,
            forwarded(PEER, INSIDE, sent(VM, INSIDE)),
        ),
    ),
    Row(
        "a trunk's tag and priority wait with the frame",
        ("S-246", "S-036"),
        at_gate(scene(TRUNK, releasing=True)),
        (
            gate(1),
            forwarded(U1, BY_TRUNK, tunnel(frame(mac(VM), OUTSIDE, service(VM, "DIRECT"), tag(200, 3)))),
            replace(
                forwarded(M, frame(mac(VM), OUTSIDE, service(VM, "DIRECT"), tag(200, 3)), sent(VM, BY_TRUNK)),
                tunnelled=True,
            ),
        ),
    ),
    Row(
        "a port that holds nothing has no gate",
        ("S-246", "S-252"),
        at_gate(scene()),
        (gate(1), forwarded(U1, FROM_NET, sent(VM, TO_VM))),
    ),
]

HELD = replace(Step(VM, frame(mac(PEER), mac(VM)), copies=(tunnel(frame(mac(PEER), mac(VM), service(VM))),)), held=True)
TO_PEER = sent(PEER, frame(mac(PEER), mac(VM)))

HOLDING = [
    Row(
        "a vEth's first frames wait for its activation, and then for each other",
        ("S-246", "S-250"),
        scene(held=True, blocked=True),
        (
            HELD,
            HELD,
            becomes(scene(releasing=True)),
            HELD,
            comes_back("FROM", TO_PEER),
            comes_back("FROM", TO_PEER),
            HELD,
            comes_back("FROM", TO_PEER),
            comes_back("FROM", TO_PEER),
            forwarded(VM, frame(mac(PEER), mac(VM)), TO_PEER),
        ),
    ),
    Row(
        "what can't wait is dropped in the vEth's name",
        ("S-240", "S-250"),
        scene(held=True, blocked=True),
        (
            HELD,
            comes_back("FROM_OVERFLOW", drop="MOVE_OVERFLOW"),
            HELD,
            comes_back("FROM_EXPIRED", drop="MOVE_EXPIRED"),
            HELD,
            comes_back("FROM", drop="PORT_BLOCKED"),
        ),
    ),
    Row(
        "a trunk's tag waits with the frame",
        ("S-246", "S-036"),
        scene(TRUNK, held=True),
        (
            replace(
                Step(
                    VM,
                    frame(mac(PEER), mac(VM), tag(100, 3)),
                    copies=(tunnel(frame(mac(PEER), mac(VM), service(VM), tag(100, 3))),),
                ),
                held=True,
            ),
            Step(M, frame(mac(PEER), mac(VM), service(VM), tag(100)), copies=(TO_PEER,), back_to=VM),
        ),
    ),
    Row(
        "without a mobility program nothing waits",
        ("S-250",),
        scene(tunnel=False, held=True, blocked=True),
        (dropped(VM, frame(mac(PEER), mac(VM)), "PORT_BLOCKED"),),
    ),
]

ROWS = MOVED + ARRIVING + GATE + HOLDING
