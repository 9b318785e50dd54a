"""The roads that a migration may take when something goes wrong, with real daemons: in the end one host has the port.

All of them run between two user engines on datagram wires and between two kernel engines; where the state that one
engine left is taken up by the other, or counted on there, from the one to the other, too.  One scene of each kind
serves them all; each road has a VM of its own, with a NIC on either host (roads.py).  What the engines do in a move
is in test_migration.py; all orders of all mishaps are explored in tests/mobility.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address

import grpc
import pytest

from dvswitch.mac import MacAddress
from dvswitch.v1.manager_pb2 import AttachReply, MigrateRequest, VethInfo
from physical.frames import Ipv4, checksum
from tests.e2e.niv_roads import niv_roads
from tests.e2e.roads import BEGIN, CANCEL, COMMIT, Chatter, Roads, Vm, again, new_vm, roads, stopped
from tests.e2e.scenes import DB, DB_VLAN, WEB_VLAN
from tests.support.fabric import Host
from tests.support.processes import PATIENCE, wait_until
from tests.support.relay import Relay
from tests.support.vis import Vis
from vem.agent.announce import rarp

pytestmark = pytest.mark.slow
ENGINES = [
    pytest.param(("user", "user"), id="user"),
    pytest.param(("kernel", "kernel"), id="kernel", marks=pytest.mark.kernel),
    pytest.param(("kernel", "user"), id="kernel-to-user", marks=pytest.mark.kernel),
]
USER, KERNEL = ("user", "user"), ("kernel", "kernel")
NIV = [
    pytest.param((USER, (True, True)), id="niv"),
    pytest.param((USER, (True, False)), id="niv-to-dvs"),
    pytest.param((USER, (False, True)), id="dvs-to-niv"),
    pytest.param((USER, (True, True), 2), id="niv-over-two"),
    pytest.param((KERNEL, (True, True)), id="niv-kernel", marks=pytest.mark.kernel),
]
SWITCHING = pytest.mark.parametrize("scene", ENGINES[:2], indirect=True)
"""For what hosts do that switch by themselves."""
BOTH_WAYS = pytest.mark.parametrize("scene", [*ENGINES, *NIV], indirect=True)
"""For what one engine hands over to the other, or one mode."""


@pytest.fixture(scope="module", params=[*ENGINES[:2], NIV[0]])
def scene(request: pytest.FixtureRequest) -> Iterator[Roads]:
    """Of two engines; or of whether the hosts are in mode NIV, too, and how many VISes there are."""
    made = roads(*request.param) if isinstance(request.param[0], str) else niv_roads(*request.param)
    with made as found:
        yield found


@pytest.fixture
def vm(scene: Roads) -> Vm:
    return new_vm(scene)


# ---- the target


@SWITCHING
def test_a_target_without_the_vlan_refuses_beforehand(scene: Roads) -> None:
    """S-256.  (In mode NIV the host's uplink carries whatever the VIS switches: no VLAN can be missing there.)"""
    vm, fabric = new_vm(scene, DB), scene.fabric
    fabric.configure("interface ethernet 4/1\n switchport trunk allowed vlan 10")
    try:
        for step in (MigrateRequest.CHECK, BEGIN):
            with pytest.raises(grpc.RpcError, match=f"no uplink of module 4 carries vlan {DB_VLAN}"):
                vm.step(step, "beta")
        line = f"svs migration vethernet {vm.veth} module 4 check"
        assert f"no uplink of module 4 carries vlan {DB_VLAN}" in fabric.execute(line).output
        assert vm.owners() == ["alpha"] and not vm.state()
    finally:
        fabric.configure("interface ethernet 4/1\n no switchport trunk allowed vlan")
    assert "can take" in fabric.cli(line)


def test_the_target_dies_before_the_vm_is_there(vm: Vm, scene: Roads) -> None:
    vm.prepare()
    scene.beta.process.kill()
    assert vm.step(CANCEL).state in ("cancelled", "done")
    scene.fabric.start_host(scene.beta)
    vm.ends_on(scene.alpha)


@BOTH_WAYS
def test_the_target_dies_when_the_port_is_its_own(vm: Vm, scene: Roads) -> None:
    vm.prepare()
    with scene.holding(scene.beta):
        committed = vm.later(COMMIT)
        wait_until(lambda: vm.state() == "activated", "the target is to have it")
        scene.beta.process.kill()
    scene.fabric.start_host(scene.beta)
    assert committed.result(PATIENCE).state == "done"
    vm.ends_on(scene.beta)
    again(scene, scene.beta)
    vm.ends_on(scene.beta)


DRAIN_SECONDS = 3.0
"""How long the supervisor waits for a source that may come back."""


@pytest.mark.parametrize("scene", [*ENGINES[:2], NIV[0], *NIV[3:]], indirect=True)
@pytest.mark.rules("S-255")
def test_the_target_is_gone_for_good(scene: Roads) -> None:
    """The VMs run on where they came from: attached there again the vEths are back at once, whether the NIC was still
    plugged in there, had been unplugged, or the hand-over had not even been confirmed.  In mode NIV the VIS of the
    target dies with it, if that is not the source's; else it confirms, and lets go, for a host that is dead."""
    fabric, delta = scene.fabric, scene.add_host("delta", scene.engines[1])
    vms = [new_vm(scene) for _ in range(3)]
    unconfirmed, plugged, unplugged = vms
    for vm in vms:
        vm.prepare("delta")
        vm.says(scene.alpha, rarp(vm.address))
    wait_until(lambda: said_and_counted(scene, vms), "what they said came through before they moved")
    for vm in (plugged, unplugged):
        assert vm.step(COMMIT).state == "done"
    fabric.detach(scene.alpha, unplugged.veth)
    last_word = scene.confirms(delta)
    with stopped(last_word or delta):
        committed = unconfirmed.later(COMMIT)
        if last_word is None:
            assert committed.result(PATIENCE).state == "done"
        else:
            wait_until(lambda: unconfirmed.state() == "activated", "the target is to have it")
            last_word.process.kill()
        scene.power(delta, on=False)
    for vm in vms:
        assert vm.attach(scene.alpha).state == AttachReply.FORWARDING
        vm.ends_on(scene.alpha)
        assert vm.info.counters.rx_frames == vm.said
    if last_word:
        assert committed.result(PATIENCE).slot == fabric.status(scene.alpha).slot
        for vm in (plugged, unplugged):  # so long did the first one wait for a host that might have come back
            assert waited_for_source(scene, vm) < DRAIN_SECONDS
    comes_back(scene, delta)
    for vm in vms:
        vm.ends_on(scene.alpha)
    scene.remove(delta)


def comes_back(scene: Roads, host: Host) -> None:
    """With its VIS, if that was gone, too."""
    confirms = scene.confirms(host)
    if isinstance(confirms, Vis):
        confirms.process.start()  # its card can't come before the host
    scene.power(host, on=True)
    if isinstance(confirms, Vis):
        wait_until(confirms.in_touch, "the VIS is back, with its cards")


@pytest.mark.parametrize("scene", [ENGINES[0], NIV[0]], indirect=True)
@pytest.mark.rules("S-255")
def test_the_target_is_gone_and_the_supervisor_started_anew(scene: Roads) -> None:
    """Nobody attaches anything: that the VM speaks where it was is enough, although the target was never there in this
    life of the supervisor."""
    vm, epsilon = new_vm(scene), scene.add_host("epsilon", scene.engines[1])
    vm.prepare("epsilon")
    assert vm.step(COMMIT).state == "done"
    scene.power(epsilon, on=False)
    scene.fabric.vsm.kill()
    scene.fabric.start_vsm()

    def is_back() -> bool:
        vm.says(scene.alpha, rarp(vm.address))
        return vm.owners() == [scene.alpha.name]

    wait_until(is_back, "its words were heard")
    vm.ends_on(scene.alpha)
    scene.power(epsilon, on=True)
    vm.ends_on(scene.alpha)
    scene.remove(epsilon)


def waited_for_source(scene: Roads, vm: Vm) -> float:
    """Seconds from pause to activation of its last move, in which the source had been absent before."""
    history = scene.fabric.cli("show svs migration").partition("Over,")[2]
    steps = history.rpartition(f"Vethernet{vm.veth} ")[2].splitlines()[1]
    found = re.search(r"paused \+([\d.]+) .*activated \+([\d.]+) \(module \d+ is absent\)", steps)
    assert found, steps
    return float(found[2]) - float(found[1])


# ---- the source


def test_the_source_dies_before_the_pause(vm: Vm, scene: Roads) -> None:
    vm.prepare()
    scene.alpha.process.kill()
    assert vm.step(COMMIT).state == "done"
    scene.fabric.start_host(scene.alpha)
    vm.ends_on(scene.beta)


def test_the_source_dies_while_it_drains(vm: Vm, scene: Roads) -> None:
    vm.prepare()
    with stopped(scene.alpha):
        committed = vm.later(COMMIT)
        wait_until(lambda: vm.state() != "prepared", "it is asked to drain")
        scene.alpha.process.kill()
    assert committed.result(PATIENCE).state == "done"
    scene.fabric.start_host(scene.alpha)
    vm.ends_on(scene.beta)


# ---- the supervisor, and the way to it


@pytest.mark.parametrize("where", ["prepared", "paused", "activated"])
def test_the_supervisor_dies(vm: Vm, scene: Roads, where: str) -> None:
    vm.prepare()
    hangs = {"paused": scene.alpha, "activated": scene.beta}.get(where)
    with scene.holding(hangs) if hangs else contextlib.nullcontext():
        committed = vm.later(COMMIT) if hangs else None
        wait_until(lambda: vm.state() == where, f"it is {where}")
        scene.fabric.vsm.kill()
        if committed:
            assert committed.exception(PATIENCE)
        scene.fabric.start_vsm()
    for host in (scene.alpha, scene.beta):
        wait_until(lambda host=host: scene.fabric.in_touch(host), "the hosts are back")  # type: ignore[misc]
    if not committed:
        assert vm.step(COMMIT).state == "done"
    vm.ends_on(scene.beta)


def test_the_way_to_the_supervisor_is_cut(scene: Roads) -> None:
    """The target goes on without a word of the move; when it is back, it gives the port up."""
    front = scene.path / f"relay{scene.taken}.sock"
    with Relay(front, scene.fabric.socket) as relay:
        gamma = scene.add_host("gamma", scene.engines[0], supervisor=front)
        far = new_vm(scene)
        far.prepare("gamma")
        assert far.step(COMMIT).state == "done"
        relay.cut()
        assert far.step(BEGIN, "alpha").state == "prepared"
        assert far.step(COMMIT).state == "done"
        wait_until(lambda: "alpha" in far.owners(), "it forwards on alpha")
        relay.heal()
        far.ends_on(scene.alpha)
        scene.remove(gamma)


# ---- changes of mind


@pytest.mark.parametrize("where", ["prepared", "paused", "activated"])
def test_a_move_is_cancelled(vm: Vm, scene: Roads, where: str) -> None:
    """S-250."""
    vm.prepare()
    hangs = {"paused": scene.alpha, "activated": scene.beta}.get(where)
    with scene.holding(hangs) if hangs else contextlib.nullcontext():
        committed = vm.later(COMMIT) if hangs else None
        wait_until(lambda: vm.state() == where or (committed and committed.done()), f"it is {where}")
        cancelled = vm.later(CANCEL)
        wait_until(lambda: vm.state() != where, "the word was heard")
    refusal = cancelled.exception(PATIENCE)
    if refusal and where == "activated" and scene.confirms(scene.beta) is None:
        # A VIS that is the source's, too, can't hang alone: the move may be over before the word comes.
        assert "is not migrating" in str(refusal)
        vm.ends_on(scene.beta)
        return
    assert cancelled.result(PATIENCE).state in ("cancelled", "done")
    if committed:
        committed.exception(PATIENCE)
    vm.ends_on(scene.alpha)


@BOTH_WAYS
def test_straight_back(vm: Vm, scene: Roads) -> None:
    """With both NICs plugged in all the time; frames are counted once."""
    vm.prepare()
    vm.says(scene.alpha, rarp(MacAddress.parse(vm.mac)))
    wait_until(lambda: said_and_counted(scene, [vm]), "what it said came through before it moved")
    assert vm.step(COMMIT).state == "done"
    assert vm.step(BEGIN, "alpha").state == "prepared"
    assert vm.step(COMMIT).state == "done"
    vm.ends_on(scene.alpha)
    vm.says(scene.alpha, rarp(MacAddress.parse(vm.mac)))
    wait_until(lambda: vm.info.counters.rx_frames == 2, "both frames are counted, and no more")
    history = scene.fabric.cli("show svs migration").partition("Over,")[2]
    assert history.count(f"Vethernet{vm.veth} ") == 2


# ---- what follows


NESTED = """\
port-profile type vethernet nested
  switchport mode access
  switchport access vlan 10
  mac-learning
  security forged-transmits accept
  no shutdown
  state enabled
"""


@pytest.mark.rules("S-247", "S-252")
@BOTH_WAYS
def test_guests_within_the_guest_are_known_and_announced(scene: Roads) -> None:
    """Their switch outside learns the way to them although they themselves say nothing; to and fro."""
    scene.fabric.configure(NESTED)
    vm = new_vm(scene, "nested")
    inner = nested_in(vm)
    vm.says(scene.alpha, broadcast(inner))
    wait_until(lambda: scene.learned().get(inner.dotted) == [scene.slot(scene.alpha)], "the source has learned it")
    vm.prepare()
    assert vm.step(COMMIT).state == "done"
    for here, back in stations(scene):
        module, port = scene.slot(here), scene.port(here)
        wait_until(lambda module=module: scene.learned().get(inner.dotted) == [module], "only the target knows it")  # type: ignore[misc]
        wait_until(
            lambda port=port: scene.outside(inner) == {WEB_VLAN: port}, "the physical switch has heard of it from there"
        )  # type: ignore[misc]
        vm.moves(back.name)


TRUNKED = f"""\
port-profile type vethernet trunked
  switchport mode trunk
  switchport trunk allowed vlan {WEB_VLAN},{DB_VLAN}
  no shutdown
  state enabled
ip igmp snooping
"""


@pytest.mark.rules("S-247", "S-252")
@BOTH_WAYS
def test_a_trunk_is_announced_in_each_of_its_vlans_and_its_groups_follow(scene: Roads) -> None:
    scene.fabric.configure(TRUNKED)
    vm = new_vm(scene, "trunked")
    vm.says(scene.alpha, membership(vm.address, DB_VLAN))
    wait_until(
        lambda: listeners(scene) == [[scene.slot(scene.alpha), f"Veth{vm.veth}"]], "the source knows that it listens"
    )
    vm.prepare()
    assert vm.step(COMMIT).state == "done"
    for here, back in stations(scene):
        module, port = scene.slot(here), scene.port(here)
        found = {WEB_VLAN: port, DB_VLAN: port}
        wait_until(lambda found=found: scene.outside(vm.address) == found, "both VLANs have heard of it")  # type: ignore[misc]
        there = [[module, f"Veth{vm.veth}"]]
        wait_until(lambda there=there: listeners(scene) == there, "only the target has it in the group")  # type: ignore[misc]
        vm.moves(back.name)
    scene.fabric.configure("no ip igmp snooping")


GROUP = IPv4Address("239.1.2.3")


def membership(source: MacAddress, vlan: int) -> bytes:
    """An IGMPv2 report."""
    body = b"\x16\0\0\0" + GROUP.packed
    body = body[:2] + checksum(body).to_bytes(2, "big") + body[4:]
    packet = Ipv4(IPv4Address("10.0.0.99"), GROUP, 2, body).build()
    tag = b"\x81\x00" + vlan.to_bytes(2, "big")
    return bytes.fromhex("01005e010203") + source.octets + tag + b"\x08\x00" + packet.ljust(46, b"\0")


def listeners(scene: Roads) -> list[list[str]]:
    """Module and port of each that is in the group."""
    rows = map(str.split, scene.fabric.cli("show ip igmp snooping groups").splitlines())
    return [row[2:] for row in rows if row[:2] == [str(DB_VLAN), str(GROUP)]]


def stations(scene: Roads) -> list[tuple[Host, Host]]:
    """Where a VM of alpha's runs after each of its moves, and where it goes from there; twice where it is not the same
    in both directions."""
    there = [(scene.beta, scene.alpha), (scene.alpha, scene.beta)]
    return there if len(set(scene.engines)) > 1 else there[:1]


def nested_in(vm: Vm) -> MacAddress:
    """The address of a guest within that VM."""
    return MacAddress(b"\x06" + vm.address.octets[1:])


def broadcast(source: MacAddress, vlan: int = 0) -> bytes:
    tag = b"\x81\x00" + vlan.to_bytes(2, "big") if vlan else b""
    return b"\xff" * 6 + source.octets + tag + b"\x88\xb5" + bytes(46)


# ---- nobody said anything


def test_two_hosts_claim_it(vm: Vm, scene: Roads) -> None:
    """S-255: the one where it was plugged in last has it, whatever the other remembers."""
    scene.alpha.process.kill()
    assert vm.attach(scene.beta).state == AttachReply.FORWARDING
    scene.fabric.start_host(scene.alpha)
    vm.ends_on(scene.beta)


def test_its_announcement_is_enough(vm: Vm, scene: Roads) -> None:
    """S-246."""
    vm.prepare()
    vm.says(scene.beta, rarp(MacAddress.parse(vm.mac)))
    vm.ends_on(scene.beta)
    assert "(seen)" in scene.fabric.cli("show svs migration")


def test_any_frame_will_do_when_the_announcement_was_lost(vm: Vm, scene: Roads) -> None:
    vm.prepare()
    source = MacAddress.parse(vm.mac).octets
    vm.says(scene.beta, bytes.fromhex("020000009999") + source + b"\x08\x00" + bytes(46))
    vm.ends_on(scene.beta)


def test_a_forged_announcement_moves_nothing(vm: Vm, scene: Roads) -> None:
    """Of guests on either host that say they were the VM; nor does another name out of the VM's own NIC."""
    vm.prepare()
    near, far = new_vm(scene), new_vm(scene)
    far.prepare()
    assert far.step(COMMIT).state == "done"
    mine = MacAddress.parse(vm.mac)
    for liar, host in ((near, scene.alpha), (far, scene.beta)):
        liar.says(host, rarp(mine))
        liar.says(host, bytes.fromhex("020000009999") + mine.octets + b"\x08\x00" + bytes(46))
        wait_until(lambda liar=liar: liar.info.counters.drops_in["FORGED_TX"] >= 2, "it was seen through")  # type: ignore[misc]
    vm.says(scene.beta, rarp(MacAddress.parse(near.mac)))
    assert vm.state() == "prepared" and vm.owners() == ["alpha"]
    assert vm.step(CANCEL).state in ("cancelled", "done")
    vm.ends_on(scene.alpha)


FIFTY = 50


@pytest.mark.parametrize("scene", [*ENGINES, NIV[1], NIV[3]], indirect=True)
def test_fifty_at_once(scene: Roads) -> None:
    """While all of them talk: each has one owner in the end, and what it was and what it knew; and what was counted
    on both hosts together is what its NICs sent and received."""
    scene.fabric.configure(NESTED, "port-profile nested\n max-ports 200")
    with ThreadPoolExecutor(8) as pool:
        vms = list(pool.map(lambda _: new_vm(scene, "nested"), range(FIFTY)))
        list(pool.map(Vm.prepare, vms))
    numbers = {vm.veth for vm in vms}
    for vm in vms:
        vm.says(scene.alpha, broadcast(nested_in(vm)))
    before = scene.fabric.veths()
    with Chatter(scene, vms) as chatter:
        chatter.wait()

        def move(vm: Vm) -> str:
            chatter.place(vm, None)
            reply = vm.step(COMMIT)
            chatter.place(vm, scene.beta)
            return reply.state

        with ThreadPoolExecutor(FIFTY) as pool:
            assert set(pool.map(move, vms)) == {"done"}
        chatter.wait()
    after = scene.fabric.veths()
    for number in numbers:
        assert after[number].host == "beta" and after[number].generation > before[number].generation
        assert identity(after[number]) == identity(before[number])
    wait_until(lambda: forwarding(scene.beta, scene) >= numbers, "all forward on beta")
    wait_until(lambda: not forwarding(scene.alpha, scene) & numbers, "none does on alpha")
    wait_until(lambda: said_and_counted(scene, vms), "what they sent was counted, once")
    inner = {nested_in(vm).dotted: [scene.slot(scene.beta)] for vm in vms}
    wait_until(lambda: scene.learned().items() >= inner.items(), "the target knows the guests within them")
    if scene.lab:
        wait_until(lambda: heard_and_counted(scene, vms), "what they were sent is what was counted")


def identity(info: VethInfo) -> tuple[object, ...]:
    return info.veth, info.profile, info.mac, info.nic.vm, info.nic.index


def forwarding(host: Host, scene: Roads) -> set[int]:
    """Of the vEths."""
    ports = scene.fabric.status(host).ports
    return {
        int(port.name.removeprefix("Veth")) for port in ports if port.state == "FWD" and port.name.startswith("Veth")
    }


def said_and_counted(scene: Roads, vms: list[Vm]) -> bool:
    """Whether what each VM has sent is what its vEth received."""
    infos = scene.fabric.veths()
    return all(infos[vm.veth].counters.rx_frames == vm.said for vm in vms)


def heard_and_counted(scene: Roads, vms: list[Vm]) -> bool:
    """Whether what came to both NICs of each VM is what its vEth sent."""
    heard, infos = scene.heard(), scene.fabric.veths()
    return all(
        infos[vm.veth].counters.tx_frames
        == sum(heard[scene.guest_end(host, vm.number)] for host in (scene.alpha, scene.beta))
        for vm in vms
    )
