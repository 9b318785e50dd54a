"""NIV on both engines, beyond the rows: tables read back, what the agent sees, what a trace and a capture say, and
frames with tags of any bytes."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.rows.row import check_accounts
from tests.rows.rows_niv import (
    E_LISTS,
    FROM_P,
    IV,
    LISTS,
    RECEIVERS,
    VIS,
    VIS_E,
    WITH_LISTS,
    L,
    P,
    U,
    etag,
    iv,
    listed,
    vn,
)
from tests.rows.world import BROADCAST, OUTSIDE, access, frame, mac, tag, uplink, vnic, world
from tests.support.engines import KINDS, engine_of
from vem.capture.explain import Names, explain
from vem.capture.text import captured
from vem.datapath.apply import apply_image
from vem.datapath.engine import Engine
from vem.datapath.image import Image, Punt, Tagging
from vem.datapath.plan import transition
from vem.datapath.watch import Capture, Point

CONTROL = bytes.fromhex("0180c200000e")
LISTED = listed(VIS, WITH_LISTS, receivers=RECEIVERS)
ROUNDS = 400


@pytest.fixture(params=KINDS)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    with engine_of(request.param) as found:
        yield found


def test_what_is_written_is_read_back(engine: Engine) -> None:
    before = Image()
    for image in (IV, iv(tagging=Tagging.ETAG, lists=E_LISTS), iv(lists=LISTS), LISTED, VIS_E, Image()):
        apply_image(engine, before, image)
        assert engine.image() == image
        assert transition(engine.image(), image) == []
        before = image


def test_vif_control_is_shown_of_links_and_uplinks_alone(engine: Engine) -> None:
    both = world(vnic(1, access(100)), uplink(U))
    body = b"DVSV" + bytes(range(60))
    apply_image(engine, Image(), both)
    _check_control(engine, {U: True, 1: False}, body)
    apply_image(engine, both, VIS)
    _check_control(engine, {L: True, P: False}, body)
    apply_image(engine, VIS, IV)
    _check_control(engine, {U: True}, body)
    assert engine.test(U, frame(CONTROL, OUTSIDE, tag(5), ethertype=0x88B5, body=body)).reason == "RESERVED_MCAST"
    assert engine.test(U, frame(CONTROL, OUTSIDE, ethertype=0x88B5, body=b"DVSX" + body)).reason == "RESERVED_MCAST"
    assert engine.punted() == []


def _check_control(engine: Engine, ports: dict[int, bool], body: bytes) -> None:
    for lport, shown in ports.items():
        sent = frame(CONTROL, OUTSIDE if shown else mac(1), ethertype=0x88B5, body=body)
        assert engine.test(lport, sent).reason == "RESERVED_MCAST"
        found = [(item.lport, item.kind, item.frame) for item in engine.punted()]
        assert found == ([(lport, Punt.CONTROL, sent)] if shown else [])


def test_a_guest_says_nothing_to_the_agent_by_its_vif(engine: Engine) -> None:
    apply_image(engine, Image(), VIS)
    sent = frame(CONTROL, mac(1), ethertype=0x88B5, body=b"DVSV" + bytes(60))
    assert engine.test(L, vn("0000 0005", sent)).reason == "RESERVED_MCAST"
    assert engine.punted() == []


def test_a_trace_tells_of_the_tags(engine: Engine) -> None:
    apply_image(engine, Image(), LISTED)
    names = Names(lambda lport: f"port {lport}")
    sent = vn("0000 0005", frame(mac(2), mac(1)))
    text = explain(engine.trace(L, sent), L, sent, LISTED, names)
    assert "NIV link [S-092]: VNTag from VIF 5" in text
    assert "-> port 2: delivered, untagged, VNTag to VIF 7, not to VIF 5, by port 20" in text
    text = explain(engine.trace(P, FROM_P), P, FROM_P, LISTED, names)
    assert "port 1: delivered, untagged, VNTag to list 4387, by port 20\n" in text
    assert "port 2: delivered, untagged, VNTag to list 4387, by port 20, with the copy before\n" in text
    bad = vn("0000 0006", frame(mac(2), mac(1)))
    assert "NIV link [S-092]: DROP NIV_UNKNOWN_VIF" in explain(engine.trace(L, bad), L, bad, LISTED, names)


def test_a_trace_tells_of_the_way_up(engine: Engine) -> None:
    apply_image(engine, Image(), IV)
    sent = frame(mac(2), mac(1))
    text = explain(engine.trace(1, sent), 1, sent, IV, Names(lambda lport: f"port {lport}"))
    assert "NIV link [S-092]: goes by port 10" in text
    assert "-> port 10: delivered, untagged, VNTag from VIF 5\n" in text


def test_captures_have_the_tags_where_the_wire_has_them(engine: Engine) -> None:
    image = iv(tagging=Tagging.ETAG)
    apply_image(engine, Image(), image)
    inner = frame(mac(2), OUTSIDE, tag(100, priority=3), ethertype=0x0806)
    engine.capture(Capture())
    engine.test(U, etag("6000 0007", inner))
    engine.test(1, frame(OUTSIDE, mac(1)))
    found = engine.captured()
    engine.capture(None)
    seen = {(event.point, event.lport): event.frame for event in found}
    assert seen[Point.UPLINK_RCV, U] == etag("6000 0007", inner)
    assert seen[Point.VNIC_RX, 2] == inner
    assert seen[Point.UPLINK_SND, U] == etag("0000 0005", frame(OUTSIDE, mac(1)))
    (line,) = [captured(event, str, 0.0) for event in found if event.point is Point.UPLINK_RCV]
    assert f"E-TAG of VIF 7 vlan 100 ARP, length {len(inner) - 4}\n" in line


def random_tag(number: random.Random, tpid: str, inner: bytes) -> bytes:
    """Any bytes for a tag; mostly such as might pass."""
    word = number.getrandbits(32) if number.random() < 0.3 else number.choice((0, 0x40000000)) | number.randrange(12)
    more = (bytes(2) if number.random() < 0.9 else number.randbytes(2)) if tpid == "893f" else b""
    return inner[:12] + bytes.fromhex(tpid) + word.to_bytes(4, "big") + more + inner[12:]


@pytest.mark.parametrize("image", [VIS, VIS_E, LISTED, IV], ids=["VNTag", "E-TAG", "lists", "IV"])
def test_whatever_a_tag_says_a_frame_is_from_its_own_links_vifs(engine: Engine, image: Image) -> None:
    """Every frame is accounted for, and none is from a VIF of another link."""
    number = random.Random(image.ports[L].tagging.name if L in image.ports else "IV")
    links = {lport for lport, port in image.ports.items() if port.tagging is not Tagging.NONE}
    vifs = {link: {lport for lport, port in image.ports.items() if port.link == link} for link in links}
    apply_image(engine, Image(), image)
    for _ in range(ROUNDS):
        link = number.choice(sorted(links))
        src = number.choice([mac(number.randrange(9)), OUTSIDE])
        dst = number.choice([mac(number.randrange(9)), BROADCAST, OUTSIDE])
        tags = [tag(number.choice((0, 100, 200)))] * number.choice((0, 0, 1, 2))
        inner = frame(dst, src, *tags, ethertype=number.choice((0x0800, 0x0806, 0x86DD, 0x8926)))
        given = random_tag(number, number.choice(("8926", "8926", "893f")), inner)[
            : number.choice((16, 18, 21, 90, 90))
        ]
        before = engine.counters()
        fate = engine.test(link, given)
        after = engine.counters()
        (source,) = [lport for lport in after if after[lport].rx_frames != before[lport].rx_frames]
        assert source == link or source in vifs[link]
        if image is IV:
            assert source == link and {copy.lport for copy in fate.copies} <= vifs[link]
        elif not fate.reason:
            assert source in vifs[link]
        check_accounts(after)
