"""A vEth that left comes back: when it counts as gone, and when it is awaited (vem/agent/moves.py)."""

from __future__ import annotations

from dataclasses import replace

from dvswitch.mac import MacAddress
from vem.agent import wanted as want
from vem.agent.attachments import Attachment
from vem.agent.moves import Moves
from vem.agent.wanted import Phase
from vem.datapath import image as img
from vem.datapath.engine import Plug

LPORT, VETH, POLICY = 3, 7, 1
MAC = MacAddress.parse("52:54:00:00:00:01")
NIC = want.Nic("vm")
PORT = want.Port(VETH, POLICY, MAC, NIC, generation=1)


def after(*phases: Phase) -> img.Port:
    """The datapath's port once the vEth has been in these phases here, a second each."""
    moves = Moves()
    item = Attachment(NIC, MAC, "web", Plug("tap", device="tap0"), LPORT, veth=VETH)
    for now, phase in enumerate(phases, 1):
        port = replace(PORT, phase=phase, generation=now)
        moves.follow(want.Wanted(policies={POLICY: want.Policy(POLICY)}, ports={VETH: port}), [item], float(now))
    active, prepared = (phases[-1] is phase for phase in (Phase.ACTIVE, Phase.PREPARED))
    plain = img.Port(POLICY, VETH, MAC, blocked=not active, awaited=prepared)
    return moves.overlay(img.Image(ports={LPORT: plain}), lambda ident: ident).ports[LPORT]


def test_what_has_left_is_known_for_a_while() -> None:
    port = after(Phase.ACTIVE, Phase.DRAINING)
    assert (port.moved, port.awaited) == (True, False)


def test_what_is_to_come_straight_back_is_awaited() -> None:
    """Its VM's first frame must be seen, even while the frames that come for it elsewhere are still counted."""
    port = after(Phase.ACTIVE, Phase.DRAINING, Phase.PREPARED)
    assert (port.moved, port.awaited, port.blocked) == (True, True, True)


def test_what_has_come_back_has_not_left() -> None:
    port = after(Phase.ACTIVE, Phase.DRAINING, Phase.PREPARED, Phase.ACTIVE)
    assert (port.moved, port.awaited, port.blocked) == (False, False, False)
