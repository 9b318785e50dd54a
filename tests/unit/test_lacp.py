"""LACP: the frames byte by byte, and two systems that talk through memory (S-018, S-120, S-140, S-155)."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dvswitch import lacp
from dvswitch.errors import InvalidValue
from dvswitch.lacp import Info, Pdu, State
from dvswitch.lacp_machine import CHURN, LONG, SHORT, Lacp, Mux, PortSettings, PortView, Rx, Selection, Settings
from dvswitch.mac import MacAddress
from tests.support import tshark

MAC = MacAddress.parse("00:1b:21:aa:bb:01")
SYSTEM = MacAddress.parse("00:1b:21:aa:bb:00")
OTHER = MacAddress.parse("96:8c:11:11:00:01")
CONVERGED = State(0x3D)
A1 = """0180 c200 0002 001b 21aa bb01 8809 0101 0114 ffff 001b 21aa bb00 0011 00ff 0002
3d00 0000 0214 8000 0004 968c 1111 0001 8000 001a 3d00 0000 0310 0000 0000"""
A1_ACTOR = Info(SYSTEM, 0xFFFF, 17, 2, 255, CONVERGED)
A2 = """0180 c200 0002 001b 21aa bb01 8809 0101 0114 ffff 001b 21aa bb00 0011 00ff 0002
4700 0000 0214 0000 0000 0000 0000 0000 0000 0000 0200 0000 0310 0000 0000"""


def octets(text: str) -> bytes:
    return bytes.fromhex(text).ljust(lacp.FRAME_BYTES, b"\0")


class TestFrames:
    def test_converged(self) -> None:
        partner = Info(MacAddress.parse("0004.968c.1111"), 0x8000, 1, 26, 0x8000, CONVERGED)
        pdu = Pdu(A1_ACTOR, partner)
        assert lacp.encode(MAC, pdu) == octets(A1)
        assert lacp.decode(octets(A1)) == pdu

    def test_first_after_start(self) -> None:
        actor = Info(
            SYSTEM, 0xFFFF, 17, 2, 255, State.ACTIVE | State.SHORT_TIMEOUT | State.AGGREGATABLE | State.DEFAULTED
        )
        assert lacp.encode(MAC, Pdu(actor, Info(state=State.SHORT_TIMEOUT))) == octets(A2)

    @given(st.binary(max_size=200))
    def test_random_bytes_are_read_or_refused(self, tail: bytes) -> None:
        for frame in (tail, octets(A1)[:14] + tail, octets(A1)[:18] + tail):
            try:
                lacp.decode(frame)
            except InvalidValue as error:
                assert "LACPDU" in str(error)

    @pytest.mark.parametrize(("at", "value"), [(14, 3), (15, 0), (16, 2), (17, 19), (36, 1), (57, 0)])
    def test_a_wrong_byte_is_refused(self, at: int, value: int) -> None:
        frame = bytearray(octets(A1))
        frame[at] = value
        with pytest.raises(InvalidValue):
            lacp.decode(bytes(frame))

    def test_marker_is_answered(self) -> None:
        marker = octets(A1)[:14] + bytes.fromhex("0201 0110 0007 001b21aabb00 00000042 0000 0000".replace(" ", ""))
        marker = marker.ljust(124, b"\0")
        answer = lacp.answer_marker(MAC, marker)
        assert lacp.is_marker(marker)
        assert not lacp.is_marker(answer)
        assert answer[:18] == octets(A1)[:14] + bytes.fromhex("02010210")
        assert answer[18:] == marker[18:]

    def test_wireshark_agrees(self, tmp_path: Path) -> None:
        rig = Rig()
        rig.connect(1)
        rig.run(5)
        names = ("lacp.actor.key", "lacp.actor.port", "lacp.actor.state", "lacp.partner.sysid")
        rows = tshark.fields(tmp_path, [octets(A1), *rig.seen], *names)
        assert rows[0] == ["17", "2", "0x3d", "00:04:96:8c:11:11"]
        assert sorted(row[0] for row in rows[-2:]) == ["7", "9"]
        assert len(rows) > 4


class Rig:
    """Two systems with cables between their ports of equal numbers, and a clock."""

    def __init__(self, **other: object) -> None:
        self.now = 0.0
        ports = [PortSettings(n, MacAddress(bytes((2, 0, 0, 0, 0, n)))) for n in range(1, 13)]
        left = Settings(SYSTEM, key=7)
        right = Settings(OTHER, **{"key": 9, **other})  # type: ignore[arg-type]
        self.sides = [Lacp(left, ports), Lacp(right, ports)]
        self.cables: dict[int, bool] = {}
        self.seen: list[bytes] = []

    def connect(self, *ports: int) -> None:
        for port in ports:
            self.cables[port] = True
            for side in self.sides:
                side.link(port, True, self.now)

    def unplug(self, port: int) -> None:
        self.cables[port] = False
        for side in self.sides:
            side.link(port, False, self.now)

    def run(self, seconds: float) -> None:
        """Time passes, from timer to timer."""
        until = self.now + seconds
        while True:
            self.exchange()
            timers = [t for side in self.sides if (t := side.next_timer()) is not None]
            self.now = max(self.now, min([*timers, until]))
            if self.now >= until:
                return

    def exchange(self) -> None:
        for _ in range(20):
            frames = [(1 - i, *sent) for i, side in enumerate(self.sides) for sent in side.to_send(self.now)]
            for to, port, frame in frames:
                self.seen.append(frame)
                if self.cables.get(port):
                    self.sides[to].receive(port, frame, self.now)
            if not frames:
                return
        raise AssertionError("they never stop talking")

    def members(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return self.sides[0].members(), self.sides[1].members()

    def view(self, port: int, side: int = 0) -> PortView:
        return self.sides[side].view(self.now)[port - 1]


class TestTwoSystems:
    def test_come_up_together(self) -> None:
        rig = Rig()
        rig.connect(1, 2)
        rig.run(1.9)
        assert rig.members() == ((), ())
        rig.run(0.2)
        assert rig.members() == ((1, 2), (1, 2))
        assert rig.view(1).actor.state == CONVERGED
        assert rig.view(1).partner.key == 9

    @pytest.mark.parametrize("passive_up", [{"active": False}, {"fast": True}, {"active": False, "fast": True}])
    def test_passive_and_fast_partners(self, passive_up: dict[str, object]) -> None:
        rig = Rig(**passive_up)
        rig.connect(1, 2)
        rig.run(4)
        assert rig.members() == ((1, 2), (1, 2))
        rig.run(300)
        assert rig.members() == ((1, 2), (1, 2))

    def test_passive_and_passive_stay_silent(self) -> None:
        rig = Rig(active=False)
        rig.sides[0] = Lacp(Settings(SYSTEM, key=7, active=False), [PortSettings(1, MAC)])
        rig.connect(1)
        rig.run(200)
        assert rig.members() == ((), ())
        assert not rig.seen

    def test_rate_follows_the_partners_wish(self) -> None:
        rig = Rig(fast=True)
        rig.connect(1)
        rig.run(10)
        before = [rig.view(1, side).sent for side in (0, 1)]
        rig.run(60)
        sent = [rig.view(1, side).sent - was for side, was in enumerate(before)]
        assert 59 <= sent[0] <= 61
        assert 1 <= sent[1] <= 3

    def test_lost_link_leaves_at_once(self) -> None:
        rig = Rig()
        rig.connect(1, 2)
        rig.run(5)
        rig.unplug(2)
        assert rig.members() == ((1,), (1,))
        rig.connect(2)
        rig.run(5)
        assert rig.members() == ((1, 2), (1, 2))

    @pytest.mark.parametrize(("fast", "patience"), [(True, SHORT), (False, LONG)])
    def test_silence_ends_membership(self, fast: bool, patience: float) -> None:
        rig = Rig()
        rig.sides[0] = Lacp(
            Settings(SYSTEM, key=7, fast=fast),
            [PortSettings(n, MAC) for n in (1, 2)],
        )
        rig.connect(1, 2)
        rig.run(5)
        rig.cables[2] = False
        rig.run(0.9 if fast else 29)
        assert rig.members()[0] == (1, 2)
        rig.run(patience + 0.1)
        assert rig.members()[0] == (1,)
        assert rig.view(2).receive in (Rx.EXPIRED, Rx.DEFAULTED)
        rig.run(SHORT + 0.1)
        assert rig.view(2).receive is Rx.DEFAULTED
        assert rig.view(2).selection is Selection.UNSELECTED

    def test_another_key_or_system_does_not_join(self) -> None:
        rig = Rig()
        stranger = Lacp(Settings(OTHER, key=10), [PortSettings(3, MAC)])
        rig.connect(1, 2, 3)
        rig.cables[3] = False
        stranger.link(3, True, 0)
        for _ in range(8):
            rig.run(1)
            for _, frame in stranger.to_send(rig.now):
                rig.sides[0].receive(3, frame, rig.now)
        assert rig.members()[0] == (1, 2)
        assert rig.view(3).receive is Rx.CURRENT
        assert rig.view(3).selection is Selection.UNSELECTED

    def test_my_own_ports_do_not_join_each_other(self) -> None:
        looped = Lacp(Settings(SYSTEM, key=7), [PortSettings(n, MAC) for n in (1, 2)])
        for port in (1, 2):
            looped.link(port, True, 0)
        for second in range(10):
            for port, frame in looped.to_send(second):
                looped.receive(3 - port, frame, second)
        assert looped.members() == ()

    def test_eight_at_most_and_a_standby_takes_over(self) -> None:
        rig = Rig()
        rig.connect(*range(1, 13))
        rig.run(10)
        assert rig.members() == (tuple(range(1, 9)),) * 2
        assert rig.view(9).selection is Selection.STANDBY
        rig.unplug(3)
        rig.run(10)
        assert rig.members() == ((1, 2, 4, 5, 6, 7, 8, 9),) * 2

    def test_the_system_with_the_lower_id_decides(self) -> None:
        rig = Rig(system_priority=1)
        ports = [PortSettings(n, MAC, priority=100 - n) for n in range(1, 13)]
        rig.sides[1] = Lacp(Settings(OTHER, key=9, system_priority=1), ports)
        rig.connect(*range(1, 13))
        rig.run(10)
        assert rig.members() == (tuple(range(5, 13)),) * 2

    def test_churn_is_told(self) -> None:
        rig = Rig(active=False)
        rig.connect(1)
        rig.cables[1] = False
        rig.run(CHURN - 1)
        assert not rig.view(1).churning
        rig.run(2)
        assert rig.view(1).churning
        rig.cables[1] = True
        rig.run(40)
        assert not rig.view(1).churning
        assert rig.members() == ((1,), (1,))

    def test_flapping_ports_settle_and_speak_little(self) -> None:
        rig = Rig(fast=True)
        rig.connect(1, 2, 3)
        for _ in range(50):
            rig.run(0.1)
            rig.unplug(2)
            rig.connect(2)
        rig.run(6)
        assert rig.members() == ((1, 2, 3), (1, 2, 3))
        assert rig.view(1).mux is Mux.FORWARDING
        assert max(rig.view(n, side).sent for n in (1, 3) for side in (0, 1)) < 40

    def test_partner_that_restarts_with_another_key_is_taken(self) -> None:
        rig = Rig()
        rig.connect(1, 2)
        rig.run(5)
        rig.sides[1] = Lacp(Settings(OTHER, key=33), [PortSettings(n, MAC) for n in (1, 2)])
        for port in (1, 2):
            rig.sides[1].link(port, True, rig.now)
        rig.run(10)
        assert rig.members() == ((1, 2), (1, 2))
        assert rig.view(1).partner.key == 33


@given(st.lists(st.tuples(st.integers(1, 3), st.binary(max_size=130), st.floats(0, 50), st.booleans()), max_size=30))
def test_hostile_frames_never_break_a_system(events: list[tuple[int, bytes, float, bool]]) -> None:
    rig = Rig()
    rig.connect(1, 2)
    for port, tail, seconds, is_framed in events:
        rig.now += seconds
        frame = octets(A1)[:18] + tail if is_framed else tail
        rig.sides[0].receive(port, frame.ljust(124, b"\0") if is_framed else frame, rig.now)
        rig.sides[0].to_send(rig.now)
        timer = rig.sides[0].next_timer()
        assert timer is not None
        assert timer > rig.now
    rig.run(200)
    assert rig.members() == ((1, 2), (1, 2))
