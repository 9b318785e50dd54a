"""LAGs, mirrors, flavours and neighbours of the modelled switch: in memory, and between two of them by cables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from dvswitch.errors import DvsError, InvalidValue
from dvswitch.lldp_agent import Mode
from dvswitch.mac import BROADCAST, MacAddress
from physical.control import Arguments
from physical.frames import Ethernet
from physical.neighbours import Neighbours, base_mac
from physical.switch import Switch
from physical.switch_config import FIRST_LAG, Flavour, LagConfig, MirrorConfig, PortConfig, SwitchConfig
from physical.vis import SwitchServer
from vem.datapath.engine import Plug
from vem.datapath.user import UserEngine

EVEN, ODD = (MacAddress.parse(f"52:54:00:00:00:0{n}") for n in (2, 3))
WIRE = "wire=unix:/a>unix:/b"


def frame(src: MacAddress, dst: MacAddress = BROADCAST, vlan: int | None = None) -> bytes:
    return Ethernet(dst, src, 0x88B5, b"x" * 60, vlan).build()


def config(
    *ports: str, lags: tuple[str, ...] = (), mirrors: tuple[str, ...] = (), flavour: Flavour = Flavour.MANAGED
) -> SwitchConfig:
    made = [replace(PortConfig.parse(f"{text},{WIRE}"), plug=Plug("memory")) for text in ports]
    parsed = [LagConfig.parse(text) for text in lags], [MirrorConfig.parse(text) for text in mirrors]
    return SwitchConfig.of(made, *parsed, flavour)


class Box:
    """A switch in memory, with its protocols and a clock that stands."""

    def __init__(self, name: str, made: SwitchConfig, lldp: Mode = Mode.NONE) -> None:
        self.now = 0.0
        self.engine = UserEngine()
        self.switch = Switch(self.engine, made)
        self.neighbours = Neighbours(name, self.switch, self.engine, lldp, clock=lambda: self.now)

    def send(self, port: int, sent: bytes) -> dict[int, list[bytes]]:
        """What comes out, by port."""
        self.engine.inject(port, sent)
        return self.out()

    def out(self) -> dict[int, list[bytes]]:
        found: dict[int, list[bytes]] = {}
        for number in self.switch.ports:
            while (got := self.engine.take(number)) is not None:
                found.setdefault(number, []).append(got)
        return found


@pytest.fixture
def boxes() -> Iterator[list[Box]]:
    made: list[Box] = []
    yield made
    for box in made:
        box.engine.close()


def run(one: Box, two: Box, cables: dict[int, int], seconds: float) -> dict[int, list[bytes]]:
    """Both go on in steps of a tenth; cables lead from one's ports to two's.  Returns what two sent elsewhere."""
    back = {b: a for a, b in cables.items()}
    elsewhere: dict[int, list[bytes]] = {}
    for _ in range(round(seconds * 10)):
        for box in (one, two):
            box.now += 0.1
            box.neighbours.step()
        for box, other, wires in ((one, two, cables), (two, one, back)):
            for port, frames in box.out().items():
                for sent in frames:
                    if port in wires:
                        other.engine.inject(wires[port], sent)
                    elif box is two and not sent.startswith(b"\x01\x80\xc2"):
                        elsewhere.setdefault(port, []).append(sent)
    return elsewhere


class TestLag:
    PORTS = ("1,vlan=10", "2,vlan=10", "5,vlan=10", "6,vlan=10")

    def test_static_hashes_learns_once_and_never_reflects(self, boxes: list[Box]) -> None:
        """S-158."""
        box = Box("sw1", config(*self.PORTS, lags=("1,ports=5-6,mode=static",)))
        boxes.append(box)
        assert box.send(1, frame(EVEN)) == {2: [frame(EVEN)], 5: [frame(EVEN)]}
        assert box.send(1, frame(ODD)) == {2: [frame(ODD)], 6: [frame(ODD)]}
        assert box.send(5, frame(ODD)) == {1: [frame(ODD)], 2: [frame(ODD)]}
        assert box.send(6, frame(ODD)) == {1: [frame(ODD)], 2: [frame(ODD)]}
        assert [entry.lport for entry in box.switch.macs() if entry.mac == ODD] == [FIRST_LAG + 1]
        box.switch.set_shutdown(6, True)
        assert box.send(1, frame(EVEN, ODD)) == {5: [frame(EVEN, ODD)]}
        box.switch.set_shutdown(5, True)
        assert box.send(1, frame(EVEN, ODD)) == {}
        drops = box.switch.counters()[FIRST_LAG + 1].drops_out
        assert drops == {"LINK_DOWN": 1}

    def test_two_switches_agree_by_lacp_and_nothing_comes_twice(self, boxes: list[Box]) -> None:
        one = Box("sw1", config(*self.PORTS, lags=("1,ports=5-6",)))
        two = Box("sw2", config(*self.PORTS, lags=("3,ports=5-6,mode=passive",)))
        boxes += [one, two]
        cables = {5: 5, 6: 6}
        assert one.send(1, frame(EVEN)) == {2: [frame(EVEN)]}
        run(one, two, cables, 4)
        assert (one.switch.members, two.switch.members) == ({1: (5, 6)}, {3: (5, 6)})
        for source in (EVEN, ODD):
            one.engine.inject(1, frame(source))
            assert run(one, two, cables, 0.2) == {1: [frame(source)], 2: [frame(source)]}
        run(one, two, {5: 5}, 4)
        assert (one.switch.members, two.switch.members) == ({1: (5,)}, {3: (5,)})
        one.engine.inject(1, frame(ODD))
        assert run(one, two, {5: 5}, 0.2) == {1: [frame(ODD)], 2: [frame(ODD)]}
        assert one.neighbours.lacp_ports(1)[0].partner.system == base_mac("sw2")

    @pytest.mark.parametrize(
        ("lags", "named"),
        [
            (("1,ports=5-6", "2,ports=6"), "is in LAG 1"),
            (("1,ports=5-6", "1,ports=1"), "said twice"),
            (("1,ports=5,7",), "port 7 does not exist"),
            (("9,ports=5",), "out of range 1-8"),
            (("1,ports=5,mode=on",), "use static, active, passive"),
            (("1,ports=1,8",), "differ"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, lags: tuple[str, ...], named: str) -> None:
        with pytest.raises(DvsError, match=named):
            config(*self.PORTS, "8,vlan=20", lags=lags)


class TestMirror:
    PORTS = ("1,vlan=10", "2,vlan=10", "3,mode=trunk", "8,vlan=10")

    @pytest.mark.parametrize(("direction", "by_one", "by_two"), [("rx", 1, 0), ("tx", 0, 1), ("both", 1, 1)])
    def test_directions(self, boxes: list[Box], direction: str, by_one: int, by_two: int) -> None:
        box = Box("sw1", config(*self.PORTS, mirrors=(f"1,source=1,to=8,direction={direction}",)))
        boxes.append(box)
        assert box.send(1, frame(EVEN)).get(8, []) == [frame(EVEN)] * by_one
        assert box.send(2, frame(ODD, EVEN)).get(8, []) == [frame(ODD, EVEN)] * by_two

    def test_the_showing_port_does_nothing_else(self, boxes: list[Box]) -> None:
        box = Box("sw1", config(*self.PORTS, mirrors=("1,source=3,to=8",)), Mode.BOTH)
        boxes.append(box)
        assert 8 not in box.send(1, frame(EVEN, ODD)) or box.send(8, frame(ODD)) == {}
        assert box.send(8, frame(ODD)) == {}
        tagged = frame(ODD, EVEN, 10)
        assert box.send(3, tagged) == {1: [frame(ODD, EVEN)], 8: [tagged]}
        box.neighbours.step()
        assert sorted(box.out()) == [1, 2, 3]

    def test_one_frame_comes_to_a_host_by_two_uplinks(self, boxes: list[Box]) -> None:
        """What the captures of S2 show: unicast to a host's guest, and the same frame by its other uplink."""
        box = Box("sw1", config("1,mode=trunk", "2,mode=trunk", "3,vlan=10", mirrors=("1,source=1,to=2,direction=tx",)))
        boxes.append(box)
        box.send(1, frame(EVEN, vlan=10))
        same = frame(ODD, EVEN, 10)
        assert box.send(3, frame(ODD, EVEN)) == {1: [same], 2: [same]}

    @pytest.mark.parametrize(
        ("mirrors", "named"),
        [
            (("1,source=1,to=1",), "carries traffic"),
            (("1,source=1,to=8", "2,source=8,to=2"), "carries traffic"),
            (("1,source=1,to=8", "2,source=1,to=2"), "shown by another"),
            (("1,source=1,to=2,3",), "can't show on 2"),
            (("5,source=1,to=8",), "out of range 1-4"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, mirrors: tuple[str, ...], named: str) -> None:
        with pytest.raises(DvsError, match=named):
            config(*self.PORTS, mirrors=mirrors)


class TestFlavours:
    def test_unmanaged_passes_tags_as_they_are(self, boxes: list[Box]) -> None:
        box = Box("box", config("1", "2", "3", flavour=Flavour.UNMANAGED))
        boxes.append(box)
        for sent in (frame(EVEN), frame(EVEN, vlan=10), frame(EVEN, vlan=4094)):
            assert box.send(1, sent) == {2: [sent], 3: [sent]}
        assert box.send(2, frame(ODD, EVEN, 10)) == {1: [frame(ODD, EVEN, 10)]}

    @pytest.mark.parametrize(
        ("ports", "more", "flavour"),
        [
            (("1,vlan=10", "2"), {}, Flavour.UNMANAGED),
            (("1", "2"), {"lags": ("1,ports=1-2",)}, Flavour.SMART),
            (("1", "2"), {"mirrors": ("1,source=1,to=2",)}, Flavour.SMART),
        ],
    )
    def test_what_it_can_not_is_refused(
        self, ports: tuple[str, ...], more: dict[str, tuple[str, ...]], flavour: Flavour
    ) -> None:
        with pytest.raises(InvalidValue, match=f"{flavour.value} switch"):
            config(*ports, flavour=flavour, **more)  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("flavour", "taken"),
        [
            (Flavour.UNMANAGED, set()),
            (Flavour.SMART, {"ports", "counters"}),
            (Flavour.MANAGED, {"ports", "counters", "macs", "lags", "mirrors", "neighbors", "clear-macs"}),
        ],
    )
    async def test_what_can_be_asked(self, boxes: list[Box], flavour: Flavour, taken: set[str]) -> None:
        box = Box("box", config("1", "2", flavour=flavour))
        boxes.append(box)
        answered = set()
        for name, ask in SwitchServer("box", box.switch, box.neighbours).commands().items():
            try:
                await ask(Arguments(name, {"port": 1} if "shutdown" in name else {}))
                answered.add(name)
            except InvalidValue as error:
                assert f"is {flavour.value}" in str(error)
        assert answered - {"shutdown", "no-shutdown"} == taken


class TestLldp:
    def test_two_switches_find_each_other(self, boxes: list[Box]) -> None:
        """S-221 to S-223."""
        one, two = Box("sw1", config("1", "2"), Mode.BOTH), Box("sw2", config("1", "7"), Mode.BOTH)
        boxes += [one, two]
        run(one, two, {2: 7}, 0.3)
        assert [(found.port, found.told.system_name, found.told.port) for found in one.neighbours.neighbours()] == [
            (2, "sw2", "0/7")
        ]
        assert [(found.port, found.told.chassis) for found in two.neighbours.neighbours()] == [(7, base_mac("sw1"))]
        two.neighbours.shut_down()
        run(one, two, {2: 7}, 0.2)
        assert one.neighbours.neighbours() == []
