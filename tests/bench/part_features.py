"""What each feature costs a frame, on either engine; what a flood costs; and the full pipeline with large MAC tables.

Every case is measured once a round, the cases interleaved; `features.<engine>.<case>_ns` less its base is the price.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace

from dvswitch.mac import MacAddress
from tests.bench import off, reference
from tests.bench.part_engines import frame
from tests.bench.results import Results, best
from tests.bench.tables import FIRST_VNIC, TEAM, VLAN, access_image, all_on, mac_of
from vem.datapath.apply import apply_image
from vem.datapath.choose import why_no_kernel
from vem.datapath.engine import Engine, EngineError, Plug
from vem.datapath.image import Group, Image, Method, Policy, Port, Storm
from vem.datapath.user import UserEngine

VNICS = 32
FRAMES, REPEAT, TEST_REPEAT = 1024, 12, 20_000
"""Of each slice."""
GENEROUS = 10_000_000
FLOODS = (8, 64, 250, 960)
TABLES = (2_000, 100_000)
NEIGHBOUR = mac_of(FIRST_VNIC + 1)
OUTSIDE = MacAddress(bytes.fromhex("0200000000ee"))
BROADCAST, MULTICAST = MacAddress(b"\xff" * 6), MacAddress(bytes.fromhex("01005e010203"))
GROUP = bytes([239, 1, 2, 3])
SPY, SPY_VLAN = 40, 11

Change = Callable[[Image], Image]


@dataclass(frozen=True)
class Case:
    """One feature: the tables with it, and the frame that meets it."""

    name: str
    change: Change
    destination: MacAddress = NEIGHBOUR
    payload: bytes = b""


def measure(results: Results, rounds: int, seconds: float) -> None:
    """Fill features.*, flood.* and engine.user.all_on_*."""
    try:
        _user(results, rounds)
    except EngineError as problem:
        results.skip("features.user", str(problem))
    if reason := why_no_kernel():
        results.skip("features.kernel", reason)
    else:
        _kernel(results, rounds)


# --- cases -------------------------------------------------------------------------------------------------------


def _policy(**changes: object) -> Change:
    def change(image: Image) -> Image:
        policies = {
            number: policy if policy.trunk else replace(policy, **changes)  # type: ignore[arg-type]
            for number, policy in image.policies.items()
        }
        return replace(image, policies=policies)

    return change


def _method(method: Method) -> Change:
    def change(image: Image) -> Image:
        return replace(image, teams={**image.teams, TEAM: replace(image.teams[TEAM], method=method)})

    return change


def _spy_elsewhere(image: Image) -> Image:
    """A promiscuous port, in another VLAN: what the feature costs those that it does not concern."""
    number = max(image.policies) + 1
    return replace(
        image,
        ports={**image.ports, SPY: Port(number, SPY, mac_of(SPY), port_id=SPY)},
        policies={**image.policies, number: Policy(vlan=SPY_VLAN, promiscuous=True)},
        members={**image.members, SPY_VLAN: (SPY,)},
        promiscuous_members={SPY_VLAN: (SPY,)},
    )


def _snooping(image: Image) -> Image:
    control = replace(image.control, snooping=True)
    return replace(image, control=control, groups={Group(VLAN, GROUP): (FIRST_VNIC + 1,)})


def _one_listener(image: Image) -> Image:
    """As many receivers as with the group registered."""
    return replace(image, members={VLAN: (FIRST_VNIC + 1,)})


IP = bytes.fromhex("450000300000000040110000") + bytes([10, 0, 0, 1]) + GROUP + bytes(20)
CASES = (
    Case("l2", lambda image: image),
    Case("learn", _policy(learn=True)),
    Case("mac_limit", _policy(learn=True, mac_limit=4096)),
    Case("storm", _policy(storm=Storm(GENEROUS, GENEROUS, GENEROUS))),
    Case("promiscuous_elsewhere", _spy_elsewhere),
    Case("all_on", all_on),
    Case("uplink_port_id", lambda image: image, OUTSIDE, IP),
    Case("uplink_explicit", _method(Method.EXPLICIT), OUTSIDE, IP),
    Case("uplink_source_mac", _method(Method.SOURCE_MAC), OUTSIDE, IP),
    Case("uplink_ip_hash", _method(Method.IP_HASH), OUTSIDE, IP),
    Case("multicast", _one_listener, MULTICAST, IP),
    Case("multicast_snooped", _snooping, MULTICAST, IP),
)


def _sample(case: Case) -> bytes:
    if not case.payload:
        return frame(case.destination, mac_of(FIRST_VNIC), 64)
    return case.destination.octets + mac_of(FIRST_VNIC).octets + b"\x08\x00" + case.payload


def _image(case: Case) -> Image:
    return case.change(access_image({lport: mac_of(lport) for lport in range(FIRST_VNIC, FIRST_VNIC + VNICS)}, True))


# --- engines -----------------------------------------------------------------------------------------------------


def _user(results: Results, rounds: int) -> None:
    with closing(UserEngine()) as engine:
        for lport in range(1, SPY + 1):
            engine.plug(lport, Plug("memory"))
        for _ in range(rounds):
            for case in CASES:
                with _loaded(engine, _image(case)):
                    sample = [_sample(case)] * FRAMES
                    nanoseconds = best(lambda sample=sample: engine.bench(FIRST_VNIC, sample, REPEAT))
                results.add(f"features.user.{case.name}_ns", nanoseconds, "ns/frame")
    off.user(results, _sample(CASES[0]))
    for count in FLOODS:
        _user_flood(results, rounds, count)
    for entries in TABLES:
        _user_table(results, rounds, entries)


@contextmanager
def _loaded(engine: Engine, image: Image) -> Iterator[None]:
    apply_image(engine, Image(), image)
    try:
        yield
    finally:
        engine.forget(engine.learned())
        apply_image(engine, image, Image())


def _flood_image(count: int) -> Image:
    return access_image({lport: mac_of(lport) for lport in range(FIRST_VNIC, FIRST_VNIC + count + 1)})


def _user_flood(results: Results, rounds: int, count: int) -> None:
    """Microseconds for one broadcast to so many memory ports."""
    with closing(UserEngine()) as engine:
        for lport in range(FIRST_VNIC, FIRST_VNIC + count + 1):
            engine.plug(lport, Plug("memory"))
        apply_image(engine, Image(), _flood_image(count))
        sample = [frame(BROADCAST, mac_of(FIRST_VNIC), 64)] * 64
        for _ in range(rounds):
            nanoseconds = best(lambda: engine.bench(FIRST_VNIC, sample, 4))
            results.add(f"flood.user.{count}_us", nanoseconds / 1000, "us/flood")


def _user_table(results: Results, rounds: int, entries: int) -> None:
    """The full pipeline, to addresses all over a table of that size."""
    dice = random.Random(entries)
    with closing(UserEngine()) as engine:
        for lport in range(1, SPY + 1):
            engine.plug(lport, Plug("memory"))
        image = _image(Case("all_on", all_on))
        macs = {_station(number): 3 + number % (VNICS - 2) for number in range(entries)}
        apply_image(engine, Image(), replace(image, static_macs={**image.static_macs, **macs}))
        targets = list(macs)
        for _ in range(rounds):
            reference.note(results)
            frames = [frame(dice.choice(targets), mac_of(FIRST_VNIC), 64) for _ in range(16 * FRAMES)]
            nanoseconds = best(lambda frames=frames: engine.bench(FIRST_VNIC, frames, 2))
            results.add(f"engine.user.all_on_{entries}_macs_ns", nanoseconds, "ns/frame")


def _station(number: int) -> MacAddress:
    return MacAddress(b"\x02\x01" + number.to_bytes(4, "big"))


def _kernel(results: Results, rounds: int) -> None:
    """BPF_PROG_TEST_RUN: what is decided, not the copies' way out."""
    from tests.bench.kernel import kernel_switch

    off.kernel(results, rounds, _sample(CASES[0]))
    with kernel_switch("features") as engine:
        engine.need_all()
        for _ in range(rounds):
            for case in CASES:
                with _loaded(engine, _image(case)):
                    nanoseconds = best(lambda case=case: engine.test_ns(FIRST_VNIC, _sample(case), TEST_REPEAT))
                results.add(f"features.kernel.{case.name}_ns", nanoseconds, "ns/frame")
            for count in FLOODS:
                with _loaded(engine, _flood_image(count)):
                    sample = frame(BROADCAST, mac_of(FIRST_VNIC), 64)
                    nanoseconds = best(lambda sample=sample: engine.test_ns(FIRST_VNIC, sample, 200))
                results.add(f"flood.kernel.{count}_us", nanoseconds / 1000, "us/flood")
