"""Life of a kernel engine: who may hold it, what it finds again, what it leaves on NICs and in the BPF file system."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel.rig import Host, Switch
from tests.rows.world import access, trunk, uplink, vnic, world
from tests.support.netns import Lab, Namespace
from tests.support.packets import FrameSocket
from tests.support.processes import PATIENCE, wait_until
from vem.datapath.abi import ABI_VERSION
from vem.datapath.apply import apply_image
from vem.datapath.engine import EngineError, Plug
from vem.datapath.image import Group, Image, Storm
from vem.datapath.image import Method as TeamMethod
from vem.datapath.kernel import KernelEngine
from vem.datapath.kernel_attach import Method

pytestmark = pytest.mark.kernel

PLENTY = world(
    vnic(1, access(100, mac_limit=4, limit_allow=True, mac_changes_ok=True), generation=7, pin=11),
    vnic(3, access(100, promiscuous=True, storm=Storm(1, 2, 3))),
    vnic(2, trunk("1,100-140,4094", native=1, learn=True, bpdu_ok=True), link_up=False, blocked=True),
    vnic(1000, access(0, forged_ok=True, unknown_flood=True, blocked=True), mac_violation=True),
    uplink(10),
    uplink(11),
    teams={0: (10, 11), 1: (11,), 7: ()},
    mtu=9000,
    reverse_teaming=False,
    keep_priority_tag=True,
    rpf_promiscuous=False,
    snooping=True,
    method=TeamMethod.SOURCE_MAC,
    groups={Group(100, bytes([239, 1, 1, 1])): (1, 3), Group(0, b"\xff\x15" + bytes(13) + b"\x01"): ()},
)


@pytest.fixture
def host() -> Iterator[Host]:
    with Lab() as lab:
        yield Host(lab, "host", guests=(1, 2))


@pytest.fixture
def switch() -> Iterator[Switch]:
    with Switch("life") as made:
        yield made


def qdiscs(where: Namespace, link: str) -> str:
    return where.run("tc", "qdisc", "show", "dev", link)


def test_tables_read_back_as_written(switch: Switch) -> None:
    engine = switch.open()
    assert engine.image() == Image()
    apply_image(engine, Image(), PLENTY)
    assert engine.image() == PLENTY
    apply_image(engine, PLENTY, Image())
    assert engine.image() == Image()


def test_another_process_is_told_that_it_is_held(switch: Switch) -> None:
    switch.open()
    with pytest.raises(EngineError, match="another process holds it"):
        switch.open()


def test_reopening_finds_everything_and_removing_leaves_nothing(switch: Switch) -> None:
    engine = switch.open()
    apply_image(engine, Image(), PLENTY)
    incarnation = engine.incarnation
    engine.close(keep=True)
    engine = switch.open()
    assert (engine.image(), engine.incarnation) == (PLENTY, incarnation)
    engine.close(keep=False)
    assert not switch.home.exists()
    assert switch.open().incarnation != incarnation


def test_pins_of_another_abi_are_removed(switch: Switch) -> None:
    other = switch.home / "v0" / "links"
    other.mkdir(parents=True)
    switch.open()
    assert sorted(path.name for path in switch.home.iterdir()) == [f"v{ABI_VERSION}"]


def test_a_creation_that_was_cut_short_starts_over(switch: Switch) -> None:
    (switch.home / "new").mkdir(parents=True)
    (switch.home / "new" / "incarnation").symlink_to("half")
    assert switch.open().incarnation != "half"


def test_a_refused_program_changes_nothing(switch: Switch, tmp_path: Path) -> None:
    engine = switch.open()
    apply_image(engine, Image(), PLENTY)
    bad = tmp_path / "bad.bpf.o"
    bad.write_bytes(b"no program")
    with pytest.raises(EngineError, match=r"bad\.bpf\.o: opening"):
        engine.swap_program(bad)
    assert engine.image() == PLENTY


@pytest.mark.parametrize("method", ["tcx", "clsact"])
def test_unplugging_leaves_the_nic_as_it_was(host: Host, method: Method) -> None:
    before = qdiscs(host.where, "vm1")
    with Switch("nic", method) as switch:
        engine = switch.open()
        engine.plug(1, Plug("raw", "vm1", host.where.name))
        assert "PROMISC" in host.where.run("ip", "link", "show", "vm1")
        assert ("clsact" in qdiscs(host.where, "vm1")) == (method == "clsact")
        assert engine.link_up(1)
        engine.unplug(1)
        engine.unplug(1)
        assert engine.plugged() == {}
        assert "PROMISC" not in host.where.run("ip", "link", "show", "vm1")
        assert qdiscs(host.where, "vm1") == before


def test_a_missing_tap_is_made_and_taken_away(host: Host, switch: Switch) -> None:
    engine = switch.open()
    plug = Plug("tap", "tapnew", host.where.name)
    engine.plug(1, plug)
    assert host.where.if_index("tapnew")
    assert not engine.link_up(1), "no guest holds it yet"
    engine.unplug(1)
    assert "tapnew" not in host.where.run("ip", "link")


def test_carrier_is_seen(host: Host, switch: Switch) -> None:
    engine = switch.open()
    host.plug(engine)
    assert engine.link_up(1)
    host.guests[1].run("ip", "link", "set", "eth0", "down")
    wait_until(lambda: not engine.link_up(1), "carrier lost")
    host.guests[1].run("ip", "link", "set", "eth0", "up")
    wait_until(lambda: engine.link_up(1), "carrier back")


@pytest.mark.parametrize("method", ["tcx", "clsact"])
def test_a_nic_that_vanishes_can_be_unplugged_and_comes_back(host: Host, method: Method) -> None:
    with Switch("gone", method) as switch:
        engine = switch.open()
        apply_image(engine, Image(), world(vnic(1, access(0)), vnic(2, access(0))))
        host.plug(engine)
        host.where.delete_link("vm1")
        assert not engine.link_up(1)
        engine.close(keep=True)
        engine = switch.open()
        assert engine.plugged()[1] == host.plug_of(1)
        with pytest.raises(EngineError, match="NIC vm1: does not exist"):
            engine.plug(1, host.plug_of(1))
        host.where.run(*f"ip link add vm1 type veth peer name eth0 netns {host.guests[1].name}".split())
        engine.plug(1, host.plug_of(1))
        host.guests[1].up("eth0")
        wait_until(lambda: engine.link_up(1), "carrier of the new NIC")
        host.where.delete_link("vm1")
        engine.unplug(1)
        assert engine.plugged() == {2: host.plug_of(2)}


def test_a_namespace_that_vanishes_does_no_harm(switch: Switch) -> None:
    with Lab() as lab:
        inner = Host(lab, "inner", guests=(1,))
        engine = switch.open()
        inner.plug(engine)
    assert not engine.link_up(1)
    engine.unplug(1)
    assert engine.plugged() == {}


def test_ports_of_two_namespaces_are_refused(host: Host, switch: Switch) -> None:
    engine = switch.open()
    engine.plug(1, host.plug_of(1))
    with pytest.raises(EngineError, match="another network namespace"):
        engine.plug(2, Plug("veth", "eth0", host.guests[2].name))
    with pytest.raises(EngineError, match="is plugged already, as lport 1"):
        engine.plug(3, host.plug_of(1))
    with pytest.raises(EngineError, match="something else is plugged there"):
        engine.plug(1, host.plug_of(2))
    with pytest.raises(EngineError, match="can't plug a wire"):
        engine.plug(4, Plug("wire", local="unix:/nowhere"))


def test_emitted_frames_leave_as_given(host: Host, switch: Switch) -> None:
    engine = switch.open()
    host.plug(engine)
    frame = b"\xff" * 6 + bytes.fromhex("020000000001 8100 0064 88b5") + b"announce" + bytes(40)
    with FrameSocket(host.guests[1], "eth0") as received:
        engine.emit(1, frame)
        assert received.collect(b"announce", PATIENCE, enough=1) == [frame]
    with pytest.raises(EngineError, match="nothing is plugged"):
        engine.emit(9, frame)


def test_a_test_run_tells_its_time(switch: Switch) -> None:
    engine = switch.open()
    apply_image(engine, Image(), world(vnic(1, access(0)), vnic(2, access(0))))
    frame = bytes.fromhex("020000000002 020000000001 88b5") + bytes(46)
    assert 0 < min(engine.test_ns(1, frame, 1000) for _ in range(10)) < 100_000  # a busy machine adds to some
    assert engine.counters([1])[1].rx_frames == 10_000


def test_an_agent_that_died_while_plugging_is_completed(host: Host, switch: Switch) -> None:
    engine = switch.open()
    apply_image(engine, Image(), world(vnic(1, access(0)), vnic(2, access(0))))
    host.plug(engine)
    engine._attachments.release()
    (switch.home / f"v{ABI_VERSION}" / "links" / "1").unlink()  # noted, but never attached
    engine._tables.set_ifindex(1, 0)
    engine.close(keep=True)
    switch.open()
    host.introduce(1, 2)
    assert "0% packet loss" in host.guests[1].run("ping", "-c", "1", "-w", "20", "10.0.0.2")


def test_a_directory_outside_the_bpf_file_system_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="is not in a BPF file system"):
        KernelEngine.open("elsewhere", str(tmp_path))
