"""What a host keeps of vEths that move away or come: windows, sessions, and what the Image gets of it."""

from __future__ import annotations

from dataclasses import replace

from dvswitch.mac import MacAddress
from vem.agent import moves, wanted
from vem.agent.attachments import Attachment
from vem.agent.moves import LINGER, UNFOLLOWED, Moves
from vem.agent.wanted import Forward, Nic, Phase, Policy, Wanted
from vem.datapath.engine import Plug
from vem.datapath.image import Image, Port

MAC = MacAddress.parse("02:00:00:00:00:01")
LPORT, TUNNEL = 3, 9
TO = Forward(77, bytes(16), 10.0, ("192.0.2.2", 8474))
HERE = replace(TO, peer=None)
NIC = Attachment(Nic("vm"), MAC, "web", Plug("memory"), LPORT, veth=1)
POLICIES = {5: Policy(5, "web", vlan=10)}


def told(phase: Phase | None, forward: Forward | None = None) -> Wanted:
    ports = {} if phase is None else {1: wanted.Port(1, 5, MAC, NIC.nic, 2, phase, forward=forward)}
    return Wanted(1, None, POLICIES, ports)


def image_of(known: Moves, live: bool) -> Image:
    base = Image(ports={LPORT: Port(1, 1, MAC, blocked=not live)}, static_macs={MAC: LPORT} if live else {})
    return known.overlay(base, lambda policy: 1)


def test_the_source_connects_early_and_follows_from_the_pause_to_the_end_of_the_window() -> None:
    known = Moves(tunnel=TUNNEL)
    known.follow(told(Phase.ACTIVE, TO), [NIC], 0.0)
    assert known.sessions()[77].peer == TO.peer and not known.gone
    known.follow(told(Phase.DRAINING, TO), [NIC], 5.0)
    image = image_of(known, live=False)
    port = image.ports[LPORT]
    assert (port.moved, port.forward, port.blocked, image.static_macs) == (True, True, True, {MAC: LPORT})
    assert image.control.tunnel == TUNNEL and image.control.moved and image.ports[TUNNEL].tunnel
    # the supervisor, the NIC and the policy may go: the window stays
    known.follow(Wanted(2), [], 14.9)
    assert known.sessions() and known.policies() == POLICIES and NIC.key in known.lport_keys()
    assert known.due() == 15.0
    known.follow(Wanted(2), [], 15.1)
    assert not known.sessions() and not known.gone


def test_without_forwarding_it_is_only_remembered_for_a_while() -> None:
    for known, forward in ((Moves(), TO), (Moves(tunnel=TUNNEL), None)):
        known.follow(told(Phase.DRAINING, forward), [NIC], 0.0)
        port = image_of(known, live=False).ports[LPORT]
        assert port.moved and not port.forward and not known.sessions()
        assert known.due() == UNFOLLOWED


def test_the_target_holds_until_it_is_opened_and_stays_a_little_longer() -> None:
    known = Moves(tunnel=TUNNEL)
    known.follow(told(Phase.PREPARED, HERE), [NIC], 0.0)
    assert image_of(known, live=False).ports[LPORT].held and not known.to_open()
    known.follow(told(Phase.ACTIVE, HERE), [NIC], 3.0)
    assert known.to_open() == [77] and image_of(known, live=True).ports[LPORT].held
    known.opened(77)
    known.follow(told(Phase.ACTIVE), [NIC], 4.0)  # the move is done
    port = image_of(known, live=True).ports[LPORT]
    assert (port.held, port.releasing) == (False, True) and known.sessions()
    known.follow(told(Phase.ACTIVE), [NIC], 3.0 + HERE.seconds + LINGER + 0.1)
    assert not known.sessions()


def test_a_move_that_is_cancelled_before_it_is_active_ends_at_once() -> None:
    known = Moves(tunnel=TUNNEL)
    known.follow(told(Phase.PREPARED, HERE), [NIC], 0.0)
    known.follow(told(None), [], 1.0)
    assert not known.sessions() and known.due() is None


def test_a_vm_that_comes_straight_back_is_not_gone_any_more() -> None:
    known = Moves(tunnel=TUNNEL)
    known.follow(told(Phase.DRAINING, TO), [NIC], 0.0)
    back = replace(HERE, id=78)
    known.follow(told(Phase.PREPARED, back), [NIC], 1.0)
    port = image_of(known, live=False).ports[LPORT]
    assert port.moved and port.forward and port.held and set(known.sessions()) == {77, 78}
    known.follow(told(Phase.ACTIVE, back), [NIC], 2.0)
    port = image_of(known, live=True).ports[LPORT]
    assert not port.moved and not port.forward and not port.blocked
    assert moves.KEY in known.lport_keys()
