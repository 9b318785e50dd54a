"""Golden scenario G9 with a real guest: QEMU migrates it between two hosts, to and fro, while it is talked to; in mode
DVS, with one or both of the hosts in mode NIV, and by `mobility forward` over a network that is slow to notice
(live_scene.py).  Outside and inside ask the guest every 10 ms, and it downloads by TCP meanwhile.

What the switch does is judged by frames, each stamped by the kernel where it goes in and where it comes out (at the
guest's taps): a question that goes in before the hypervisor's pause must come out at the source, and one that goes in
after the target was announced must come out there, every single one, however busy the machine is.  Only how long the
announcement may take is a matter of the machine: 50 ms beyond the pause, and as long as the daemons waited for a
processor.  The hub is the control run: what a guest without hardware virtualisation needs to wake up shows there, too.

DVS_LIVE_MOVES=all makes all twenty moves in every network.
"""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import Enum

import pytest

from dvswitch import client
from dvswitch.v1.manager_pb2 import AttachReply, MigrateRequest, VethInfo
from tests.e2e.live_scene import (
    ADDRESS,
    EVERYBODY,
    HUB_ADDRESS,
    INSIDE,
    MAC,
    OUTSIDE,
    STRAY,
    Network,
    Scene,
    is_guests,
    make_guest,
    space_of,
    two_hosts,
)
from tests.e2e.scenes import WEB
from tests.support.download import Download
from tests.support.fabric import CALL_SECONDS, MIGRATE_MS, Host, tap
from tests.support.lookout import Lookout
from tests.support.netns import Namespace
from tests.support.processes import wait_until
from tests.support.silence import BY_PACKET, END, TESTED, UNTOUCHED, Report, ask, parse, program, slowness
from tests.vm.guest_image import GuestUnavailable
from tests.vm.migration import Passage, begin_and_give_up, migrate

DOWNLOAD_PORT = 8000
RARP_BYTES = 60
EVERY = 0.01
"""Seconds between two questions."""
FLOWING = 1 << 20
"""Bytes after which a download has its pace."""
SILENCE = 0.05
"""Seconds beyond the hypervisor's pause."""

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
    turned: tuple[float, float]
    """Between these a slow network turned to the target."""
    waited: float
    """Seconds that the daemons together waited for a processor, from the beginning to the announcement."""
    starved: float
    """Likewise, the guest."""
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
        scene.stray(target.name)
        guests = scene.guest, arriving
        waited, starved, committed = scene.waited(), scene.waited(*guests), 0.0

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
    announced = wait_until(lambda: scene.heard_from(target.name, began), f"{mark}: the network knows the guest's place")
    waited, starved = scene.waited() - waited, scene.waited(*guests) - starved
    wait_until(lambda: scene.info.host == target.name, f"{mark}: the vEth lives on {target.name}")
    departed.stop()  # not before: what its tap had no reader for would be lost where nobody counts it
    scene.wait_for_talk()
    turning = time.time()
    scene.bring_to(target.name)
    turned = turning, time.time()
    scene.fabric.detach(source, scene.veth)
    scene.wait_for_talk()
    let_go = committed or min(late, scene.first_word(target.name, began))
    slow = max(slow, slowness())
    places = source.name, target.name
    return Move(mark, *places, rounds, way, passage, began, let_go, announced, turned, waited, starved, slow)


def show_up(scene: Scene, target: Host, way: Way, passage: Passage) -> float:
    """What tells the switch of a move that nobody announced.  When that began; infinity if it was the guest's doing."""
    if way is Way.FRAME:
        scene.guest.execute(f"ping -c1 -W1 {OUTSIDE}")
    if way is not Way.ATTACH:
        return float("inf")
    now = time.time()
    reply = scene.fabric.attach(target, "vm", mac=MAC, profile=WEB, plug=tap("tap0"))
    assert (reply.state, reply.veth) == (AttachReply.FORWARDING, scene.veth), reply
    return float("inf") if scene.heard_from(target.name, passage.stopped, now) else now


def prepare(scene: Scene, target: Host) -> None:
    reply = scene.fabric.attach(target, "vm", mac=MAC, profile=WEB, plug=tap("tap0"), prepare=True)
    assert (reply.state, reply.veth) == (AttachReply.PREPARED, scene.veth), reply
    assert scene.fabric.migrate(scene.veth, MigrateRequest.BEGIN, target.name).state == "prepared"


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
FEW = [(5, Way.TOLD), (5, Way.SEEN), (5, Way.SEEN), (0, Way.TOLD), (0, Way.FRAME), (0, Way.ATTACH)]
"""One or two of each kind."""
TELLING = [(5, Way.TOLD), (5, Way.SEEN), (0, Way.TOLD), (5, Way.SEEN)]
"""What is lost before the network knows is no matter of the tunnel."""
MOVES = [
    pytest.param(Network(), WAYS, id="dvs"),
    pytest.param(Network(niv=("alpha", "beta")), FEW, id="niv"),
    pytest.param(Network(niv=("alpha",)), FEW, id="niv and dvs"),
    pytest.param(Network(slow=True), TELLING, id="mobility forward"),
]


@pytest.mark.rules("S-246", "S-248", "S-249", "S-250", "S-251", "S-254", "S-258")
@pytest.mark.parametrize(("network", "ways"), MOVES)
def test_a_guest_migrates_live_to_and_fro(network: Network, ways: list[tuple[int, Way]]) -> None:
    try:
        with two_hosts(network) as scene:
            moves, reports, before = talk_and_move(scene, WAYS if os.environ.get("DVS_LIVE_MOVES") == "all" else ways)
            check_silent_before(scene, moves)
            check_frames(scene, moves)
            check_order(scene, moves)
            check_tunnel(scene, moves)
            check_speed(moves)
            for name, report in reports.items():
                check_report(moves, report, name, network.slow)
            assert "time-out" not in scene.fabric.cli("show svs migration").partition("Under way")[2]
            check_identity(scene, before)
    except GuestUnavailable as reason:
        pytest.skip(str(reason))


def talk_and_move(scene: Scene, ways: list[tuple[int, Way]]) -> tuple[list[Move], dict[str, Report], VethInfo]:
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
        scene.bring_to(scene.at)
        moves = []
        for index, (rounds, way) in enumerate(ways):
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
        heard = [f for f in scene.taps[each.source].seen if f.leaving and EVERYBODY[:20] in f.head]
        assert [f for f in heard if f.time > each.began], f"{each}: nor was the broadcast"


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


def check_order(scene: Scene, moves: list[Move]) -> None:
    """Questions come out at a tap in the order in which they were asked; only when a slow network turns to the target
    at last, long after that was announced, may what it brings there overtake what is in the tunnel."""
    turns = [each.turned for each in moves] if scene.at_network.slow else []
    for place, eye in scene.taps.items():
        came = questions(eye, leaving=True)
        for who in ASKERS.values():
            asked = questions(scene.eyes[who], leaving=True)
            order = sorted((key for key in came if key[0] == who), key=lambda key: came[key])
            for before, after in itertools.pairwise(order):
                turn = any(asked[after] <= end and start <= asked[before] for start, end in turns)
                assert before < after or turn, f"on {place} question {after} came after {before}"


def check_tunnel(scene: Scene, moves: list[Move]) -> None:
    """A slow network did go on sending to the source when the guest was talked to on the target; and from the first
    question on that came there by the tunnel, during the pause or later, none was lost."""
    for each in moves if scene.at_network.slow else ():
        detours = questions(scene.eyes[each.source], leaving=True).values()
        assert any(each.announced + EVERY < when < each.turned[0] for when in detours), f"{each}: no detour"
        there = questions(scene.taps[each.target], leaving=True)
        for name in ASKERS.values():
            asked = questions(scene.eyes[name], leaving=True)
            amid = [key for key, when in asked.items() if each.passage.stopped <= when <= each.turned[0]]
            first = next((index for index, key in enumerate(amid) if key in there), len(amid))
            lost = [key for key in amid[first:] if key not in there]
            print(f"{each.mark}: {name} lost {first} before the tunnel, of {len(amid)}")
            assert not lost and first < len(amid), f"{each}: lost {lost} after {amid[:first]}"


def check_speed(moves: list[Move]) -> None:
    """Nine of ten moves that the switch was told of, or could see, add no more than 50 ms to the hypervisor's pause."""
    print(*moves, sep="\n")
    awaited = [each for each in moves if each.awaited]
    slow = [str(each) for each in awaited if each.own > each.allowed]
    assert len(slow) <= len(awaited) // 10, "\n".join(slow)


# ---- what the askers have seen


def check_report(moves: list[Move], report: Report, name: str, slow: bool) -> None:
    """Nothing comes twice or, but for a slow network's doing (check_order), out of order.  On a machine that does
    nothing else the switch's conversation is hardly worse than the hub's; on a busy one the guest's own hiccups are
    greater than what is to be seen."""
    flow = report.flows[TESTED]
    assert flow.doubled == 0 and (slow or flow.disordered == 0), f"{name}: {flow}"
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
        busy = self.move.allowed - SILENCE + self.move.starved
        return self.part.longest() <= control + SILENCE + busy and lost <= control + late + busy

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
        sent = (packets + scene.rarps, octets + RARP_BYTES * scene.rarps + scene.padding(leaving=False))
        taps = scene.taps.values()
        came = (sum(tap.frames[1] for tap in taps), sum(tap.octets[1] for tap in taps) - scene.padding(leaving=True))
        print(f"sent: {sent}, with {scene.rarps} RARPs; vEth: {counters.rx_frames, counters.rx_bytes}")
        print(f"came to its taps: {came}; vEth: {counters.tx_frames, counters.tx_bytes}")
        return (counters.rx_frames, counters.rx_bytes) == sent and (counters.tx_frames, counters.tx_bytes) == came

    wait_until(same, "the vEth's counters are what the guest sent and was sent")
