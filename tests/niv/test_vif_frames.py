"""VIF control on the wire: every message there and back, malformed frames, the announcement in LLDP, VIFs of a link."""

from __future__ import annotations

import contextlib
import random
import uuid

import pytest

from dvswitch import lldp
from dvswitch.errors import InvalidValue, Unavailable
from dvswitch.lldp import Advertisement
from dvswitch.mac import MacAddress
from dvswitch.vif import announcement, codec
from dvswitch.vif import messages as m
from dvswitch.vif.announcement import Announcement
from dvswitch.vif.channel import Channel
from dvswitch.vif.vifs import Vifs

MAC = MacAddress.parse("02:00:00:00:00:07")
NIC = m.NicKey("web1", 2, "6c1c2c8e-0000-0000-0000-000000000001", "vnet3")
MESSAGES: list[m.Message] = [
    m.Attach(NIC, MAC, "web", True, 7, 1 << 40, "r-1", 4095, False, MacAddress.parse("02:00:00:00:00:08"), 3, True),
    m.Attach(m.NicKey("web1"), MAC, "web"),
    m.Detach(NIC),
    m.Mode(True),
    m.Mode(False),
    m.Granted(NIC, 5, 7, 9, m.Phase.DRAINING, m.State.FORWARDING, "it drains", "r-1"),
    m.Granted(NIC, 5),
    m.Refused(NIC, "r-1", "all taken"),
    m.Released(NIC, "gone"),
    m.ListTold(4096, (1,)),
    m.ListTold(16383, (1, 7, 8, 15, 16, 4095)),
    m.ListTold(5000, tuple(range(1, 4096))),
    m.ListTold(5000),
    m.Synced(),
    m.KeepAlive((1 << 64) - 1),
]
CONTROLS: list[m.Control] = [
    m.Seek(),
    m.Hello("6c1c2c8e", "host1", 3, (m.Tagging.ETAG, m.Tagging.VNTAG)),
    m.Welcome(1 << 63, "aa", "vis1", "0/3", m.Tagging.ETAG, 100, 0.25),
    m.Reset("why"),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_messages_there_and_back(message: m.Message) -> None:
    frame = m.Frame(1 << 63, 5, 6, 7, (message, m.Synced()))
    wire = codec.encode(MAC, frame)
    assert 60 <= len(wire) <= 1422
    assert codec.is_control(wire)
    assert codec.decode(wire + bytes(46)) == frame, "padding on the wire changes nothing"
    body = codec.frame_to(m.Frame(messages=(message,))).SerializeToString()
    assert codec.size(message) == len(body)


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: type(control).__name__)
def test_what_stands_alone_there_and_back(control: m.Control) -> None:
    frame = m.Frame(5, 6, control=control)
    assert codec.decode(codec.encode(MAC, frame)) == frame


def test_the_frames_head_is_as_documented() -> None:
    wire = codec.encode(MAC, m.Frame(control=m.Seek()))
    assert wire[:22].hex() == "0180c200000e02000000000788b54456535601000002"
    assert len(wire) == 60


@pytest.mark.parametrize(
    ("at", "byte", "problem"),
    [(14, 0x58, "no VIF control"), (18, 2, "version 2"), (20, 0xFF, "cut off"), (22, 0xFF, "malformed")],
)
def test_frames_that_are_none_say_why(at: int, byte: int, problem: str) -> None:
    wire = bytearray(codec.encode(MAC, m.Frame(1, 2, 3, 4, (m.Synced(),))))
    wire[at] = byte
    with pytest.raises(InvalidValue, match=problem):
        codec.decode(bytes(wire))


def test_frames_that_say_what_can_not_be_are_refused() -> None:
    for message in (
        m.Attach(NIC, MAC, "web", vif=5000),
        m.Granted(NIC, 5000),
        m.ListTold(5, (1,)),
        m.ListTold(5000, (5000,)),
        m.Attach(m.NicKey(""), MAC, "web"),
        m.Attach(NIC, MacAddress(b"\x01" * 6), "web"),
    ):
        with pytest.raises(InvalidValue):
            codec.frame_from(codec.frame_to(m.Frame(messages=(message,))))


def test_broken_frames_never_do_more_than_be_refused() -> None:
    rng = random.Random(5)
    frames = [codec.encode(MAC, m.Frame(1, 2, 3, 4, tuple(MESSAGES[:6])))]
    frames += [codec.encode(MAC, m.Frame(1, 2, control=control)) for control in CONTROLS]
    for _ in range(3000):
        wire = bytearray(rng.choice(frames))
        for _ in range(rng.randint(1, 6)):
            wire[rng.randrange(len(wire))] = rng.randrange(256)
        with contextlib.suppress(InvalidValue):
            codec.decode(bytes(wire[: rng.randint(10, len(wire))]))


def test_a_name_from_outside_is_no_terminal_sequence() -> None:
    assert codec.decode(codec.encode(MAC, m.Frame(control=m.Reset("a\x1b[2Jb")))).control == m.Reset("a?[2Jb")


def test_many_messages_go_in_frames_that_fit() -> None:
    one, other = Channel(), Channel()
    many = tuple(m.Granted(m.NicKey(f"vm{n}", 0, str(uuid.uuid4())), n) for n in range(1, 500))
    one.say(*many)
    heard: list[m.Message] = []
    for _ in range(100):
        for frame in [*one.to_send(0.0)]:
            assert len(codec.encode(MAC, frame)) <= 1422
            heard += other.receive(frame)
        for frame in [*other.to_send(0.0)]:
            one.receive(frame)
    assert tuple(heard) == many
    assert one.idle


def test_an_invented_acknowledgement_is_ignored() -> None:
    channel = Channel()
    channel.say(m.Synced())
    assert len([*channel.to_send(0.0)]) == 1
    channel.receive(m.Frame(acknowledged=77))
    assert not channel.idle


def test_the_announcement_travels_in_lldp() -> None:
    told = Announcement(str(uuid.uuid4()), "vis ü", (1 << 64) - 2, (m.Tagging.ETAG,))
    tlv = (announcement.ORGANISATION, announcement.SUBTYPE, announcement.encode(told))
    sent = Advertisement(MAC, "0/3", native_vlan=5, private=((b"\x00\x1b\x21", 9, b"x"), tlv))
    heard = lldp.decode(lldp.encode(MAC, sent))
    assert heard.private == sent.private
    assert announcement.find(heard.private) == told


@pytest.mark.parametrize("value", [b"", b"\x01", b"\x02" + bytes(25), b"\x01" + bytes(20)])
def test_what_is_no_announcement_announces_nobody(value: bytes) -> None:
    assert announcement.find([(announcement.ORGANISATION, announcement.SUBTYPE, value)]) is None
    assert announcement.find([(b"\x00\x00\x00", 1, value)]) is None


def test_vifs_are_used_again_as_late_as_possible() -> None:
    vifs = Vifs("0/1", last=4)
    assert [vifs.take(name) for name in "abc"] == [1, 2, 3]
    vifs.give_back(2)
    vifs.give_back(1)
    assert [vifs.take("d"), vifs.take("e"), vifs.take("f")] == [4, 2, 1]
    with pytest.raises(Unavailable, match="link 0/1: all its 4 VIFs are taken"):
        vifs.take("g")
    vifs.give_back(3)
    assert vifs.take("h", wished=3) == 3


def test_a_wished_vif_is_had_if_nobody_has_it() -> None:
    vifs = Vifs("0/1")
    assert vifs.take("a", wished=1) == 1
    assert vifs.take("b", wished=1) == 2
    assert vifs.take("c", wished=5000) == 3
