"""Golden scenario G6 with real guests: an uplink is lost and comes back, and a conversation goes on.

    near guest - host "alpha" == two uplinks == network == host "beta" - far guest
         \\_____________________ a cable of their own ______________________/

The near guest asks the far one every few milliseconds, at the same instants by the switch, with packets and with a TCP
stream, and by a cable that nothing happens to; what silences all is the machine's doing, what silences only the first
is the switch's.  Nothing else runs in the guests meanwhile: without hardware virtualisation a single shell command is
enough to silence one for a tenth of a second.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.scenes import BASICS, WEB
from tests.support.fabric import Fabric, Host, home, tap, wire
from tests.support.netns import Lab, Namespace
from tests.support.packets import FrameSocket
from tests.support.processes import PATIENCE
from tests.support.silence import (
    BY_PACKET,
    BY_STREAM,
    END,
    INTERVAL_US,
    PORT,
    STREAM,
    TESTED,
    UNTOUCHED,
    Report,
    ask,
    note,
    parse,
    program,
    slowness,
)
from tests.vm.guest_image import GuestUnavailable
from tests.vm.qemu import Guest, TapNic, WireNic

NEAR_MAC, FAR_MAC = "52:54:00:00:00:01", "52:54:00:00:00:02"
BESIDE_NEAR_MAC, BESIDE_FAR_MAC = "52:54:00:00:09:01", "52:54:00:00:09:02"
NEAR, FAR = "10.0.0.1", "10.0.0.2"
BESIDE_NEAR, BESIDE_FAR = "10.9.0.1", "10.9.0.2"
"""On the cable of their own."""
ECHO = "/tmp/echo"
LONGEST = 120.0
"""Seconds of a conversation that is not told to end."""
A_WHILE = 25
"""Questions."""
ASKED_EVERY = INTERVAL_US / 1e6
BPDU = bytes.fromhex("0180c2000000")
SILENCE = 0.15
"""Seconds."""
CALM = 0.05
"""Seconds that what nothing happens to may be silent for the machine to count as quiet."""
SLOW_TIMER = 0.2
"""Seconds after which TCP sends again, at the least, when no answer tells it what is missing."""
CONVERSATIONS = 2
UP_DELAY_MS = 1500
"""The network is a Linux bridge, which may leave a cable that comes up unused for a second."""

pytestmark = [pytest.mark.kernel, pytest.mark.qemu, pytest.mark.slow, pytest.mark.timeout(900)]


@dataclass
class Scene:
    """The hosts, the guests, and the network's ends of alpha's cables."""

    fabric: Fabric
    alpha: Host
    near_veth: int
    near: Guest
    far: Guest
    network: Namespace

    def pinned(self) -> int:
        """Number of the uplink that the near guest uses."""
        ports = self.fabric.status(self.alpha).ports
        return next(port.pinned_uplink for port in ports if port.name == f"Veth{self.near_veth}")

    def wait_for_talk(self, number: int) -> None:
        """Wait until the near guest asks by this cable, for a while, by packets and by the stream.  (To watch costs the
        guests nothing, other than asking them or the agents.)"""
        with FrameSocket(self.network, f"a{number}") as cable:
            for cookie, enough in ((BY_PACKET, A_WHILE), (BY_STREAM, A_WHILE // 5)):
                heard = cable.collect(cookie, PATIENCE, enough=enough)
                assert len(heard) >= enough, f"the near guest does not ask by cable {number}"

    def note(self, text: str) -> None:
        """Tell the asker in the near guest."""
        note(text, self.fabric.path / "beside.near", BESIDE_NEAR_MAC, BESIDE_NEAR)

    def cable(self, number: int, state: str) -> None:
        self.network.run("ip", "link", "set", f"a{number}", state)


@contextmanager
def two_uplinks(engine: str) -> Iterator[Scene]:
    with Lab() as lab, home() as path, ExitStack() as guests, Fabric(path) as fabric:
        alpha_space, beta_space, network = (lab.namespace(name) for name in ("alpha", "beta", "network"))
        for number in (1, 2):
            lab.veth(alpha_space, f"up{number}", network, f"a{number}")
        lab.veth(beta_space, "up1", network, "b1")
        lab.bridge(network, "br0", "a1", "a2", "b1")
        fabric.configure(*BASICS, f"teaming up-delay {UP_DELAY_MS}")
        specs = [f"{number},profile=UPLINK,device=up{number}" for number in (1, 2)]
        alpha = fabric.add_host("alpha", engine, where=alpha_space, uplinks=specs)
        beta = fabric.add_host("beta", engine, where=beta_space, uplinks=specs[:1])
        made = []
        cable = {name: beside(path, name) for name in ("near", "far")}
        files = {ECHO: program().read_bytes()}
        for host, name, mac, address in ((alpha, "near", NEAR_MAC, NEAR), (beta, "far", FAR_MAC, FAR)):
            assert host.where is not None
            nic: TapNic | WireNic
            if engine == "kernel":
                lab.tap(host.where, f"tap-{name}")
                plug, nic = tap(f"tap-{name}"), TapNic(mac, f"tap-{name}", f"{address}/24")
            else:
                ours, theirs = path / f"port.{name}", path / f"guest.{name}"
                plug, nic = wire(ours, theirs), WireNic(mac, theirs, ours, f"{address}/24")
            veth = fabric.attach_forwarding(host, name, mac=mac, profile=WEB, plug=plug)
            made.append((veth, guests.enter_context(Guest(name, [nic, cable[name]], where=host.where, files=files))))
        (near_veth, near), (_, far) = made
        for guest in (near, far):
            guest.wait_ready()
            guest.run(f"chmod +x {ECHO}")
        far.run(f"{ECHO} serve {PORT} > /dev/null 2>&1 &")
        yield Scene(fabric, alpha, near_veth, near, far, network)
        fabric.check_accounts()


def beside(path: Path, name: str) -> WireNic:
    """A guest's end of the cable of their own."""
    other = {"near": "far", "far": "near"}[name]
    mac, address = {"near": (BESIDE_NEAR_MAC, BESIDE_NEAR), "far": (BESIDE_FAR_MAC, BESIDE_FAR)}[name]
    return WireNic(mac, path / f"beside.{name}", path / f"beside.{other}", f"{address}/24")


@pytest.mark.rules("S-123", "S-141", "S-142", "S-145", "S-152")
@pytest.mark.parametrize("engine", ["kernel", "user"])
def test_guests_talk_on_through_failover_and_failback(engine: str) -> None:
    try:
        with two_uplinks(engine) as scene, FrameSocket(scene.network, "b1") as wire_tap:
            fail_over_and_back(scene)
            assert wire_tap.collect(BPDU, 0.1) == []  # S-022
    except GuestUnavailable as reason:
        pytest.skip(str(reason))


def fail_over_and_back(scene: Scene) -> None:
    """Two failovers and two failbacks; once more if the machine was too busy to let both be short enough as heard."""
    short: set[str] = set()
    for _ in range(CONVERSATIONS):
        report = conversation_over_changes(scene)
        for mark in report.marks:
            short |= check(report.after(mark), mark)
        if short >= {"down", "up"}:
            break


def check(part: Report, mark: str) -> set[str]:
    """What holds for one change; returns its kind if its silence was short enough as it was heard.

    At most 150 ms of silence of the switch's own; nothing comes twice or out of order; TCP's bytes are those sent (the
    asker looks); and only what was on the cable that was cut is lost.  On a busy machine the agent has to wait for its
    turn; and TCP, once it has missed a turn, for its slow timer."""
    packets, stream, beside = (part.longest(flow) for flow in (TESTED, STREAM, UNTOUCHED))
    lost, slow = part.own_missing(), slowness()
    quiet = beside <= CALM and slow == 1.0
    print(
        f"cable {mark}: silent for {packets * 1e3:.0f} ms, TCP {stream * 1e3:.0f} ms, beside {beside * 1e3:.0f} ms;"
        f" lost {lost}, beside {part.missing(UNTOUCHED)}; x{slow:.1f}"
    )
    for flow in part.flows:
        assert flow.doubled == flow.disordered == 0, f"cable {mark}: {part}"
    assert part.own_share() <= SILENCE * slow, f"cable {mark}: {part}"
    assert part.own_share(STREAM) <= (SILENCE if quiet else SILENCE + SLOW_TIMER) * slow, f"cable {mark}: {part}"
    assert max(packets, stream) <= SILENCE or not quiet, f"cable {mark}: {part}"
    kind = mark.split("-")[0]
    assert lost * ASKED_EVERY <= (packets if kind == "down" else 0) + 2 * ASKED_EVERY, f"cable {mark}: {part}"
    return {kind} if max(packets, stream) <= SILENCE else set()


def conversation_over_changes(scene: Scene) -> Report:
    """Cut the near guest's cable and mend it, twice, while it talks."""
    first = scene.pinned()
    assert first in (1, 2)
    command = ask(LONGEST, FAR, BESIDE_FAR, f"tcp:{FAR}", program=ECHO)
    with ThreadPoolExecutor(1) as pool:
        said = pool.submit(scene.near.run, command, timeout=2 * LONGEST)
        scene.wait_for_talk(first)
        for number in (1, 2):
            for state, before, after in (("down", first, 3 - first), ("up", 3 - first, first)):
                scene.note(f"mark {state}-{number}")
                scene.wait_for_talk(before)
                scene.cable(first, state)
                scene.wait_for_talk(after)
        while not said.done():
            scene.note(END)
            wait([said], timeout=0.5)
        report = parse(said.result())
    assert len(report.marks) == 4, f"a note was not heard: {report}"
    return report
