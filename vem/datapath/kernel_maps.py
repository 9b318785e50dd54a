"""The kernel engine's tables: values of image.py in the maps of src/kernel_maps.h.

A configuration takes effect by one store: policies go to slots that the one in force does not use, then the other
bank's index, teams and control are written, then the bank flips.  A frame is judged by one bank from end to end, so
slots of the bank before are free for reuse only after every frame then in flight is through (an RCU grace period).
Port entries are edited in place, by aligned stores in an order that never shows a port in a state between two.
"""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from dvswitch.mac import MacAddress
from vem.datapath import abi, events, feature_bits, libbpf, tables
from vem.datapath.counted import Counted
from vem.datapath.engine import EngineError, ListChanges
from vem.datapath.groups import GroupNumbers, VifListNumbers
from vem.datapath.image import Control, Counters, Group, Image, LearnedMac, Policy, Port, Team
from vem.datapath.watch import LastDrop

SHARED = [
    "dvs_bank",
    "dvs_control",
    "dvs_ports",
    "dvs_policy_index",
    "dvs_policies",
    "dvs_teams",
    "dvs_macs",
    "dvs_lists",
    "dvs_spied",
    "dvs_groups",
    "dvs_vifs",
    "dvs_live",
    "dvs_counters",
    "dvs_ifindex",
    "dvs_nics",
    "dvs_punts",
    "dvs_punt_rates",
    "dvs_last_drops",
]
"""The maps that are pinned."""

_U32 = 4
_PORT_WORDS = abi.ffi.sizeof("struct dvs_port") // 8
_NO_EXIST = 1
"""BPF_NOEXIST."""
_CLOSED = sum(abi.CONSTANTS[f"DVS_PORT_{name}"] for name in ("BLOCKED", "MOVED", "FORWARD"))
_PORT_USED, _PORT_PEER = abi.CONSTANTS["DVS_PORT_USED"], abi.CONSTANTS["DVS_PORT_PEER"]
_PORT_OWNS_MAC = abi.CONSTANTS["DVS_PORT_OWNS_MAC"]
_SLOTS = abi.CONSTANTS["DVS_POLICY_SLOTS"]
_NO_TEAM = b"\xff" * abi.ffi.sizeof("struct dvs_team")  # more uplinks than a team can have: the pipeline finds none
_VIF_LISTS = range(tables.list_key("VIFS", 0), tables.list_key("VIFS", abi.CONSTANTS["DVS_MAX_VIF_LISTS"]))
_FIRST_GROUP = tables.list_key("GROUP", 0)
_SPIES = range(tables.list_key("PROMISCUOUS", 0), tables.list_key("PROMISCUOUS", 4096))
_STORM_KINDS = abi.CONSTANTS["DVS_STORM_KINDS"]
_PORT_USED = abi.CONSTANTS["DVS_PORT_USED"]
_EVICT = 1024
_MEMBARRIER_GLOBAL = 1
_SYS_MEMBARRIER = {"x86_64": 324, "aarch64": 283}.get(os.uname().machine, 324)
_libc = ctypes.CDLL(None, use_errno=True)


def _key(number: int) -> bytes:
    return number.to_bytes(_U32, "little")


def _number(data: bytes) -> int:
    return int.from_bytes(data[:_U32], "little")


def wait_for_frames() -> None:
    """Return when every frame now in the pipeline has left it."""
    if _libc.syscall(_SYS_MEMBARRIER, _MEMBARRIER_GLOBAL, 0, 0):  # a grace period of the kernel's RCU
        time.sleep(0.1)  # a kernel without it: a frame takes less than a millisecond


class Tables:
    """All tables of one switch."""

    def __init__(self, maps: Mapping[str, libbpf.Map]) -> None:
        self._maps = maps
        self._bank_memory = maps["dvs_bank"].map_memory()
        self._port_memory = maps["dvs_ports"].map_memory()
        self._bank: Any = abi.ffi.from_buffer("uint32_t[]", self._bank_memory)
        self._ports: Any = abi.ffi.from_buffer("struct dvs_port[]", self._port_memory)
        self._live_memory = maps["dvs_live"].map_memory()
        self._live: Any = abi.ffi.from_buffer("struct dvs_live[]", self._live_memory)
        self._port_words: Any = abi.ffi.from_buffer("uint64_t[]", self._port_memory)
        self._in_force = self._config()
        self._slots = self._index()
        self._groups = GroupNumbers({group: key - _FIRST_GROUP for group, key in self._group_keys().items()})
        self._vif_lists = VifListNumbers(self._vif_list_numbers())
        self._capturing = False
        self._counted = Counted()
        self._renew_control()
        self._straight: set[int] = set()
        self._set_owners(self.ports())
        self._spied = {key for key in map(_number, self._maps["dvs_lists"].each_key()) if key in _SPIES}
        self._told_spied: set[int] | None = None
        self._tell_spied()
        self._drained = False
        """No frame is left that came in under the bank that is not in force."""

    def close(self) -> None:
        """Unmap; the tables stay."""
        for view in (self._bank, self._ports, self._port_words, self._live):
            abi.ffi.release(view)
        self._bank_memory.close()
        self._port_memory.close()
        self._live_memory.close()

    def features(self) -> int:
        """What a program needs for the tables as they are."""
        control, policies, teams = self._in_force
        wanted = feature_bits.of_config(control, policies.values(), teams.values())
        for port in self.ports().values():
            wanted |= feature_bits.of_port(port)
        return wanted

    # --- control, policies, teams -------------------------------------------------------------------------------
    def set_config(self, control: Control, policies: Mapping[int, Policy], teams: Mapping[int, Team]) -> None:
        """Replace it all at one instant; nothing is changed on EngineError."""
        packed = {number: tables.pack_policy(policy) for number, policy in policies.items()}
        packed_teams = {number: tables.pack_team(team) for number, team in teams.items()}
        _check_range("policy", packed, abi.MAX_POLICIES)
        _check_range("team", packed_teams, abi.MAX_TEAMS)
        wanted = (control, dict(policies), dict(teams))
        if wanted == self._in_force:
            return
        if not self._drained:
            wait_for_frames()
        bank = 1 - self._bank[0]
        control_entry = tables.pack_control(control, bank, policies.values(), teams.values())
        slots = self._place(packed)
        base = bank * abi.MAX_POLICIES
        self._maps["dvs_policy_index"].update_many(
            {_key(base + number): _key(slots.get(number, -1) + 1) for number in range(abi.MAX_POLICIES)}
        )
        base = bank * abi.MAX_TEAMS
        self._maps["dvs_teams"].update_many(
            {_key(base + number): packed_teams.get(number, _NO_TEAM) for number in range(abi.MAX_TEAMS)}
        )
        self._maps["dvs_control"].update(_key(bank), tables.with_capture(control_entry, self._capturing))
        self._bank[0] = bank
        self._in_force, self._slots, self._drained = wanted, slots, False

    def set_capture(self, on: bool) -> None:
        """Whether frames are captured; the bank in force keeps all else."""
        if on != self._capturing:
            self._capturing = on
            self._renew_control()

    def _renew_control(self) -> None:
        """Write the entry in force as this version of the program wants it: without the capture of an earlier agent,
        which has nobody to take it, and with flags that an earlier version did not know."""
        control, policies, teams = self._in_force
        bank = self._bank[0]
        entry = tables.pack_control(control, bank, policies.values(), teams.values())
        entry = tables.with_capture(entry, self._capturing)
        if entry != self._maps["dvs_control"].get(_key(bank)):
            self._maps["dvs_control"].update(_key(bank), entry)

    def _place(self, packed: Mapping[int, bytes]) -> dict[int, int]:
        """A slot for each policy: the one that holds it already, or a fresh one that is written now."""
        at = {tables.pack_policy(self._in_force[1][number]): slot for number, slot in self._slots.items()}
        free = iter(sorted(set(range(_SLOTS)) - set(self._slots.values())))
        fresh: dict[bytes, bytes] = {}
        for policy in packed.values():
            if policy not in at:
                at[policy] = next(free)
                fresh[_key(at[policy])] = policy
        self._maps["dvs_policies"].update_many(fresh)
        return {number: at[policy] for number, policy in packed.items()}

    def _index(self) -> dict[int, int]:
        """Slot of each policy of the bank in force."""
        base = self._bank[0] * abi.MAX_POLICIES
        entries = ((_number(key) - base, _number(value)) for key, value in self._maps["dvs_policy_index"].items())
        return {number: slot - 1 for number, slot in entries if slot and 0 <= number < abi.MAX_POLICIES}

    def _config(self) -> tuple[Control, dict[int, Policy], dict[int, Team]]:
        bank = self._bank[0]
        control = self._maps["dvs_control"].get(_key(bank))
        index = self._index()
        held = dict(self._maps["dvs_policies"].items()) if index else {}
        policies = {number: tables.unpack_policy(held[_key(slot)]) for number, slot in sorted(index.items())}
        base = bank * abi.MAX_TEAMS
        entries = ((_number(key) - base, value) for key, value in self._maps["dvs_teams"].items() if value != _NO_TEAM)
        teams = {number: tables.unpack_team(value) for number, value in entries if 0 <= number < abi.MAX_TEAMS}
        assert control is not None
        return tables.unpack_control(control), policies, teams

    # --- ports --------------------------------------------------------------------------------------------------
    def set_port(self, lport: int, port: Port | None, ifindex: int) -> None:
        """Write or remove a port's entry."""
        old = self.port(lport)
        new = tables.pack_port(port, ifindex, self._own_flags(lport, port))
        words = [int.from_bytes(new[at : at + 8], "little") for at in range(0, len(new), 8)]
        entry = self._ports[lport]
        if old and (port is None or (old.mac, old.number, old.uplink) != (port.mac, port.number, port.uplink)):
            entry.flags = 0  # another port from here on: out of use while it changes
        if port and port.blocked and old and entry.flags:
            # Where its frames go from now on is said in the same instant, or one on its way would be lost.
            entry.flags |= words[0] & _CLOSED
        base = lport * _PORT_WORDS
        for at in range(1, _PORT_WORDS):
            self._port_words[base + at] = words[at]
        entry.ifindex = ifindex
        entry.flags = words[0] & 0xFFFFFFFF
        self._name_vif(lport, old, port)

    def _name_vif(self, lport: int, old: Port | None, new: Port | None) -> None:
        """Whose a VIF is: first the new one, then the old one not any more, unless somebody else has it by now."""
        before, after = (tables.vif_key(p.link, p.vif) if p and p.vif and p.link else None for p in (old, new))
        vifs = self._maps["dvs_vifs"]
        if after is not None:
            vifs.update(_key(after), _key(lport))
        if before is not None and before != after and vifs.get(_key(before)) == _key(lport):
            vifs.delete(_key(before))

    def set_ifindex(self, lport: int, ifindex: int) -> None:
        """Which NIC the port sends by; 0 = none."""
        self._ports[lport].ifindex = ifindex

    def _own_flags(self, lport: int, port: Port | None) -> int:
        """Flags that only the kernel engine has."""
        entry = self._maps["dvs_macs"].get(tables.pack_mac_key(port.mac)) if port else None
        owns = entry is not None and tables.unpack_mac(entry)[0] == lport
        return (_PORT_PEER if lport in self._straight else 0) | (_PORT_OWNS_MAC if owns else 0)

    def _set_owners(self, lports: Iterable[int]) -> None:
        """Whether these ports have the static entries of their own MACs."""
        for lport in lports:
            entry = self._ports[lport]
            if entry.flags:
                owns = self._own_flags(lport, self.port(lport)) & _PORT_OWNS_MAC
                entry.flags = entry.flags & ~_PORT_OWNS_MAC | owns

    def set_straight(self, lport: int, on: bool) -> None:
        """Whether frames may go straight to the other end of the port's veth."""
        (self._straight.add if on else self._straight.discard)(lport)
        flags = self._ports[lport].flags
        wanted = flags | _PORT_PEER if on and flags else flags & ~_PORT_PEER
        if wanted != flags:
            self._ports[lport].flags = wanted

    def straight(self, lport: int) -> bool:
        """Whether they do."""
        return bool(self._ports[lport].flags & _PORT_PEER)

    def port(self, lport: int) -> Port | None:
        """A port's entry."""
        return tables.unpack_port(bytes(abi.ffi.buffer(abi.ffi.addressof(self._ports, lport))))

    def ports(self) -> dict[int, Port]:
        """All entries in use."""
        found = ((lport, self.port(lport)) for lport in range(1, abi.MAX_PORTS) if self._ports[lport].flags)
        return {lport: port for lport, port in found if port}

    def lports(self) -> list[int]:
        """Those of the entries in use."""
        return [lport for lport in range(1, abi.MAX_PORTS) if self._ports[lport].flags & _PORT_USED]

    def name_nic(self, ifindex: int, lport: int) -> None:
        """Frames of that NIC are the port's."""
        self._maps["dvs_ifindex"].update(_key(ifindex), _key(lport))
        self._maps["dvs_nics"].update(_key(ifindex % abi.MAX_PORTS), _key(lport) + _key(ifindex))

    def forget_nic(self, ifindex: int) -> None:
        """Frames of that NIC are nobody's."""
        at = _key(ifindex % abi.MAX_PORTS)
        named = self._maps["dvs_nics"].get(at)
        if named and _number(named[_U32:]) == ifindex:
            self._maps["dvs_nics"].update(at, bytes(2 * _U32))
        self._maps["dvs_ifindex"].delete(_key(ifindex))

    # --- MAC table ----------------------------------------------------------------------------------------------
    def set_static_macs(self, entries: Mapping[MacAddress, int | None]) -> None:
        """Write and remove; a table full of learned entries gives way."""
        macs = self._maps["dvs_macs"]
        losers = self._owners(entries)
        for loser in losers:
            self._ports[loser].flags &= ~_PORT_OWNS_MAC
        self._write_macs(macs, entries)
        self._set_owners(losers | {lport for lport in entries.values() if lport})

    def _owners(self, macs: Iterable[MacAddress]) -> set[int]:
        """Ports that have one of these as their own."""
        held = (self._maps["dvs_macs"].get(tables.pack_mac_key(mac)) for mac in macs)
        return {tables.unpack_mac(entry)[0] for entry in held if entry is not None}

    def _write_macs(self, macs: libbpf.Map, entries: Mapping[MacAddress, int | None]) -> None:
        macs.delete_many([tables.pack_mac_key(mac) for mac, lport in entries.items() if lport is None])
        for mac, lport in entries.items():
            if lport is None:
                continue
            try:
                macs.update(tables.pack_mac_key(mac), tables.pack_mac(lport))
            except EngineError:
                self.forget(sorted(self.learned(), key=lambda entry: -entry.age)[:_EVICT])
                macs.update(tables.pack_mac_key(mac), tables.pack_mac(lport))

    def _macs(self) -> Iterable[tuple[MacAddress, int, int, bool, int]]:
        return tables.unpack_macs(*self._maps["dvs_macs"].dump())

    def learned(self) -> list[LearnedMac]:
        """The learned part."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        return [
            LearnedMac(mac, vlan, lport, max(0, now - seen) / 1e9)
            for mac, vlan, lport, static, seen in self._macs()
            if not static
        ]

    def remember(self, macs: Iterable[LearnedMac]) -> None:
        """Enter learned addresses that are not known yet, and put them on the ports' counts."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        for entry in macs:
            key = tables.pack_mac_key(entry.mac, entry.vlan)
            with suppress(EngineError):  # known meanwhile, or the table is full
                self._maps["dvs_macs"].update(key, tables.pack_mac(entry.lport, static=False, seen=now), _NO_EXIST)
                live = self._live[entry.lport]
                live.forgotten = (live.forgotten - 1) & 0xFFFFFFFF

    def forget(self, macs: Iterable[LearnedMac]) -> None:
        """Remove learned entries, and take them off the ports' counts.  (One that moves to another port in the very
        instant of its removal may be taken off the wrong one.)"""
        for entry in macs:
            value = self._maps["dvs_macs"].take(tables.pack_mac_key(entry.mac, entry.vlan))
            if value is not None:
                live = self._live[tables.unpack_mac(value)[0]]
                live.forgotten = (live.forgotten + 1) & 0xFFFFFFFF

    def learned_counts(self) -> dict[int, int]:
        """As the datapath counts them."""
        counts = {
            lport: (self._live[lport].learned - self._live[lport].forgotten) & 0xFFFFFFFF
            for lport in range(abi.MAX_PORTS)
        }
        return {lport: count for lport, count in counts.items() if count}

    # --- member lists and groups --------------------------------------------------------------------------------
    def set_members(self, members: ListChanges, unknown: ListChanges, promiscuous: ListChanges) -> None:
        """Replace lists whole.  Each batch waits for a grace period (some ms), however many lists it has."""
        kinds = (("ALL", members), ("UNKNOWN", unknown), ("PROMISCUOUS", promiscuous))
        self._set_lists(
            {
                tables.list_key(kind, vlan): self._packed(lports)
                for kind, lists in kinds
                for vlan, lports in lists.items()
            }
        )

    def _packed(self, lports: tuple[int, ...] | None) -> bytes | None:
        return tables.pack_members(self._vif_lists.to_table(lports)) if lports else None

    def set_vif_lists(self, lists: Mapping[tuple[int, int], tuple[int, ...] | None]) -> None:
        """As groups; an empty list is one, too."""
        keys = {vif_list: _key(tables.vif_list_key(*vif_list)) for vif_list in lists}
        gone = {vif_list: self._vif_lists.give_back(vif_list) for vif_list, lports in lists.items() if lports is None}
        self._maps["dvs_vifs"].delete_many([keys[vif_list] for vif_list in gone])
        wanted: dict[int, bytes | None]
        wanted = {tables.list_key("VIFS", number): None for number in gone.values() if number is not None}
        entries = {}
        for vif_list, lports in lists.items():
            if lports is not None:
                key = tables.list_key("VIFS", self._vif_lists.take(vif_list))
                wanted[key] = tables.pack_members(lports, *vif_list)
                entries[keys[vif_list]] = _key(key)
        self._set_lists(wanted)
        self._maps["dvs_vifs"].update_many(entries)

    def _vif_list_numbers(self) -> dict[tuple[int, int], int]:
        keys = [key for key in map(_number, self._maps["dvs_lists"].each_key()) if key in _VIF_LISTS]
        held = self._lists(keys).items()
        return {vif_list: key - _VIF_LISTS.start for key, value in held for vif_list in tables.vif_lists([value])}

    def set_groups(self, groups: Mapping[Group, tuple[int, ...] | None]) -> None:
        """A group's list is there before the group is, and goes after it."""
        gone = {group: self._groups.give_back(group) for group, lports in groups.items() if lports is None}
        self._maps["dvs_groups"].delete_many([tables.pack_group(group) for group in gone])
        wanted: dict[int, bytes | None]
        wanted = {tables.list_key("GROUP", number): None for number in gone.values() if number is not None}
        entries = {}
        for group, lports in groups.items():
            if lports is not None:
                key = tables.list_key("GROUP", self._groups.take(group))
                wanted[key] = self._packed(lports)
                entries[tables.pack_group(group)] = _key(key)
        self._set_lists(wanted)
        self._maps["dvs_groups"].update_many(entries)

    def _group_keys(self) -> dict[Group, int]:
        """Key of each group's list."""
        return {tables.unpack_group(key): _number(value) for key, value in self._maps["dvs_groups"].items()}

    def _set_lists(self, wanted: Mapping[int, bytes | None]) -> None:
        packed = {number: value for number, value in wanted.items() if value}
        held = self._lists(wanted)
        fresh = {number: value for number, value in packed.items() if held.get(number) != value}
        self._spied |= {number for number in packed if number in _SPIES}
        self._tell_spied()
        lists = self._maps["dvs_lists"]
        made: dict[bytes, int] = {}
        try:
            for number, value in fresh.items():
                made[_key(number)] = libbpf.new_array("dvs_members", value)
            lists.update_many({key: _key(fd) for key, fd in made.items()})
        finally:
            for fd in made.values():
                os.close(fd)
        lists.delete_many([_key(number) for number in wanted if number not in packed])
        self._spied -= {number for number in wanted if number not in packed}
        self._tell_spied()
        self._drained = self._drained or bool(made)  # the kernel has waited for the frames that used the old lists

    def _tell_spied(self) -> None:
        """Tell the pipeline which VLANs have a list of promiscuous ports: told before there is one, untold after."""
        if self._spied != self._told_spied:
            words = tables.pack_vlans(number - _SPIES.start for number in self._spied)
            self._maps["dvs_spied"].update_many({_key(number): word for number, word in enumerate(words)})
            self._told_spied = set(self._spied)

    def _lists(self, numbers: Iterable[int]) -> dict[int, bytes]:
        """What lists hold now, by key."""
        found = {}
        for number in numbers:
            inner = self._maps["dvs_lists"].get(_key(number))
            value = libbpf.array_value(_number(inner)) if inner else None
            if value is not None:
                found[number] = value
        return found

    # --- reading back -------------------------------------------------------------------------------------------
    def image(self) -> Image:
        """Everything but learned MACs."""
        control, policies, teams = self._config()
        held = self._lists(_number(key) for key in self._maps["dvs_lists"].each_key())
        unpack, to_image = tables.unpack_members, self._vif_lists.to_image
        lists = {number: to_image(unpack(value)) for number, value in sorted(held.items())}
        return Image(
            control=control,
            ports=self.ports(),
            policies=policies,
            teams=teams,
            static_macs={mac: lport for mac, _, lport, static, _ in self._macs() if static},
            members=tables.split_lists(lists, "ALL"),
            unknown_members=tables.split_lists(lists, "UNKNOWN"),
            promiscuous_members=tables.split_lists(lists, "PROMISCUOUS"),
            groups={group: lists.get(key, ()) for group, key in self._group_keys().items()},
            vif_lists=tables.vif_lists(held.values()),
        )

    # --- counters -----------------------------------------------------------------------------------------------
    def counters(self, lports: Iterable[int]) -> dict[int, Counters]:
        """Counters of these ports, summed over CPUs."""
        # One by one: reading all thousand of them in one system call takes seven times as long as two hundred do.
        counters = self._maps["dvs_counters"]
        found = ((lport, counters.get(_key(lport))) for lport in sorted(set(lports)))
        return {lport: self._counted.of(lport, value) for lport, value in found if value is not None}

    def clear_counters(self, lport: int) -> None:
        """Back to zero."""
        counters = self._maps["dvs_counters"]
        counters.update(_key(lport), bytes(counters.value_bytes))
        for kind in range(_STORM_KINDS):
            self._live[lport].storm[kind] = 0
        self._live[lport].held = self._live[lport].released = 0
        self._live[lport].gated = self._live[lport].passed = 0
        drops = self._maps["dvs_last_drops"]
        drops.delete_many([key for key in drops.each_key() if _number(key) & 0xFFFF == lport])

    def last_drops(self, lports: Iterable[int] | None) -> list[LastDrop]:
        """By lport, then newest first."""
        wanted = None if lports is None else set(lports)
        entries = ((_number(key), value) for key, value in self._maps["dvs_last_drops"].items())
        found = (events.last_drop(key, value) for key, value in entries if wanted is None or key & 0xFFFF in wanted)
        return sorted(found, key=lambda drop: (drop.lport, -drop.time))


def _check_range(what: str, numbers: Iterable[int], limit: int) -> None:
    for number in numbers:
        if not 0 <= number < limit:
            raise EngineError(f"{what} {number}", f"is out of range 0-{limit - 1}")
