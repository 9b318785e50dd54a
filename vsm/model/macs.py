"""Virtual MAC addresses: whose range an address is from, making new ones, and who has which (S-260 to S-276).

The registry is the vEths, plugged in or not, and the leases: addresses of NICs that have no vEth yet, and the word that
an address was made here and may be replaced by another.  Nothing is ever given to two NICs.  Randomness is passed in.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import Enum
from random import Random
from uuid import UUID

from dvswitch.errors import Conflict, InvalidValue, NotFound
from dvswitch.mac import MacAddress
from vsm.model.state import MacLease, Nic, State

_PREFIX = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){0,4}")
_TRIES = 64
"""Random draws before a crowded pool is searched in order."""


# ---- ranges


class Range(Enum):
    """Where an address comes from, by its first octets; the value is what people read."""

    STANDALONE = "VMware stand-alone host"
    """S-260."""
    STATIC = "VMware static"
    """S-261."""
    MANAGER = "VMware manager"
    """S-262."""
    UNDOCUMENTED = "VMware, no documented use"
    """S-263: taken when an operator says so, never made."""
    OLD_VMWARE = "VMware, old"
    """S-264."""
    KVM = "QEMU-KVM"
    XEN = "Xen"
    HYPER_V = "Hyper-V"
    LOCAL = "locally administered"
    PHYSICAL = "physical NIC"
    """S-275."""


_OUIS = {
    "00:0c:29": Range.STANDALONE,
    "00:05:69": Range.OLD_VMWARE,
    "52:54:00": Range.KVM,
    "00:16:3e": Range.XEN,
    "00:15:5d": Range.HYPER_V,
}
_VMWARE = "00:50:56"


def classify(mac: MacAddress) -> Range:
    """The range of an address (S-260 to S-265, S-275)."""
    oui, fourth = str(mac)[:8], mac.octets[3]
    if oui == _VMWARE:
        return (Range.STATIC, Range.UNDOCUMENTED, Range.MANAGER, Range.UNDOCUMENTED)[fourth >> 6]
    if oui in _OUIS:
        return _OUIS[oui]
    return Range.LOCAL if mac.octets[0] & 2 else Range.PHYSICAL


def manager_id(mac: MacAddress) -> int | None:
    """Which central manager made the address: 0-63, its fourth octet less 0x80; None = none did (S-262)."""
    return mac.octets[3] - 0x80 if classify(mac) is Range.MANAGER else None


def check_prefix(text: str) -> str:
    """A pool's prefix of one to five octets in canonical form; InvalidValue unless it is for local use (S-266)."""
    prefix = text.lower().replace("-", ":")
    if not _PREFIX.fullmatch(prefix):
        raise InvalidValue(f"mac pool prefix {text}", "is not 1-5 octets", "write it as 52:54:00")
    if int(prefix[:2], 16) & 3 != 2:
        problem = "is not for local use: the first octet must be even and have bit 2 set (x2, x6, xa or xe)"
        raise InvalidValue(f"mac pool prefix {text}", problem, "use 52:54:00, or 02 and octets of your own")
    return prefix


def generate(prefix: str, taken: Collection[MacAddress], random: Random) -> MacAddress:
    """An address of the pool that nobody has (S-266); Conflict when all are taken."""
    head = bytes.fromhex(prefix.replace(":", ""))
    size = 6 - len(head)
    count = 1 << 8 * size

    def address(number: int) -> MacAddress:
        return MacAddress(head + number.to_bytes(size, "big"))

    for _ in range(_TRIES):
        found = address(random.randrange(count))
        if found not in taken:
            return found
    start = random.randrange(count)
    for step in range(min(count, len(taken) + 1)):
        found = address((start + step) % count)
        if found not in taken:
            return found
    raise Conflict(f"mac pool {prefix}", f"all {count} addresses are taken", "set a shorter 'mac pool prefix'")


# ---- who has what


def taken(state: State) -> set[MacAddress]:
    """Every address that a NIC has, plugged in or not."""
    veths, leases = state.inventory.veths.values(), state.inventory.mac_leases.values()
    return {veth.mac for veth in veths} | {lease.mac for lease in leases}


def owner(state: State, mac: MacAddress, other_than: Nic) -> str:
    """Who else has the address, in words; "" = nobody.  A kept address of a copy does not own it (S-270)."""
    octets, key = mac.octets, other_than.key
    for veth in state.inventory.veths.values():
        if veth.mac.octets == octets and veth.nic.key != key:
            return f"vethernet {veth.number}, {nic_text(veth.nic)}"
    for lease in state.inventory.mac_leases.values():
        if lease.mac.octets == octets and not lease.duplicate and lease.nic.key != key:
            return nic_text(lease.nic)
    return ""


def nic_text(nic: Nic) -> str:
    """A NIC in the operator's words."""
    return f"NIC {nic.index} of VM {nic.vm}"


def lease_of(state: State, nic: Nic) -> MacLease | None:
    """What the registry says about a NIC: its lease, else its vEth's address as given by hand."""
    if lease := state.inventory.mac_leases.get(nic.key):
        return lease
    veths = [veth for veth in state.inventory.veths.values() if veth.nic.key == nic.key]
    veth = min(veths, key=lambda veth: (veth.slot is None, veth.number), default=None)
    return MacLease(veth.nic, veth.mac) if veth else None


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the registry."""

    lease: MacLease
    veth: int = 0
    """0: the NIC has none yet."""
    slot: int | None = None
    """Where it is plugged in."""


def registry(state: State) -> list[Entry]:
    """Every address and its NIC, by address; of a duplicate the owner first."""
    inventory = state.inventory
    entries = []
    for veth in inventory.veths.values():
        lease = inventory.mac_leases.get(veth.nic.key)
        automatic = lease is not None and lease.automatic and lease.mac == veth.mac
        entries.append(Entry(MacLease(veth.nic, veth.mac, automatic), veth.number, veth.slot))
    placed = {(entry.lease.nic.key, entry.lease.mac) for entry in entries}
    entries += [Entry(lease) for key, lease in inventory.mac_leases.items() if (key, lease.mac) not in placed]
    return sorted(entries, key=lambda entry: (entry.lease.mac, entry.lease.duplicate, entry.lease.nic.key))


def entry_of(state: State, nic: Nic) -> Entry:
    """The registry's line of a NIC; NotFound if it has none.  (One with several vEths: the one that is plugged in.)"""
    found = [entry for entry in registry(state) if entry.lease.nic.key == nic.key]
    if not found:
        raise NotFound(nic_text(nic), "has no MAC address", "allocate one, or attach it")
    return min(found, key=lambda entry: (entry.slot is None, not entry.veth))


def released(state: State, nic: Nic) -> State:
    """Give up the address of a NIC that was never attached; Conflict for one that has a vEth, which keeps it."""
    entry = entry_of(state, nic)
    if entry.veth:
        remedy = f"detach the NIC and remove the interface with 'no interface vethernet {entry.veth}'"
        raise Conflict(nic_text(nic), f"has vethernet {entry.veth}", remedy)
    return given_back(state, nic)


def allocated(state: State, nic: Nic, random: Random, wish: MacAddress | None = None) -> State:
    """Give a NIC an automatic address, unless it has one.

    ``wish`` is what it had before (S-273): kept if it is free, replaced by a new one if another NIC has it (S-268).
    """
    if lease_of(state, nic):
        return state
    if wish is None or owner(state, wish, nic):
        wish = generate(state.config.mac_prefix, taken(state), random)
    return _leased(state, MacLease(nic, wish, automatic=True))


def reserved(state: State, nic: Nic, mac: MacAddress) -> State:
    """Register an address that was chosen by hand, for a NIC that is not plugged in yet.

    InvalidValue if no NIC may have it (S-267), Conflict if another NIC has it (S-268).
    """
    MacAddress.station(str(mac))
    check_free(state, nic, mac)
    known = lease_of(state, nic)
    if known and known.mac == mac and not known.duplicate:
        return state
    return _leased(state, MacLease(nic, mac))


def check_free(state: State, nic: Nic, mac: MacAddress) -> None:
    """Conflict naming the owner if another NIC has the address, plugged in or not (S-268)."""
    if found := owner(state, mac, nic):
        raise Conflict(
            f"MAC address {mac} of {nic_text(nic)}",
            f"belongs to {found}",
            "choose another address, or remove that interface if it is no longer used",
        )


def taken_up(state: State, nic: Nic, mac: MacAddress) -> State:
    """The NIC has come with this (free) address: its lease follows."""
    lease = state.inventory.mac_leases.get(nic.key)
    if lease is None or (lease.mac == mac and not lease.duplicate and lease.nic == nic):
        return state
    return _leased(state, MacLease(nic, mac, automatic=lease.automatic and lease.mac == mac))


def given_back(state: State, nic: Nic) -> State:
    """The NIC is gone for good: its lease ends."""
    leases = {key: lease for key, lease in state.inventory.mac_leases.items() if key != nic.key}
    return replace(state, inventory=replace(state.inventory, mac_leases=leases))


def _leased(state: State, lease: MacLease) -> State:
    leases = {**state.inventory.mac_leases, lease.nic.key: lease}
    return replace(state, inventory=replace(state.inventory, mac_leases=leases))


# ---- copies and moves of virtual machines


class Answer(Enum):
    """What somebody said to "did you move this VM, or copy it?"."""

    UNATTENDED = 0
    """Nobody said anything: as COPIED, which is safe (S-272)."""
    COPIED = 1
    """Also a clone and a restore beside the original (S-270, S-276)."""
    MOVED = 2
    """S-271."""


@dataclass(frozen=True, slots=True)
class Machine:
    """A virtual machine by name and, where its manager gives one, UUID."""

    name: str
    uuid: str = ""

    def owns(self, nic: Nic) -> bool:
        """Whether the NIC is one of this machine's."""
        if self.uuid and nic.vm_uuid:
            return nic.vm_uuid == self.uuid
        return not self.uuid and nic.vm == self.name

    @property
    def text(self) -> str:
        """As messages name it."""
        return f"VM {self.name or self.uuid}"


def duplicated(
    state: State, source: Machine, target: Machine, answer: Answer, random: Random
) -> tuple[State, list[MacLease]]:
    """A VM has appeared that was made from another: give its NICs their addresses, before they are plugged in.

    Copied: a new UUID and new automatic addresses; those chosen by hand are kept, marked as duplicates while the
    original has them (S-270).  Moved: everything is kept, under the new name if there is one (S-271).  NotFound if no
    NIC of the source is known; Conflict if the copy's NICs are known already.
    """
    nics = _nics(state, source)
    if not nics:
        raise NotFound(source.text, "has no NIC that is known", "allocate or attach its NICs first")
    if answer is Answer.MOVED:
        state = _renamed(state, source, target.name or nics[0].vm)
        kept = [lease_of(state, nic) for nic in _nics(state, Machine(target.name or nics[0].vm, nics[0].vm_uuid))]
        return state, [lease for lease in kept if lease]
    uuid = target.uuid or str(UUID(int=random.getrandbits(128), version=4))
    copy = Machine(target.name or nics[0].vm, uuid)
    if _nics(state, copy):
        raise Conflict(copy.text, f"has NICs already under UUID {uuid}", "leave its UUID out to get a new one")
    made = []
    for nic in nics:
        state, lease = _copied(state, nic, replace(nic, vm=copy.name, vm_uuid=uuid, adapter=""), random)
        made.append(lease)
    return state, made


def _copied(state: State, nic: Nic, new: Nic, random: Random) -> tuple[State, MacLease]:
    known = lease_of(state, nic)
    assert known is not None
    if known.automatic:
        lease = MacLease(new, generate(state.config.mac_prefix, taken(state), random), automatic=True)
    else:
        lease = MacLease(new, known.mac, duplicate=True)
    return _leased(state, lease), lease


def _nics(state: State, machine: Machine) -> list[Nic]:
    """The machine's NICs by index."""
    inventory = state.inventory
    known = [*(lease.nic for lease in inventory.mac_leases.values()), *(veth.nic for veth in inventory.veths.values())]
    return [nic for _, nic in sorted({nic.index: nic for nic in known if machine.owns(nic)}.items())]


def _renamed(state: State, machine: Machine, name: str) -> State:
    """The machine's NICs under another name; Conflict if that is taken by a machine without UUID."""
    inventory = state.inventory
    if machine.uuid == "" and name != machine.name and _nics(state, Machine(name)):
        raise Conflict(f"VM {name}", "has NICs already", "choose another name")
    veths = {
        number: replace(veth, nic=replace(veth.nic, vm=name)) if machine.owns(veth.nic) else veth
        for number, veth in inventory.veths.items()
    }
    leases = [
        replace(lease, nic=replace(lease.nic, vm=name)) if machine.owns(lease.nic) else lease
        for lease in inventory.mac_leases.values()
    ]
    by_key = {lease.nic.key: lease for lease in leases}
    return replace(state, inventory=replace(inventory, veths=veths, mac_leases=by_key))
