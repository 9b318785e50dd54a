"""What switching behind the uplink costs: TCP and small packets between two guests of one host by way of a VIS, and the
NIV tag of a frame, off and on.

The kernel engine's share is taken from single test runs, since a run takes the tag off for good: with a tag less
without, each the median of many, in turns.  A test run records copies instead of sending, so it puts no tag on; and on
a VIS it leaves the tag where it is.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace

from dvswitch.mac import MacAddress
from dvswitch.vlan import VlanSet
from tests.bench import rates
from tests.bench.kernel import kernel_switch
from tests.bench.part_switching import unavailable
from tests.bench.paths import FAR_MAC, NEAR_MAC, Path, direct_veth, plug_both
from tests.bench.results import Results, best
from tests.e2e.niv_scene import NivScene, niv_scene
from tests.e2e.scenes import WEB, Stack
from tests.e2e.test_niv import edited
from tests.support.fabric import veth
from tests.support.netns import Lab
from vem.datapath.apply import apply_image
from vem.datapath.choose import why_no_kernel
from vem.datapath.engine import Engine, EngineError, Plug
from vem.datapath.image import Control, Image, Niv, Policy, Port, Tagging, Team
from vem.datapath.user import UserEngine

LINK, NEAR, FAR, PLAIN = 1, 2, 3, 4
VLAN, LINK_MTU = 10, 1520
NEAR_VIF, FAR_VIF = 5, 7
RUNS = 2000
FRAMES, REPEAT = 1024, 12
EDITS = 3
"""In a round."""
CROWD = 200
"""VIFs that nobody edits."""
MACS = {NEAR: MacAddress.parse(NEAR_MAC), FAR: MacAddress.parse(FAR_MAC)}
PLAIN_MAC = MacAddress.parse("02:00:00:00:00:03")
POLICIES = {0: Policy(vlan=VLAN), 1: Policy(trunk=True, allowed=VlanSet.parse("1-4094"))}


def measure(results: Results, rounds: int, seconds: float) -> None:
    """Fill niv.*."""
    if reason := unavailable() or why_no_kernel():
        results.skip("niv", reason)
        return
    _tags(results, rounds)
    with Lab() as lab, ExitStack() as stack:
        paths = [stack.enter_context(direct_veth(lab)), stack.enter_context(hairpin(lab))]
        for path in paths:
            path.check()
        for _ in range(rounds):
            for path in paths:
                results.add(f"niv.tcp.{path.name}", rates.tcp(path, seconds), "Gbit/s")
                results.add(f"niv.small.{path.name}", rates.small_packets(path, seconds), "kpps")
    for kind in ("niv.tcp", "niv.small"):
        results.compare(kind, "hairpin", "direct_veth")
    _edits(results, rounds)


def _edits(results: Results, rounds: int) -> None:
    """From the operator's word, and from the answer to it, to the last frame that a VIF, which the edit shuts, still
    got; with two VIFs, and with CROWD more."""
    with niv_scene("kernel") as scene:
        near, far = (scene.guest("alpha", name) for name in ("near", "far"))
        scene.mode("alpha", "niv")
        _edit(results, "niv.edit", scene, near, far, EDITS * rounds)
        scene.fabric.configure(f"port-profile {WEB}\nmax-ports {CROWD + 32}")
        space = scene.lab.namespace("crowd")
        macs = [f"02:00:00:01:{number >> 8:02x}:{number & 255:02x}" for number in range(CROWD)]
        nics = [(mac, scene.nic("alpha", space, f"e{number}", mac)) for number, mac in enumerate(macs)]
        host, fabric = scene.hosts["alpha"], scene.fabric
        with ThreadPoolExecutor(8) as pool:
            jobs = [
                pool.submit(fabric.attach_forwarding, host, mac, mac=mac, profile=WEB, plug=veth(port))
                for mac, port in nics
            ]
            for job in jobs:
                job.result()
        _edit(results, "niv.edit_crowded", scene, near, far, EDITS * rounds)


def _edit(results: Results, key: str, scene: NivScene, near: Stack, far: Stack, times: int) -> None:
    found = [edited(scene, near, far) for _ in range(times)]
    for called, answered in found:
        results.add(f"{key}_called_ms", called * 1e3, "ms")
        results.add(f"{key}_ms", answered * 1e3, "ms")
    results.add(f"{key}_worst_ms", max(answered for _, answered in found) * 1e3, "ms")


def _ports(niv: Niv) -> dict[int, Port]:
    vifs = {NEAR: NEAR_VIF, FAR: FAR_VIF}
    ports = {lport: Port(0, lport, MACS[lport], link=LINK, vif=vif) for lport, vif in vifs.items()}
    link = Port(1, 1, MacAddress(bytes(6)), uplink=niv is Niv.EXTENDER, niv=niv, tagging=Tagging.VNTAG, plain=False)
    return {**ports, LINK: link}


def host_image() -> Image:
    """The NIV host's."""
    return Image(control=Control(niv=True), ports=_ports(Niv.EXTENDER), policies=POLICIES, teams={0: Team((LINK,))})


def joining_image() -> Image:
    """The NIV host's while it is one already, but still takes frames without a tag: for comparison."""
    host = host_image()
    link = replace(host.ports[LINK], plain=True)
    return replace(
        host,
        ports={**host.ports, LINK: link},
        policies={0: POLICIES[0], 1: replace(POLICIES[1], vlan=VLAN)},
        static_macs={MACS[NEAR]: NEAR, MACS[FAR]: FAR},
    )


def vis_image() -> Image:
    """The VIS's, with a port of the usual kind for comparison."""
    return Image(
        ports={**_ports(Niv.BRIDGE), PLAIN: Port(0, PLAIN, PLAIN_MAC)},
        policies=POLICIES,
        teams={0: Team()},
        static_macs={MACS[NEAR]: NEAR, MACS[FAR]: FAR, PLAIN_MAC: PLAIN},
        members={VLAN: (NEAR, FAR, PLAIN)},
    )


@contextmanager
def hairpin(lab: Lab) -> Iterator[Path]:
    """Two guests of one NIV host, whose frames go to a VIS and back."""
    host, vis = lab.namespace("niv_host"), lab.namespace("niv_vis")
    lab.veth(host, "up0", vis, "up0", mtu=LINK_MTU)
    path = plug_both(lab, "hairpin", host, host)
    with kernel_switch("iv") as iv, kernel_switch("vis") as bridge:
        for lport, device in ((LINK, "up0"), (NEAR, "near"), (FAR, "far")):
            iv.plug(lport, Plug("raw" if lport == LINK else "veth", device, netns=host.name))
        bridge.plug(LINK, Plug("raw", "up0", netns=vis.name))
        apply_image(iv, Image(), host_image())
        apply_image(bridge, Image(), vis_image())
        yield path


# --- the tag alone -----------------------------------------------------------------------------------------------


def _frame(destination: MacAddress, source: MacAddress, tag: bytes = b"") -> bytes:
    return destination.octets + source.octets + tag + b"\x08\x00\x45" + bytes(63)


TAGGED = _frame(MACS[FAR], MACS[NEAR], bytes.fromhex("89260000") + NEAR_VIF.to_bytes(2, "big"))
UNTAGGED = _frame(MACS[FAR], PLAIN_MAC)
DOWN = _frame(MACS[FAR], PLAIN_MAC, bytes.fromhex("8926") + (0x8000 | FAR_VIF).to_bytes(2, "big") + bytes(2))


def _tags(results: Results, rounds: int) -> None:
    with kernel_switch("vis") as vis, kernel_switch("iv") as iv:
        apply_image(vis, Image(), vis_image())
        apply_image(iv, Image(), joining_image())
        for _ in range(rounds):
            results.add("niv.kernel.read_ns", _tag_ns(vis, TAGGED, PLAIN), "ns/frame")
            results.add("niv.kernel.pop_ns", _tag_ns(iv, DOWN, LINK), "ns/frame")
    try:
        user = UserEngine()
    except EngineError as problem:
        results.skip("niv.user", str(problem))
        return
    with closing(user):
        for lport in (LINK, PLAIN, FAR):
            user.plug(lport, Plug("memory"))
        apply_image(user, Image(), vis_image())
        for _ in range(rounds):
            results.add("niv.user.hairpin_ns", _user_ns(user, LINK, TAGGED), "ns/frame")
            results.add("niv.user.push_ns", _user_ns(user, PLAIN, UNTAGGED), "ns/frame")


def _tag_ns(engine: Engine, tagged: bytes, plain: int) -> float:
    """Of single runs, in turns: of this frame by the link, less one without a tag by that port."""
    for lport, frame in ((LINK, tagged), (plain, UNTAGGED)):
        assert [copy.lport for copy in engine.test(lport, frame).copies] == [FAR]
    with engine.loaded_for_tests() as tracer:  # type: ignore[attr-defined]
        runs = [(tracer.test_ns(LINK, tagged, 1), tracer.test_ns(plain, UNTAGGED, 1)) for _ in range(RUNS)]
    return statistics.median(tagged for tagged, _ in runs) - statistics.median(plain for _, plain in runs)


def _user_ns(engine: UserEngine, lport: int, frame: bytes) -> float:
    return best(lambda: engine.bench(lport, [frame] * FRAMES, REPEAT))
