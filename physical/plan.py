"""What the lab is made of: its hosts, its configuration, and the guests that are plugged in first."""

from __future__ import annotations

from dataclasses import dataclass

from dvswitch.errors import NotFound

HOSTS = ("vem1", "vem2")
SWITCH = "sw1"
SUPERVISOR = "vsm"
BROKER = "broker"
UPLINK_PROFILE = "uplink"

PROFILES = (
    "vlan 10",
    "name web",
    "vlan 20",
    "name db",
    "port-profile type ethernet uplink",
    "switchport mode trunk",
    "switchport trunk allowed vlan 1,10,20",
    "no shutdown",
    "state enabled",
    "port-profile type vethernet web",
    "switchport mode access",
    "switchport access vlan 10",
    "no shutdown",
    "state enabled",
    "port-profile type vethernet db",
    "switchport mode access",
    "switchport access vlan 20",
    "no shutdown",
    "state enabled",
)


@dataclass(frozen=True, slots=True)
class GuestPlan:
    """A guest as it is first started."""

    name: str
    number: int
    """1-254: last byte of its addresses."""
    host: str
    profile: str

    @property
    def mac(self) -> str:
        """Its NIC's address."""
        return f"52:54:00:00:00:{self.number:02x}"

    @property
    def address(self) -> str:
        """Its IPv4 address; all guests share one network, so that only VLANs part them."""
        return f"10.0.0.{self.number}"


GUESTS = (
    GuestPlan("web1", 1, "vem1", "web"),
    GuestPlan("web2", 2, "vem2", "web"),
    GuestPlan("db1", 3, "vem1", "db"),
)


@dataclass(frozen=True, slots=True)
class Network:
    """A lab's hosts and guests."""

    hosts: tuple[str, ...]
    """Each with one uplink, to the physical switch's port of the same place in this list."""
    guests: tuple[GuestPlan, ...]
    niv: tuple[str, ...] = ()
    """Hosts that are to be in mode NIV; with any the physical switch is a VIS, a module of the supervisor."""

    def check_host(self, name: str) -> None:
        """NotFound when there is none called so."""
        if name not in self.hosts:
            raise NotFound(f"host {name}", "does not exist", f"choose {' or '.join(self.hosts)}")


PLAIN = Network(HOSTS, GUESTS)
NIV = Network(
    ("vem1", "vem2", "vem3"),
    (
        GuestPlan("web1", 1, "vem1", "web"),
        GuestPlan("web2", 2, "vem1", "web"),
        GuestPlan("web3", 3, "vem2", "web"),
        GuestPlan("web4", 4, "vem3", "web"),
        GuestPlan("web5", 5, "vem1", "web"),
        GuestPlan("db1", 6, "vem2", "db"),
    ),
    niv=("vem1", "vem2"),
)
"""`dvs lab --niv`: two hosts that only tag, one that switches, all on one VIS."""
