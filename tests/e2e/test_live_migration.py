"""Golden scenario G9 with a real guest: QEMU migrates it between two hosts, to and fro, while it is talked to.

    guest - host "alpha" == network == host "beta"          outside - network
      \\____ hub (Linux bridges that learn nothing) ____/     inside - host "alpha"; both are on the hub, too

Outside and inside ask the guest every 10 ms, at the same instants by the switch and by the hub, where there is nothing
to be handed over.  The guest downloads by TCP meanwhile.

What the switch does is judged by frames, each stamped by the kernel where it goes in and where it comes out (at the
guest's taps): a question that goes in before the hypervisor's pause must come out at the source, and one that goes in
after the target was announced must come out there, every single one, however busy the machine is.  Only how long the
announcement may take is a matter of the machine: 50 ms beyond the pause, and as long as the daemons waited for a
processor.  The hub is the control run: what a guest without hardware virtualisation needs to wake up shows there, too.
"""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

import pytest

from dvswitch import client
from dvswitch.mac import MacAddress
from dvswitch.v1.manager_pb2 import AttachReply, MigrateRequest, VethInfo
from tests.e2e.scenes import BASICS, WEB
from tests.support.download import Download
from tests.support.fabric import CALL_SECONDS, MIGRATE_MS, Fabric, Host, home, tap, veth
from tests.support.lookout import Lookout
from tests.support.netns import Lab, Namespace
from tests.support.packets import FrameSocket
from tests.support.processes import PATIENCE, wait_until
from tests.support.silence import (
    BY_PACKET,
    END,
    PORT,
    TESTED,
    UNTOUCHED,
    Report,
    ask,
    note_inside,
    parse,
    program,
    slowness,
)
from tests.vm.guest_image import GuestUnavailable
from tests.vm.migration import Passage, begin_and_give_up, migrate
from tests.vm.qemu import Guest, TapNic

MAC, ADDRESS = "52:54:00:00:00:01", "10.0.0.1"
HUB_MAC, HUB_ADDRESS = "52:54:00:00:09:01", "10.9.0.1"
OCTETS = MacAddress.parse(MAC).octets
INSIDE_MAC, INSIDE, OUTSIDE = "02:00:00:00:10:01", "10.0.0.2", "10.0.0.3"
HUB_INSIDE, HUB_OUTSIDE = "10.9.0.2", "10.9.0.3"
ECHO, DOWNLOAD_PORT = "/tmp/echo", 8000
RARP, RARP_BYTES = b"\x80\x35", 60
EVERY = 0.01
"""Seconds between two questions."""
FLOWING = 1 << 20
"""Bytes after which a download has its pace."""
TALK = 20
"""Questions that show that the guest is talked to."""
SILENCE = 0.05
"""Seconds beyond the hypervisor's pause."""
STRAY = b"a frame for the guest where it is not"
FLAT = """\
port-profile type ethernet FLAT
  switchport mode access
  switchport access vlan 10
  no shutdown
  state enabled
"""
"""Outside is a plain machine."""

pytestmark = [pytest.mark.kernel, pytest.mark.qemu, pytest.mark.slow, pytest.mark.timeout(900)]


class Way(Enum):
    """How the switch learns that the guest has moved."""

    TOLD = "told"
    """By its manager, during the pause."""
    SEEN = "seen"
    """By the announcement."""
    FRAME = "by a frame"
    """Nobody announces it; some time later the guest says something."""
    ATTACH = "by an attach"
    """Nobody announces it; some time later its NIC is attached for good."""


@dataclass(frozen=True)
class Move:
    """One migration: how it was driven, and what it took.  Times are seconds since 1970."""

    mark: str
    source: str
    target: str
    rounds: int
    """RARPs that QEMU sent."""
    way: Way
    passage: Passage
    began: float
    """Before the target was prepared."""
    let_go: float
    """Nothing of the guest may be on the target before."""
    announced: float
    """When the network heard of it from the target."""
    waited: float
    """Seconds that the daemons together waited for a processor, from the beginning to the announcement."""
    slowness: float
    """Of the machine meanwhile."""

    @property
    def own(self) -> float:
        """Seconds that the switch adds to the hypervisor's pause."""
        return max(0.0, self.announced - self.passage.resumed)

    @property
    def allowed(self) -> float:
        """Seconds that it may add."""
        return SILENCE * self.slowness + self.waited

    @property
    def awaited(self) -> bool:
        """Whether anything told the switch of it at once."""
        return self.way in (Way.TOLD, Way.SEEN)

    def __str__(self) -> str:
        figures = (("gap", self.passage.gap), ("added", self.own), ("allowed", self.allowed), ("waited", self.waited))
        text = ", ".join(f"{words} {seconds * 1e3:.0f} ms" for words, seconds in figures)
        return f"{self.mark} ({self.way.value}, {self.rounds} RARPs): {text}, x{self.slowness:.1f}"


@dataclass
class Scene:
    """The hosts and the guest, wherever it is."""

    path: Path
    fabric: Fabric
    hosts: dict[str, Host]
    network: Namespace
    inside: Namespace
    outside: Namespace
    guest: Guest
    veth: int
    at: str = "alpha"
    eyes: dict[str, Lookout] = field(default_factory=dict)
    """On the guest's taps ("alpha tap", "beta tap"), on the network's ends of the hosts' cables ("alpha", "beta"), and
    on the NICs of those who ask ("inside", "outside")."""

    @property
    def info(self) -> VethInfo:
        return self.fabric.veths()[self.veth]

    def note(self, text: str) -> None:
        for space in (self.inside, self.outside):
            note_inside(text, space)

    def wait_for_talk(self) -> None:
        """Until outside has had answers for a while."""
        with FrameSocket(self.outside, "eth0") as link:
            assert len(link.collect(BY_PACKET, PATIENCE, enough=TALK)) >= TALK, "the guest does not answer"

    @property
    def rarps(self) -> int:
        """That QEMU sent in the guest's name."""
        return sum(
            not frame.leaving and frame.head[12:14] == RARP for name in self.hosts for frame in self.taps[name].seen
        )

    @property
    def taps(self) -> dict[str, Lookout]:
        return {name: self.eyes[f"{name} tap"] for name in self.hosts}

    def waited(self) -> float:
        """Seconds that the daemons have waited for a processor so far."""
        pids = [self.fabric.vsm.pid, *(host.process.pid for host in self.hosts.values())]
        tasks = [task for pid in pids for task in Path(f"/proc/{pid}/task").glob("*/schedstat")]
        return sum(int(task.read_text().split()[1]) for task in tasks) / 1e9


def space_of(host: Host) -> Namespace:
    assert host.where is not None
    return host.where


def make_guest(where: Namespace, incoming: bool = False) -> Guest:
    nics = [TapNic(MAC, "tap0", f"{ADDRESS}/24"), TapNic(HUB_MAC, "tap1", f"{HUB_ADDRESS}/24")]
    return Guest("vm", nics, where=where, files={ECHO: program().read_bytes()}, incoming=incoming)


@contextmanager
def two_hosts() -> Iterator[Scene]:
    with Lab() as lab, home() as path, ExitStack() as stack, Fabric(path) as fabric:
        names = ("alpha", "beta", "network", "hub", "inside", "outside")
        alpha, beta, network, hub, inside, outside = spaces = [lab.namespace(name) for name in names]
        for name, space in zip(names[:2], spaces[:2], strict=True):
            lab.veth(space, "up0", network, name)
            lab.veth(space, "hub0", hub, name)
            for device in ("tap0", "tap1"):
                lab.tap(space, device)
            space.run("ip", "link", "set", "tap1", "txqueuelen", "2")  # what waits there while nobody reads is stale
            repeater(lab, space, "hub0", "tap1")
        lab.veth(network, "out", outside, "eth0", peer_address=f"{OUTSIDE}/24")
        lab.veth(alpha, "in0", inside, "eth0", peer_mac=INSIDE_MAC, peer_address=f"{INSIDE}/24")
        for space, name, address in ((inside, "inside", HUB_INSIDE), (outside, "outside", HUB_OUTSIDE)):
            lab.veth(hub, name, space, "eth1", peer_address=f"{address}/24")
        lab.bridge(network, "br0", "alpha", "beta", "out")
        repeater(lab, hub, "alpha", "beta", "inside", "outside")
        fabric.configure(*BASICS, FLAT)
        uplink = ["1,profile=FLAT,device=up0"]
        hosts = {
            name: fabric.add_host(name, "kernel", where=space, uplinks=uplink)
            for name, space in (("alpha", alpha), ("beta", beta))
        }
        fabric.attach_forwarding(hosts["alpha"], "inside", mac=INSIDE_MAC, profile=WEB, plug=veth("in0"))
        number = fabric.attach_forwarding(hosts["alpha"], "vm", mac=MAC, profile=WEB, plug=tap("tap0"))
        # A superframe that a tap can't take is cut in pieces after it was counted: with such nothing could be compared.
        outside.run("ethtool", "-K", "eth0", "tso", "off", "gso", "off")
        places = {"alpha": (network, "alpha"), "beta": (network, "beta"), "outside": (outside, "eth0")}
        places |= {"inside": (inside, "eth0"), "alpha tap": (alpha, "tap0"), "beta tap": (beta, "tap0")}
        eyes = {name: stack.enter_context(Lookout(*place, worth_keeping)) for name, place in places.items()}
        guest = make_guest(alpha)
        scene = Scene(path, fabric, hosts, network, inside, outside, guest, number, eyes=eyes)
        stack.callback(lambda: scene.guest.stop())
        guest.start()
        guest.wait_ready()
        guest.run(f"chmod +x {ECHO}; {ECHO} serve {PORT} > /dev/null 2>&1 &")
        yield scene
        fabric.check_accounts(some_left=True)


def repeater(lab: Lab, where: Namespace, *members: str) -> None:
    """A Linux bridge that learns nothing."""
    lab.bridge(where, "hub", *members)
    where.run("ip", "link", "set", "hub", "type", "bridge", "ageing_time", "0")


# ---- one move


def move(scene: Scene, mark: str, rounds: int, way: Way) -> Move:
    """Migrate the guest to the other host."""
    source, target = scene.hosts[scene.at], scene.hosts["beta" if scene.at == "alpha" else "alpha"]
    slow, began = slowness(), time.time()
    arriving = make_guest(space_of(target), incoming=True)
    with ExitStack() as undo, client.open_channel(f"unix:{scene.fabric.operator}") as operator:
        undo.callback(arriving.stop)
        arriving.start()
        prepare(scene, target)
        scene.note(f"mark {mark}")
        stray(scene, target.name)
        waited, committed = scene.waited(), 0.0

        def paused() -> None:
            nonlocal committed
            if way is Way.TOLD:
                committed = time.time()
                request = MigrateRequest(veth=scene.veth, step=MigrateRequest.COMMIT, timeout_ms=MIGRATE_MS)
                assert client.manager_stub(operator).Migrate(request, timeout=CALL_SECONDS).state == "done"

        passage = migrate(scene.guest, arriving, scene.path / mark, rounds=rounds, paused=paused)
        undo.pop_all()
    departed, scene.guest, scene.at = scene.guest, arriving, target.name
    late = show_up(scene, target, way, passage)
    announced = wait_until(lambda: heard_from(scene, target.name, began), f"{mark}: somebody announced the guest")
    waited = scene.waited() - waited
    wait_until(lambda: scene.info.host == target.name, f"{mark}: the vEth lives on {target.name}")
    departed.stop()  # not before: what its tap had no reader for would be lost where nobody counts it
    scene.fabric.detach(source, scene.veth)
    scene.wait_for_talk()
    let_go = committed or late or passage.resumed
    slow = max(slow, slowness())
    return Move(mark, source.name, target.name, rounds, way, passage, began, let_go, announced, waited, slow)


def show_up(scene: Scene, target: Host, way: Way, passage: Passage) -> float:
    """What tells the switch of a move that nobody announced.  When that began; 0 if it was the guest's doing."""
    if way is Way.FRAME:
        scene.guest.execute(f"ping -c1 -W1 {OUTSIDE}")
    if way is not Way.ATTACH:
        return 0.0
    now = time.time()
    reply = scene.fabric.attach(target, "vm", mac=MAC, profile=WEB, plug=tap("tap0"))
    assert (reply.state, reply.veth) == (AttachReply.FORWARDING, scene.veth), reply
    return 0.0 if heard_from(scene, target.name, passage.stopped, now) else now


def heard_from(scene: Scene, host: str, after: float, before: float = float("inf")) -> float:
    """When the network first heard of the guest from a host, within that time; 0: not yet."""
    frames = tuple(scene.eyes[host].seen)
    return next((f.time for f in frames if not f.leaving and is_guests(f.head) and after < f.time < before), 0.0)


def worth_keeping(head: bytes) -> bool:
    """What the test looks for: questions, and whatever shows where the guest is."""
    return BY_PACKET in head or is_guests(head) or STRAY[:20] in head


def is_guests(head: bytes) -> bool:
    return head[6:12] == OCTETS


def prepare(scene: Scene, target: Host) -> None:
    reply = scene.fabric.attach(target, "vm", mac=MAC, profile=WEB, plug=tap("tap0"), prepare=True)
    assert (reply.state, reply.veth) == (AttachReply.PREPARED, scene.veth), reply
    assert scene.fabric.migrate(scene.veth, MigrateRequest.BEGIN, target.name).state == "prepared"


def stray(scene: Scene, cable: str) -> None:
    """Frames for the guest, and for everybody, come to the host where it is not yet."""
    source = MacAddress.parse("02:00:00:00:0b:e2").octets
    with FrameSocket(scene.network, cable) as link:
        for destination in (OCTETS, b"\xff" * 6):
            link.send((destination + source + b"\x88\xb5" + STRAY).ljust(60, b"\0"))


def cancel(scene: Scene) -> None:
    """A migration that its manager gives up: the guest stays, and nothing of it is lost."""
    target = scene.hosts["beta"]
    channel = scene.path / "given-up"
    with make_guest(space_of(target), incoming=True) as never:
        prepare(scene, target)
        scene.note("mark cancelled")
        begin_and_give_up(scene.guest, never, channel)
        assert scene.fabric.migrate(scene.veth, MigrateRequest.CANCEL).state in ("cancelled", "done")
        scene.wait_for_talk()
    scene.fabric.detach(target, scene.veth)
    assert scene.info.host == "alpha"


# ---- the whole


WAYS = [
    *((5, Way.TOLD) for _ in range(5)),
    *((5, Way.SEEN) for _ in range(5)),
    *((0, Way.TOLD) for _ in range(6)),
    *((0, Way.FRAME) for _ in range(2)),
    *((0, Way.ATTACH) for _ in range(2)),
]
"""Ten moves that QEMU announces, of which the supervisor is told of five and sees five; and ten silent ones, of which
nobody tells it of four."""


@pytest.mark.rules("S-246", "S-248", "S-249", "S-250", "S-251", "S-254", "S-258")
def test_a_guest_migrates_live_to_and_fro() -> None:
    try:
        with two_hosts() as scene:
            moves, reports, before = talk_and_move(scene)
            check_silent_before(scene, moves)
            check_frames(scene, moves)
            check_speed(moves)
            for name, report in reports.items():
                check_report(moves, report, name)
            assert "time-out" not in scene.fabric.cli("show svs migration").partition("Under way")[2]
            check_identity(scene, before)
    except GuestUnavailable as reason:
        pytest.skip(str(reason))


def talk_and_move(scene: Scene) -> tuple[list[Move], dict[str, Report], VethInfo]:
    """All moves, in one conversation of either asker and one download."""
    with ExitStack() as stack:
        askers = {name: stack.enter_context(asker(getattr(scene, name))) for name in ("inside", "outside")}
        download = stack.enter_context(Download(scene.outside, DOWNLOAD_PORT))
        get = f"wget -q -O - http://{OUTSIDE}:{DOWNLOAD_PORT}/ | sha256sum > /tmp/sum; touch /tmp/done"
        scene.guest.run(f"({get}) > /dev/null 2>&1 &")
        wait_until(lambda: download.bytes > FLOWING, "the download runs")
        scene.wait_for_talk()
        wait_until(lambda: scene.info.counters.rx_frames > 0, "the supervisor has counters")
        before = scene.info
        cancel(scene)
        moves = []
        for index, (rounds, way) in enumerate(WAYS):
            last = scene.info.counters
            moves.append(move(scene, f"move-{index}", rounds, way))
            now = scene.info.counters
            assert now.rx_frames >= last.rx_frames and now.tx_frames >= last.tx_frames, f"{last} {now}"
        sent = download.finish()
        wait_until(lambda: scene.guest.execute("cat /tmp/done")[0] == 0, "the download ends")
        assert scene.guest.run("cat /tmp/sum").split()[0] == sent
        print(f"downloaded {download.bytes} bytes")
        scene.note(END)
        return moves, {name: parse(process.communicate()[0]) for name, process in askers.items()}, before


@contextmanager
def asker(where: Namespace) -> Iterator[subprocess.Popen[str]]:
    flows = (ADDRESS, HUB_ADDRESS)
    command = ask(900, *flows, program=str(program()), every_us=int(EVERY * 1e6)).split()
    with subprocess.Popen(where.command(*command), stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


# ---- what the links have seen


def check_silent_before(scene: Scene, moves: list[Move]) -> None:
    """Before a hand-over nothing reaches the target's port, and nothing of the guest is heard from there."""
    for each in moves:
        to_guest = [frame for frame in scene.taps[each.target].seen if frame.leaving]
        of_guest = [frame for frame in scene.eyes[each.target].seen if not frame.leaving and is_guests(frame.head)]
        early = [frame for frame in (*to_guest, *of_guest) if each.began < frame.time < each.let_go]
        assert early == [], f"{each}: before the hand-over: {early}"
        strays = [f for f in scene.eyes[each.target].seen if f.leaving and STRAY[:20] in f.head and f.time > each.began]
        assert strays, f"{each}: the frames that must not reach it were never sent"


Asked = tuple[str, int]
"""A question or its answer: who asked, and its number."""
ASKERS = {bytes(map(int, INSIDE.split("."))): "inside", bytes(map(int, OUTSIDE.split("."))): "outside"}
_PROTOCOL, _ADDRESSES, _NUMBER = 23, slice(26, 34), slice(42, 46)


def questions(eye: Lookout, leaving: bool) -> dict[Asked, float]:
    """Questions that went that way, and when; none goes twice."""
    return _asked(eye, leaving, slice(0, 4))


def answers(eye: Lookout, leaving: bool) -> dict[Asked, float]:
    """Likewise."""
    return _asked(eye, leaving, slice(4, 8))


def _asked(eye: Lookout, leaving: bool, asker: slice) -> dict[Asked, float]:
    found: dict[Asked, float] = {}
    for frame in eye.seen:
        who = ASKERS.get(frame.head[_ADDRESSES][asker])
        told = frame.head[_PROTOCOL] == socket.IPPROTO_UDP and BY_PACKET in frame.head  # and not an error about it
        if who and told and frame.leaving == leaving:
            key = who, int.from_bytes(frame.head[_NUMBER], "little")
            assert key not in found, f"{key} twice at {eye.link}"
            found[key] = frame.time
    return found


def stays(moves: list[Move]) -> list[tuple[str, float, float]]:
    """Where the guest was, from when to when everything had to reach it there."""
    places = [moves[0].source, *(each.target for each in moves)]
    since = [0.0, *(max(each.announced, each.passage.resumed) + EVERY for each in moves)]
    until = [*(each.passage.stopped for each in moves), float("inf")]
    return list(zip(places, since, until, strict=True))


def check_frames(scene: Scene, moves: list[Move]) -> None:
    """While the guest is somewhere every question comes out at its tap there, once, and every answer where it was
    asked; also while a migration that is given up is under way.  Beside a move nothing is lost but what is asked
    between the pause and the announcement."""
    asked, answered = {}, {}
    for name in ASKERS.values():
        asked |= questions(scene.eyes[name], leaving=True)
        answered |= answers(scene.eyes[name], leaving=False)
    came = {name: questions(eye, leaving=True) for name, eye in scene.taps.items()}
    went = {name: answers(eye, leaving=False) for name, eye in scene.taps.items()}
    assert not came["alpha"].keys() & came["beta"].keys(), "delivered twice"
    for place, since, until in stays(moves):
        lost = {key: when for key, when in asked.items() if since < when < until and key not in came[place]}
        assert not lost, f"on {place} from {since} to {until} questions were lost: {lost}"
        unheard = {key: when for key, when in went[place].items() if since < when < until and key not in answered}
        assert not unheard, f"on {place} from {since} to {until} answers were lost: {unheard}"
    for each in moves:
        for name in ASKERS.values():
            until, there = each.announced + EVERY, came[each.target]
            amid = [key for key, when in asked.items() if each.passage.stopped <= when <= until and key[0] == name]
            gone = [key for key in amid if key not in there]
            assert len(gone) <= (each.passage.gap + each.own) / EVERY + 2, f"{each}: {name} lost {len(gone)}"


def check_speed(moves: list[Move]) -> None:
    """Nine of ten moves that the switch was told of, or could see, add no more than 50 ms to the hypervisor's pause."""
    print(*moves, sep="\n")
    awaited = [each for each in moves if each.awaited]
    slow = [str(each) for each in awaited if each.own > each.allowed]
    assert len(slow) <= len(awaited) // 10, "\n".join(slow)


# ---- what the askers have seen


def check_report(moves: list[Move], report: Report, name: str) -> None:
    """Nothing comes twice or out of order.  On a machine that does nothing else the switch's conversation is hardly
    worse than the hub's; on a busy one the guest's own hiccups are greater than what is to be seen."""
    flow = report.flows[TESTED]
    assert flow.doubled == flow.disordered == 0, f"{name}: {flow}"
    found = [Found(each, report.after(each.mark)) for each in moves if each.awaited]
    print(f"{name}:", *found, sep="\n")
    worse = [str(each) for each in found if not each.as_good_as_the_hub()]
    if max(each.slowness for each in moves) == 1.0:
        assert len(worse) <= len(found) // 10, "\n".join(worse)


@dataclass(frozen=True)
class Found:
    """A move as one of the askers heard it."""

    move: Move
    part: Report

    def as_good_as_the_hub(self) -> bool:
        """No longer silent than the hub or the hypervisor by more than 50 ms, and nothing lost beyond that."""
        control = max(self.move.passage.gap, self.part.longest(UNTOUCHED))
        lost = max(0, self.part.missing() - 1) * EVERY
        late = 0.0 if self.move.way is Way.TOLD else SILENCE
        return self.part.longest() <= control + SILENCE and lost <= control + late

    def __str__(self) -> str:
        part = self.part
        silent, control = part.longest() * 1e3, part.longest(UNTOUCHED) * 1e3
        missing, missing_there = part.missing(), part.missing(UNTOUCHED)
        return f"{self.move.mark}: silent {silent:.0f} ms, lost {missing}; by the hub {control:.0f} ms, {missing_there}"


def check_identity(scene: Scene, before: VethInfo) -> None:
    """Number, profile and MAC are what they were; and the counters of all hosts together are the guest's own of what it
    sent, and those of its taps of what was sent to it, to the byte."""
    after = scene.info
    assert (after.veth, after.profile, after.mac) == (before.veth, before.profile, before.mac)

    def same() -> bool:
        counters = scene.info.counters
        files = " ".join(f"/sys/class/net/eth0/statistics/{name}" for name in ("tx_packets", "tx_bytes"))
        packets, octets = map(int, scene.guest.run(f"cat {files}").split())
        sent = (packets + scene.rarps, octets + RARP_BYTES * scene.rarps)
        taps = scene.taps.values()
        came = (sum(tap.frames[1] for tap in taps), sum(tap.octets[1] for tap in taps))
        print(f"sent: {sent}, with {scene.rarps} RARPs; vEth: {counters.rx_frames, counters.rx_bytes}")
        print(f"came to its taps: {came}; vEth: {counters.tx_frames, counters.tx_bytes}")
        return (counters.rx_frames, counters.rx_bytes) == sent and (counters.tx_frames, counters.tx_bytes) == came

    wait_until(same, "the vEth's counters are what the guest sent and was sent")
