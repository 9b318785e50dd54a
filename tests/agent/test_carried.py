"""What follows a port from host to host: each kind over the wire and back, and what a bad or foreign one does."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import cast

import pytest

from dvswitch.errors import InvalidValue
from dvswitch.mac import MacAddress
from dvswitch.v1 import fabric_pb2 as fabric
from vem.agent import carried
from vem.agent.arrivals import QUIET, QUIET_LEFT, Arrivals
from vem.agent.attachments import Attachment
from vem.agent.carried import CarriedKind, Json, Parcel, Place, capture, install
from vem.agent.carrying import Carrying
from vem.agent.control_plane import ControlPlane
from vem.agent.datapath_side import Datapath
from vem.agent.holdings import Holdings
from vem.agent.wanted import Nic, Phase, Port, Update
from vem.datapath.engine import Plug
from vem.datapath.image import Image, LearnedMac, Policy
from vem.snooping.groups import Group, Membership, Snooper

MAC, INNER, SET = (MacAddress.parse(f"52:54:00:00:00:{n:02x}") for n in (1, 2, 3))
GROUP, HOST = bytes((239, 1, 2, 3)), bytes.fromhex("525400000002")
TOLD = [
    Membership(10, GROUP, HOST, 100.0),
    Membership(10, bytes(16), HOST, 50.0, (b"\x0a\0\0\1",)),
    Membership(20, b"", b"", 9.0),
]


def place(lport: int = 5, now: float = 1000.0, snooper: Snooper | None = None) -> Place:
    attachment = Attachment(Nic("vm"), MAC, "web", Plug("memory"), lport)
    return Place(attachment, now, snooper=snooper or Snooper())


@pytest.mark.rules("S-252")
def test_all_of_it_arrives() -> None:
    source, target = place(), place(7, 50.0)
    assert source.snooper and target.snooper
    source.learned = [LearnedMac(INNER, 10, 5, 3.25)]
    source.attachment.effective = SET
    source.snooper.take_over(5, TOLD, 1000.0)
    parcels = capture(source)
    assert {parcel.kind for parcel in parcels} == {"learned-macs", "groups", "own-address"}
    for _ in range(2):
        install(target, parcels)
    assert [(entry.mac, entry.vlan, entry.lport) for entry in target.remember[:1]] == [(INNER, 10, 7)]
    assert target.attachment.effective == SET
    assert target.snooper.memberships(7, 50.0) == TOLD
    assert target.snooper.groups()[Group(10, GROUP)] == (7,)


def test_a_port_with_nothing_to_carry_leaves_nothing() -> None:
    assert capture(place()) == []


def test_what_was_left_in_two_places_is_merged() -> None:
    """The newer word counts; addresses of both are kept."""
    first, second, target = place(), place(), place()
    first.learned, second.learned = [LearnedMac(INNER, 10, 5, 3.0)], [LearnedMac(SET, 10, 5, 1.0)]
    assert first.snooper and second.snooper and target.snooper
    first.snooper.take_over(5, [Membership(10, GROUP, HOST, 100.0)], 1000.0)
    second.snooper.take_over(5, [Membership(10, GROUP, HOST, 60.0)], 1000.0)
    install(target, [*capture(first), *capture(second)])
    assert {entry.mac for entry in target.remember} == {INNER, SET}
    assert target.snooper.memberships(5, 1000.0) == [Membership(10, GROUP, HOST, 60.0)]


@pytest.mark.parametrize(
    "parcel",
    [
        Parcel("of-tomorrow", 1, b"[]"),
        Parcel("learned-macs", 2, b"[]"),
        Parcel("learned-macs", 0, b"[]"),
        Parcel("learned-macs", 1, b"\xff"),
        Parcel("learned-macs", 1, b'[["x", 1, 2]]'),
        Parcel("learned-macs", 1, b"7"),
        Parcel("groups", 1, b'[[1, "zz", "", 1, null]]'),
        Parcel("own-address", 1, b'"ff:ff:ff:ff:ff:ff"'),
    ],
)
def test_what_cannot_be_read_is_left_out(parcel: Parcel) -> None:
    target = place()
    install(target, [parcel, Parcel("own-address", 1, f'"{SET}"'.encode())])
    assert target.attachment.effective == SET and target.remember == []


class Hits(CarriedKind[int]):
    """A later feature's kind."""

    name = "test-hits"
    installed = 0

    def capture(self, place: Place) -> int | None:
        return 3

    def merge(self, older: int, newer: int) -> int:
        return older + newer

    def install(self, place: Place, state: int) -> None:
        self.installed = state

    def encode(self, state: int) -> Json:
        return state

    def decode(self, data: Json, version: int) -> int:
        return int(data)


@pytest.fixture
def hits() -> Iterator[Hits]:
    kind = Hits()
    carried.register(kind)
    yield kind
    del carried.KINDS[kind.name]


def test_a_feature_adds_its_own(hits: Hits) -> None:
    parcels = capture(place())
    install(place(), [*parcels, *parcels])
    assert hits.installed == 6
    with pytest.raises(InvalidValue, match="exists already"):
        carried.register(Hits())


# ---- when it is captured


class Slow:
    """A datapath that takes its time to read out what it learned; ``meanwhile`` happens then."""

    image = Image(policies={1: Policy(learn=True)})
    entries = (LearnedMac(INNER, 10, 5, 1.0), LearnedMac(SET, 10, 6, 1.0))

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        self._meanwhile = meanwhile

    async def learned(self) -> list[LearnedMac]:
        """See vem.agent.datapath_side.Datapath."""
        self._meanwhile()
        return list(self.entries)


@pytest.mark.rules("S-252")
async def test_what_begins_to_drain_while_others_are_captured_is_captured_before_the_tables_change() -> None:
    holdings = Holdings(None, Image(), {})
    for veth, lport in ((1, 5), (2, 6)):
        holdings.attachments.add(Attachment(Nic(f"vm{veth}"), MAC, "web", Plug("memory"), lport, veth=veth))

    def drain(*veths: int) -> None:
        ports = tuple(Port(n, 1, MAC, Nic(f"vm{n}"), 1, Phase.DRAINING) for n in veths)
        holdings.staging.take(Update(len(veths), ports))

    drain(1)
    datapath = cast(Datapath, Slow(lambda: drain(1, 2)))
    carrying = Carrying(datapath, holdings, cast(ControlPlane, SimpleNamespace(snooper=Snooper())))
    await carrying.before()
    left = {veth: [json.loads(state.data)[0][0] for state in carrying.left(veth, 1)] for veth in (1, 2)}
    assert left == {1: [str(INNER)], 2: [str(SET)]}


# ---- who is heard


class Heard:
    """A host with a prepared port, and what it tells."""

    def __init__(self) -> None:
        self.now, self.told, self.open = 0.0, list[fabric.PortSeen](), True
        self.holdings = Holdings(None, Image(), {})
        self.want(Phase.PREPARED, 2)
        attachment = Attachment(Nic("vm"), MAC, "web", Plug("memory"), 5, prepare=True, veth=1)
        self.holdings.attachments.add(attachment)
        self.arrivals = Arrivals(self.holdings, self.send, lambda: self.now)

    def want(self, phase: Phase, generation: int) -> None:
        self.holdings.staging.take(Update(1, (Port(1, 1, MAC, Nic("vm"), generation, phase),)))

    def send(self, message: fabric.ModuleMessage) -> bool:
        self.told += [message.seen] if self.open else []
        return self.open


@pytest.mark.rules("S-246")
def test_a_prepared_port_is_told_when_its_vm_speaks() -> None:
    host = Heard()
    for _ in range(3):
        host.arrivals.spoke(5, MAC)
    assert [(seen.veth, seen.generation) for seen in host.told] == [(1, 2)], "not more often than that"
    host.now += QUIET
    host.arrivals.spoke(5, MAC)
    assert len(host.told) == 2
    host.now += QUIET
    host.arrivals.spoke(5, INNER)
    host.arrivals.spoke(6, MAC)
    host.want(Phase.ACTIVE, 2)
    host.arrivals.spoke(5, MAC)
    assert len(host.told) == 2, "not another address, another port, nor one that forwards"


def test_what_the_supervisor_did_not_hear_is_told_again() -> None:
    host = Heard()
    host.open = False
    host.arrivals.spoke(5, MAC)
    host.open = True
    host.arrivals.again()
    assert len(host.told) == 1
    host.want(Phase.ACTIVE, 2)
    host.arrivals.again()
    assert len(host.told) == 1


def test_a_vm_that_speaks_where_its_veth_has_left_is_told_of_without_a_generation() -> None:
    host = Heard()
    host.holdings.staging.take(Update(2, (), snapshot=True))
    for _ in range(3):
        host.arrivals.spoke(5, MAC)
    assert [(seen.veth, seen.generation) for seen in host.told] == [(1, 0)]
    host.now += QUIET_LEFT
    host.arrivals.spoke(5, MAC)
    assert len(host.told) == 2
