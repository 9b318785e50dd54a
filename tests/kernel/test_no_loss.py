"""Nothing that happens to the agent or its tables costs a frame: death, adoption, new programs, new member lists."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.kernel.holder import VLAN, image
from tests.kernel.rig import ROOT, Host, Switch, address
from tests.rows.row import check_accounts
from tests.support.netns import Lab
from tests.support.traffic import Receiver, Sender
from vem.datapath import libbpf
from vem.datapath.apply import apply_image
from vem.datapath.image import Image
from vem.datapath.kernel import PROGRAM, KernelEngine
from vem.datapath.kernel_attach import Method
from vem.datapath.kernel_maps import SHARED

pytestmark = pytest.mark.kernel

RATE = 50_000
STREAM = 60.0
"""Seconds at most; it is stopped before."""
SOME = 25_000
"""Frames before and after what happens."""
SWAPS = 300
GROUP_MAC = "01:00:5e:00:00:05"


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with Lab() as lab:
        made = Host(lab, "host", guests=(1, 2, 3))
        made.introduce(1, 2)
        yield made


@pytest.fixture(params=["best", "clsact"])
def switch(request: pytest.FixtureRequest) -> Iterator[Switch]:
    method: Method | None = "clsact" if request.param == "clsact" else None
    with Switch("noloss", method) as made:
        yield made


def running(host: Host, switch: Switch) -> KernelEngine:
    engine = switch.open()
    host.plug(engine)
    apply_image(engine, Image(), image(*host.guests))
    return engine


def check_all_arrived(sender: Sender, receiver: Receiver) -> int:
    sender.wait_for(SOME)
    sender.stop()
    sent, received = sender.finish(), receiver.finish()
    assert received.received == sent.sent > 0
    assert (received.duplicates, received.reordered) == (0, 0)
    return sent.sent


def start_holder(switch: Switch, host: Host) -> subprocess.Popen[str]:
    argv = [sys.executable, "-m", "tests.kernel.holder", switch.name, str(ROOT), switch.method or "best"]
    argv += [host.where.name, *map(str, host.guests)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)


def test_an_agent_killed_and_restarted_loses_nothing(host: Host, switch: Switch) -> None:
    with start_holder(switch, host) as holder:
        assert holder.stdout is not None
        incarnation = holder.stdout.readline().strip()
        assert incarnation
        with (
            Receiver(host.guests[2], address(2)) as receiver,
            Sender(host.guests[1], address(2), rate=RATE, seconds=STREAM) as sender,
        ):
            sender.wait_for(SOME)
            holder.kill()
            holder.wait()
            sender.wait_for(2 * SOME)
            engine = switch.open()
            assert engine.incarnation == incarnation
            assert engine.image() == image(*host.guests)
            assert engine.plugged() == {lport: host.plug_of(lport) for lport in host.guests}
            sent = check_all_arrived(sender, receiver)
    counters = engine.counters()
    assert counters[1].rx_frames == counters[2].tx_frames == sent
    check_accounts(counters)


def test_swapping_the_program_loses_nothing(host: Host, switch: Switch) -> None:
    engine = running(host, switch)
    first, second = (libbpf.Object(PROGRAM, engine._directory, SHARED) for _ in range(2))
    programs = itertools.cycle([first.program("dvs_switch"), second.program("dvs_switch")])
    with (
        Receiver(host.guests[2], address(2)) as receiver,
        Sender(host.guests[1], address(2), rate=RATE, seconds=STREAM) as sender,
    ):
        sender.wait_for(SOME)
        for _ in range(SWAPS):
            engine._swap(next(programs))
        engine.swap_program(PROGRAM)
        check_all_arrived(sender, receiver)
    first.close()
    second.close()
    check_accounts(engine.counters())


def test_replacing_member_lists_loses_nothing(host: Host) -> None:
    command = f"ip neighbour replace {address(3)} dev eth0 lladdr {GROUP_MAC} nud permanent"
    host.guests[1].run(*command.split())
    with Switch("members") as switch:
        engine = running(host, switch)
        lists = itertools.cycle([(1, 3), (1, 2, 3)])
        with (
            Receiver(host.guests[3], address(3)) as receiver,
            Sender(host.guests[1], address(3), rate=20_000, seconds=STREAM) as sender,
        ):
            sender.wait_for(SOME)
            for _ in range(50):
                engine.set_members({VLAN: next(lists)}, {})
            check_all_arrived(sender, receiver)
        check_accounts(engine.counters())


def test_editing_the_configuration_loses_nothing(host: Host) -> None:
    with Switch("config") as switch:
        engine = running(host, switch)
        before = image(*host.guests)
        spare = next(iter(before.policies.values()))
        with (
            Receiver(host.guests[2], address(2)) as receiver,
            Sender(host.guests[1], address(2), rate=RATE, seconds=STREAM) as sender,
        ):
            sender.wait_for(SOME)
            for number in range(30):
                engine.set_config(before.control, {**before.policies, 500 + number: spare}, before.teams)
            check_all_arrived(sender, receiver)
        assert engine.image().policies.keys() == {*before.policies, 529}
