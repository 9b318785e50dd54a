"""Frames for a guest in a namespace of its own go straight there, as long as that is right, and arrive as they were."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel.holder import VLAN, image
from tests.kernel.rig import Host, Switch, address
from tests.kernel.test_no_loss import check_all_arrived
from tests.kernel.test_two_hosts import transfer
from tests.rows.row import check_accounts
from tests.rows.world import access, frame, mac, tag, trunk, vnic, world
from tests.support.netns import Lab
from tests.support.packets import FrameSocket
from tests.support.processes import PATIENCE, wait_until
from tests.support.traffic import Receiver, Sender
from vem.datapath import feature_bits
from vem.datapath.apply import apply_image
from vem.datapath.compile import multiarch_include
from vem.datapath.image import Image
from vem.datapath.kernel import SHED_SECONDS, KernelEngine
from vem.datapath.kernel_peer import ASK_SECONDS, SETTLE_SECONDS
from vem.datapath.watch import Capture, Point

pytestmark = pytest.mark.kernel

RATE = 20_000
GUEST_MAC = ":".join(f"{octet:02x}" for octet in mac(2))
XDP = '__attribute__((section("xdp"), used)) int pass(void *frame) { return 2; }'


@pytest.fixture
def host() -> Iterator[Host]:
    with Lab() as lab:
        made = Host(lab, "host", guests=(1, 2))
        made.introduce(1, 2)
        yield made


@pytest.fixture
def switch() -> Iterator[Switch]:
    with Switch("straight") as made:
        yield made


def running(host: Host, switch: Switch, tables: Image | None = None) -> KernelEngine:
    engine = switch.open()
    host.plug(engine)
    apply_image(engine, Image(), tables or image(*host.guests))
    await_straight(engine)
    return engine


def await_straight(engine: KernelEngine) -> None:
    """As the agent does: ask for the carrier each second."""
    wait_until(lambda: all(engine.link_up(lport) and straight(engine, lport) for lport in (1, 2)), "straight", 20)


def straight(engine: KernelEngine, lport: int = 2) -> bool:
    return engine._tables.straight(lport)


def sent_by_nic(host: Host) -> int:
    """Frames that our end of guest 2's veth sent."""
    (link,) = json.loads(host.where.run("ip", "-s", "-j", "link", "show", "vm2"))
    return int(link["stats64"]["tx"]["packets"])


def ping(host: Host) -> bool:
    return " 0% packet loss" in host.guests[1].run("ping", "-c3", "-i0.05", "-W2", address(2), check=False)


def test_only_the_owner_of_the_address_gets_frames_straight(host: Host, switch: Switch) -> None:
    engine = running(host, switch)
    assert straight(engine)
    before = sent_by_nic(host), engine.counters([2])[2].tx_frames
    assert ping(host)
    assert sent_by_nic(host) == before[0]
    assert engine.counters([2])[2].tx_frames == before[1] + 3
    host.guests[1].run("ping", "-c2", "-i0.05", "-W1", "-b", "10.0.0.255", check=False)  # floods
    assert sent_by_nic(host) > before[0]
    check_accounts(engine.counters())


def test_superframes_and_unfinished_checksums_arrive(host: Host, switch: Switch) -> None:
    engine = running(host, switch)
    sent, arrived = transfer(host.guests[1], host.guests[2], address(2))
    assert sent == arrived != ""
    counters = engine.counters()[2]
    assert counters.tx_bytes / counters.tx_frames > 3000, "superframes stay whole"


def test_a_trunk_gets_its_tags(host: Host, switch: Switch) -> None:
    running(host, switch, world(vnic(1, access(7)), vnic(2, trunk("7,8"))))
    body = b"tagged as it should be".ljust(46, b"\0")
    with FrameSocket(host.guests[1], "eth0") as out, FrameSocket(host.guests[2], "eth0") as into:
        before = sent_by_nic(host)
        out.send(frame(mac(2), mac(1), body=body))
        assert into.collect(body[:10], PATIENCE, enough=1) == [frame(mac(2), mac(1), tag(7), body=body)]
    assert sent_by_nic(host) == before


def test_a_restarted_agent_goes_on(host: Host, switch: Switch) -> None:
    running(host, switch).close(keep=True)
    assert ping(host)
    await_straight(switch.open())
    assert ping(host)


def test_an_end_that_comes_home_is_noticed(host: Host, switch: Switch) -> None:
    engine = running(host, switch)
    host.guests[2].run("ip", "link", "set", "eth0", "netns", str(host.where.path))
    host.where.up("eth0", address=f"{address(2)}/24")
    command = f"ip neighbour replace {address(1)} dev eth0 lladdr {':'.join(f'{o:02x}' for o in mac(1))} nud permanent"
    host.where.run(*command.split())
    assert engine.link_up(2)  # as the agent asks when the kernel tells of the link
    assert not straight(engine)
    assert ping(host)
    host.where.run("ip", "link", "set", "eth0", "netns", str(host.guests[2].path))
    host.guests[2].up("eth0", address=f"{address(2)}/24")
    host.introduce(1, 2)
    await_straight(engine)
    assert ping(host)


def test_a_guests_xdp_program_is_not_passed_by(host: Host, switch: Switch, tmp_path: Path) -> None:
    compiler = shutil.which("clang")
    assert compiler, "the kernel engine was built with it"
    source, built = tmp_path / "pass.c", tmp_path / "pass.o"
    source.write_text(XDP)
    flags = ["-O2", "-target", "bpf", *multiarch_include(), "-c", str(source), "-o", str(built)]
    subprocess.run([compiler, *flags], check=True)
    engine = running(host, switch)
    attach = ["ip", "link", "set", "dev", "eth0"]
    host.guests[2].run(*attach, "xdpdrv", "obj", str(built), "sec", "xdp")
    engine._peers.look(2, time.monotonic() + 2 * ASK_SECONDS)
    assert not straight(engine)
    host.guests[2].run(*attach, "xdpdrv", "off")
    engine._peers.look(2, time.monotonic() + 4 * ASK_SECONDS)
    assert straight(engine)


def test_an_address_that_was_flooded_waits(host: Host, switch: Switch) -> None:
    engine = running(host, switch)
    engine.set_static_macs({next(iter(engine.image().static_macs)): 2})
    assert not straight(engine), "frames may be on their way as flooded ones"
    now = time.monotonic()
    engine._peers.look(2, now)
    assert not straight(engine)
    engine._peers.look(2, now + SETTLE_SECONDS)
    assert straight(engine)


def test_a_new_feature_costs_no_frame(host: Host, switch: Switch) -> None:
    engine = running(host, switch)
    loaded = engine._programs.features
    with (
        Receiver(host.guests[2], address(2)) as receiver,
        Sender(host.guests[1], address(2), rate=RATE, seconds=PATIENCE) as sender,
    ):
        wait_until(lambda: engine.counters([1])[1].rx_frames > 1000, "traffic")
        engine.capture(Capture(points=frozenset({Point.VNIC_RX}), count=100))
        with_capture = engine._programs.features
        engine.need_all()
        deadline = time.monotonic() + PATIENCE
        captured = len(engine.captured())
        while captured < 100 and time.monotonic() < deadline:
            captured += len(engine.captured())
        everything = engine._programs.features
        engine.capture(None)
        check_all_arrived(sender, receiver)
    assert captured == 100, "one capture, though under two programs"
    assert loaded < with_capture < everything == feature_bits.ALL
    assert engine._programs.features == everything - feature_bits.bits("capture"), "none costs nothing"
    assert {policy.vlan for policy in engine.image().policies.values()} == {VLAN}
    check_accounts(engine.counters())


def test_a_feature_that_nobody_uses_any_more_goes_and_costs_no_frame(host: Host, switch: Switch) -> None:
    engine = running(host, switch)
    needed = engine._programs.features
    engine.capture(Capture(points=frozenset({Point.UPLINK_RCV}), count=1000))
    engine.need_all()
    engine.tidy(0.0)
    with (
        Receiver(host.guests[2], address(2)) as receiver,
        Sender(host.guests[1], address(2), rate=RATE, seconds=PATIENCE) as sender,
    ):
        wait_until(lambda: engine.counters([1])[1].rx_frames > 1000, "traffic")
        engine.tidy(SHED_SECONDS - 1)
        assert engine._programs.features == feature_bits.ALL, "not at once: edits come in bursts"
        engine.tidy(SHED_SECONDS)
        assert engine._programs.features == needed | feature_bits.bits("capture"), "what is in use stays"
        engine.capture(None)
        check_all_arrived(sender, receiver)
    assert engine._programs.features == needed
    check_accounts(engine.counters())
