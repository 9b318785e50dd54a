"""The networks in which QEMU migrates a real guest between two hosts while it is talked to (test_live_migration.py).

    guest - host "alpha" == network == host "beta"          outside - network
      \\____ hub (Linux bridges that learn nothing) ____/     inside - host "alpha"; both are on the hub, too

The network is a Linux bridge, or a VIS to which one or both of the hosts leave the switching.  A bridge may be *slow*:
it goes on sending to the guest's old host until it is told otherwise, and the hosts have a way of their own to pass
that on.

Outside and inside ask the guest at the same instants by the switch and by the hub, where there is nothing to be handed
over: the hub is the control run.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dvswitch.mac import MacAddress
from dvswitch.v1.manager_pb2 import VethInfo
from tests.e2e.scenes import BASICS, WEB, WEB_VLAN
from tests.support.fabric import Fabric, Host, home, tap, veth
from tests.support.lookout import Lookout, Sighting
from tests.support.netns import Lab, Namespace
from tests.support.packets import FrameSocket
from tests.support.processes import PATIENCE
from tests.support.silence import BY_PACKET, PORT, note_inside, program
from tests.support.vis import Vis, set_mode, vis
from tests.vm.qemu import Guest, TapNic

MAC, ADDRESS = "52:54:00:00:00:01", "10.0.0.1"
HUB_MAC, HUB_ADDRESS = "52:54:00:00:09:01", "10.9.0.1"
OCTETS = MacAddress.parse(MAC).octets
INSIDE_MAC, INSIDE, OUTSIDE = "02:00:00:00:10:01", "10.0.0.2", "10.0.0.3"
HUB_INSIDE, HUB_OUTSIDE = "10.9.0.2", "10.9.0.3"
ECHO = "/tmp/echo"
RARP, ARP = b"\x80\x35", b"\x08\x06"
ARP_BYTES, TAGGED_LEAST = 42, 60 - 6
TALK = 20
"""Questions that show that the guest is talked to."""
STRAY, EVERYBODY = b"a frame for the guest where it is not", b"a frame for everybody from outside"
VNTAG_MTU = 1600
FLAT = """\
port-profile type ethernet FLAT
  switchport mode access
  switchport access vlan 10
  no shutdown
  state enabled
"""
"""Outside is a plain machine."""
FORWARD = f"""\
port-profile type vethernet {WEB}
  mobility forward 5
"""
MOBILITY = {"alpha": "192.0.2.1", "beta": "192.0.2.2"}


@dataclass(frozen=True)
class Network:
    """What is between the hosts."""

    niv: tuple[str, ...] = ()
    """Hosts in mode NIV; with any there is a VIS."""
    slow: bool = False
    """A bridge that has to be told where the guest is, and hosts that forward meanwhile."""


@dataclass
class Scene:
    """The hosts and the guest, wherever it is."""

    path: Path
    fabric: Fabric
    hosts: dict[str, Host]
    at_network: Network
    network: Namespace
    inside: Namespace
    outside: Namespace
    guest: Guest
    veth: int
    vis: Vis | None
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

    def waited(self, *guests: Guest) -> float:
        """Seconds that the daemons, or these guests, have waited for a processor so far."""
        daemons = [self.fabric.vsm, *(host.process for host in [*self.hosts.values(), *filter(None, [self.vis])])]
        pids = [guest.pid for guest in guests] if guests else [daemon.pid for daemon in daemons]
        tasks = [task for pid in pids for task in Path(f"/proc/{pid}/task").glob("*/schedstat")]
        return sum(int(task.read_text().split()[1]) for task in tasks) / 1e9

    # ---- where the guest is

    def heard_from(self, host: str, after: float, before: float = float("inf")) -> float:
        """When the network first knew, within that time, that the guest is on a host; 0: not yet.

        A host that switches makes itself heard on its cable.  From behind a VIS nothing needs to be heard: it has
        frames for the guest sent there.
        """
        at_vis = host in self.at_network.niv
        eye = self.taps[host] if at_vis else self.eyes[host]

        def shows(frame: Sighting) -> bool:
            return frame.leaving and BY_PACKET in frame.head if at_vis else not frame.leaving and is_guests(frame.head)

        return next((frame.time for frame in tuple(eye.seen) if after < frame.time < before and shows(frame)), 0.0)

    def first_word(self, host: str, after: float) -> float:
        """When the guest, or QEMU for it, first said something on a host; never: infinity."""
        frames = tuple(self.taps[host].seen)
        return next((f.time for f in frames if f.time > after and not f.leaving and is_guests(f.head)), float("inf"))

    def padding(self, *, leaving: bool) -> int:
        """Bytes that were added to frames to, or from, the guest between its tap and its VIF, where they are counted: a
        cable takes no frame, tag included, of less than 60.  (What came to the VIS by such a cable was padded before.)
        """
        taps = [self.taps[name] for name in self.at_network.niv]
        found = [frame for tap in taps for frame in tap.seen if frame.leaving == leaving and frame.head[12:14] == ARP]
        if not leaving:
            return sum(TAGGED_LEAST - frame.octets for frame in found)
        behind_cable = MacAddress.parse(INSIDE_MAC).octets if "alpha" in self.at_network.niv else b""
        return sum(frame.octets - ARP_BYTES for frame in found if frame.head[6:12] != behind_cable)

    def bring_to(self, host: str) -> None:
        """A slow bridge hears of the guest's place: what it has for it goes there from now on."""
        if self.at_network.slow:
            self.network.run(*f"bridge fdb replace {MAC} dev {host} master sticky static".split())

    def stray(self, cable: str) -> None:
        """Frames for the guest, and for everybody, come to the host where it is not yet."""
        source = MacAddress.parse("02:00:00:00:0b:e2").octets
        with FrameSocket(self.network, cable) as link:
            for destination in (OCTETS, b"\xff" * 6):
                link.send((destination + source + b"\x88\xb5" + STRAY).ljust(60, b"\0"))
        with FrameSocket(self.outside, "eth0") as link:
            link.send((b"\xff" * 6 + source + b"\x88\xb5" + EVERYBODY).ljust(60, b"\0"))


def worth_keeping(head: bytes) -> bool:
    """What is looked for: questions, whatever shows where the guest is, and what is too short for a cable."""
    found = BY_PACKET in head or is_guests(head) or head[12:14] == ARP
    return found or STRAY[:20] in head or EVERYBODY[:20] in head


def is_guests(head: bytes) -> bool:
    return head[6:12] == OCTETS


def space_of(host: Host) -> Namespace:
    assert host.where is not None
    return host.where


def make_guest(where: Namespace, incoming: bool = False) -> Guest:
    nics = [TapNic(MAC, "tap0", f"{ADDRESS}/24"), TapNic(HUB_MAC, "tap1", f"{HUB_ADDRESS}/24")]
    return Guest("vm", nics, where=where, files={ECHO: program().read_bytes()}, incoming=incoming)


@contextmanager
def two_hosts(at_network: Network) -> Iterator[Scene]:
    """Everything up, the guest on alpha."""
    with Lab() as lab, home() as path, Fabric(path) as fabric, ExitStack() as stack:
        names = ("alpha", "beta", "network", "hub", "inside", "outside")
        spaces = {name: lab.namespace(name) for name in names}
        _cable(lab, spaces, at_network)
        fabric.configure(*BASICS, FLAT, *([FORWARD] if at_network.slow else []))
        found = _switch(lab, fabric, spaces["network"], at_network, stack)
        hosts = {name: _host(fabric, name, spaces[name], at_network) for name in MOBILITY}
        alpha, network, inside, outside = hosts["alpha"], spaces["network"], spaces["inside"], spaces["outside"]
        fabric.attach_forwarding(alpha, "inside", mac=INSIDE_MAC, profile=WEB, plug=veth("in0"))
        number = fabric.attach_forwarding(alpha, "vm", mac=MAC, profile=WEB, plug=tap("tap0"))
        # A superframe that a tap can't take is cut in pieces after it was counted: with such nothing could be compared.
        outside.run("ethtool", "-K", "eth0", "tso", "off", "gso", "off")
        places = {"alpha": (network, "alpha"), "beta": (network, "beta"), "outside": (outside, "eth0")}
        places |= {"inside": (inside, "eth0")} | {f"{name} tap": (spaces[name], "tap0") for name in hosts}
        eyes = {name: stack.enter_context(Lookout(*place, worth_keeping)) for name, place in places.items()}
        guest = make_guest(spaces["alpha"])
        scene = Scene(path, fabric, hosts, at_network, network, inside, outside, guest, number, found, eyes=eyes)
        stack.callback(lambda: scene.guest.stop())
        guest.start()
        guest.wait_ready()
        guest.run(f"chmod +x {ECHO}; {ECHO} serve {PORT} > /dev/null 2>&1 &")
        yield scene
        fabric.check_accounts(some_left=True, counted_here=not at_network.niv)


def _cable(lab: Lab, spaces: dict[str, Namespace], at_network: Network) -> None:
    """All links, and the hub."""
    network, hub = spaces["network"], spaces["hub"]
    for name in MOBILITY:
        space = spaces[name]
        lab.veth(space, "up0", network, name, mtu=VNTAG_MTU if at_network.niv else 0)
        lab.veth(space, "hub0", hub, name)
        for device in ("tap0", "tap1"):
            lab.tap(space, device)
        space.run("ip", "link", "set", "tap1", "txqueuelen", "2")  # what waits there while nobody reads is stale
        _repeater(lab, space, "hub0", "tap1")
    if at_network.slow:
        lab.veth(spaces["alpha"], "mob0", spaces["beta"], "mob0", peer_address=f"{MOBILITY['beta']}/24")
        spaces["alpha"].run("ip", "address", "add", f"{MOBILITY['alpha']}/24", "dev", "mob0")
    lab.veth(network, "out", spaces["outside"], "eth0", peer_address=f"{OUTSIDE}/24")
    lab.veth(spaces["alpha"], "in0", spaces["inside"], "eth0", peer_mac=INSIDE_MAC, peer_address=f"{INSIDE}/24")
    for name, address in (("inside", HUB_INSIDE), ("outside", HUB_OUTSIDE)):
        lab.veth(hub, name, spaces[name], "eth1", peer_address=f"{address}/24")
    _repeater(lab, hub, *MOBILITY, "inside", "outside")


def _repeater(lab: Lab, where: Namespace, *members: str) -> None:
    """A Linux bridge that learns nothing."""
    lab.bridge(where, "hub", *members)
    where.run("ip", "link", "set", "hub", "type", "bridge", "ageing_time", "0")


def _switch(lab: Lab, fabric: Fabric, network: Namespace, at_network: Network, stack: ExitStack) -> Vis | None:
    """What joins the cables; None: a bridge."""
    if not at_network.niv:
        lab.bridge(network, "br0", *MOBILITY, "out")
        return None
    kinds = ["mode=niv" if name in at_network.niv else "mode=trunk,allowed=1-4094" for name in MOBILITY]
    ports = [
        f"{number},device={name},{kind}" for number, (name, kind) in enumerate(zip(MOBILITY, kinds, strict=True), 1)
    ]
    ports.append(f"3,device=out,mode=access,vlan={WEB_VLAN}")
    return stack.enter_context(vis(fabric, "vis1", "kernel", ports, network))


def _host(fabric: Fabric, name: str, where: Namespace, at_network: Network) -> Host:
    """Up, and in its mode."""
    profile = "UPLINK" if at_network.niv else "FLAT"
    options = ["--mobility", MOBILITY[name]] if at_network.slow else []
    uplink = [f"1,profile={profile},device=up0"]
    host = fabric.add_host(name, "kernel", where=where, uplinks=uplink, options=options)
    if name in at_network.niv:
        set_mode(fabric, host, "niv")
    return host
