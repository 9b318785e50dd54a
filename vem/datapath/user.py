"""The user engine: the pipeline as a thread of this process, for hosts without root and for modelled switches.

UserEngine moves values between image.py and the C side (src/user.c); the forwarding thread is C from end to end and
holds no GIL.  kernel.py is the other engine behind the same interface.
"""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dvswitch.mac import MacAddress
from vem.datapath import events, feature_bits, tables
from vem.datapath.abi import CONSTANTS, LISTS, MAX_GROUPS, MAX_MACS, MAX_POLICIES, MAX_PORTS, MAX_TEAMS, VLAN_ANY
from vem.datapath.counted import Counted
from vem.datapath.engine import NO_LISTS, Engine, EngineError, ListChanges, Plug
from vem.datapath.groups import GroupNumbers, VifListNumbers
from vem.datapath.image import (
    Control,
    CopyFate,
    Counters,
    Fate,
    Group,
    Image,
    LearnedMac,
    Policy,
    Port,
    PuntedFrame,
    Team,
)
from vem.datapath.native import load
from vem.datapath.native_nic import Nic, open_nic
from vem.datapath.watch import Capture, CapturedFrame, CaptureState, LastDrop, Trace

_TRACE_COPIES = CONSTANTS["DVS_TRACE_COPIES"]
_DROP_RECORDS = 2 * CONSTANTS["DVS_DROP_SLOTS"]
_FRAME_MAX = 65600


class UserEngine(Engine):
    """One switch; the constructor starts its thread, close() ends it.  EngineError if the native part is not built."""

    kind = "user"
    prompt = True

    def __init__(self, library: Path | None = None) -> None:
        """``library``: another build of the native part, to measure it."""
        self._ffi, self._lib = load(library)
        self._engine = self._lib.dvs_new()
        if self._engine == self._ffi.NULL:
            raise EngineError("user engine", "out of memory or file descriptors")
        self.incarnation = uuid.uuid4().hex
        self._groups = GroupNumbers({})
        self._vif_lists = VifListNumbers({})
        self._plugs: dict[int, Plug] = {}
        self._nics: dict[int, Nic] = {}
        self._counted = Counted()
        self._closed = False
        self._asked = feature_bits.Asked(lambda features: self._lib.dvs_set_features(self._engine, features))
        self._thread = threading.Thread(target=self._lib.dvs_run, args=(self._engine,), name="dvs-user", daemon=True)
        self._thread.start()

    # --- NICs -----------------------------------------------------------------------------------------------
    def plug(self, lport: int, plug: Plug) -> None:
        """Open the NIC and watch it; raises EngineError naming the device or wire."""
        if self._plugs.get(lport) == plug:
            return
        if lport in self._plugs:
            raise EngineError(f"lport {lport}", "something else is plugged there", "unplug it first")
        nic = open_nic(plug)
        try:
            self._check(
                f"lport {lport}", self._lib.dvs_plug(self._engine, lport, nic.kind, nic.fd, nic.peer, len(nic.peer))
            )
        except EngineError:
            nic.close()
            raise
        self._plugs[lport], self._nics[lport] = plug, nic

    def unplug(self, lport: int) -> None:
        """Stop and close; a tap or unix socket that plug() made goes away."""
        nic = self._nics.pop(lport, None)
        self._plugs.pop(lport, None)
        if nic is not None:
            self._lib.dvs_unplug(self._engine, lport)
            nic.close()

    def plugged(self) -> Mapping[int, Plug]:
        """A copy."""
        return dict(self._plugs)

    def link_up(self, lport: int) -> bool:
        """False also when nothing is plugged."""
        nic = self._nics.get(lport)
        return nic is not None and nic.link_up()

    def emit(self, lport: int, frame: bytes) -> None:
        """Sent at once; not counted."""
        self._check(f"lport {lport}", self._lib.dvs_emit(self._engine, lport, frame, len(frame)))

    # --- tables ---------------------------------------------------------------------------------------------
    def set_config(self, control: Control, policies: Mapping[int, Policy], teams: Mapping[int, Team]) -> None:
        """Swapped in between two batches of frames."""
        arguments = (
            self._in("struct dvs_control", tables.pack_control(control, 0, policies.values(), teams.values())),
            len(policies),
            self._ffi.new("__u32[]", list(policies)),
            self._in("struct dvs_policy", b"".join(map(tables.pack_policy, policies.values()))),
            len(teams),
            self._ffi.new("__u32[]", list(teams)),
            self._in("struct dvs_team", b"".join(map(tables.pack_team, teams.values()))),
        )
        with self._asked.writing("configuration", feature_bits.of_config(control, policies.values(), teams.values())):
            self._check("policies and teams", self._lib.dvs_set_config(self._engine, *arguments))

    def set_port(self, lport: int, port: Port | None) -> None:
        """lport 1..1023."""
        entry = self._in("struct dvs_port", tables.pack_port(port))
        with self._asked.writing(lport, feature_bits.of_port(port)):
            self._check(f"lport {lport}", self._lib.dvs_set_port(self._engine, lport, entry))

    def set_static_macs(self, entries: Mapping[MacAddress, int | None]) -> None:
        """EngineError when the table is full; entries before that one are in."""
        keys = self._ffi.new("__u64[]", [tables.mac_key(mac) for mac in entries])
        packed = {lport: tables.pack_mac(lport or 0) for lport in set(entries.values())}
        values = self._in("struct dvs_mac", b"".join(packed[lport] for lport in entries.values()))
        self._check("MAC table", self._lib.dvs_set_macs(self._engine, len(entries), keys, values))

    def set_members(self, members: ListChanges, unknown: ListChanges, promiscuous: ListChanges = NO_LISTS) -> None:
        """Each list by one pointer swap."""
        for kind, lists in (("ALL", members), ("UNKNOWN", unknown), ("PROMISCUOUS", promiscuous)):
            for vlan, lports in lists.items():
                self._check(f"VLAN {vlan}", self._set_list(tables.list_key(kind, vlan), self._packed(lports)))

    def set_groups(self, groups: Mapping[Group, tuple[int, ...] | None]) -> None:
        """A group's list is there before the group is, and goes after it."""
        for group, lports in groups.items():
            subject, packed = f"multicast group in VLAN {group.vlan}", tables.pack_group(group)
            key = self._in("struct dvs_group_key", packed)
            if lports is None:
                self._check(subject, self._lib.dvs_set_group(self._engine, key, 0))
            number = self._groups.give_back(group) if lports is None else self._groups.take(group)
            if number is None:
                continue
            at = tables.list_key("GROUP", number)
            self._check(subject, self._set_list(at, self._packed(lports)))
            if lports is not None:
                self._check(subject, self._lib.dvs_set_group(self._engine, key, at))

    def set_vif_lists(self, lists: Mapping[tuple[int, int], tuple[int, ...] | None]) -> None:
        """As groups."""
        for (link, vif), lports in lists.items():
            subject, key = f"VIF list {vif} of lport {link}", tables.vif_list_key(link, vif)
            if lports is None:
                self._check(subject, self._lib.dvs_set_vif_list(self._engine, key, 0))
            number = (self._vif_lists.give_back if lports is None else self._vif_lists.take)((link, vif))
            if number is None:
                continue
            at = tables.list_key("VIFS", number)
            packed = None if lports is None else tables.pack_members(lports, link, vif)
            self._check(subject, self._set_list(at, packed))
            if lports is not None:
                self._check(subject, self._lib.dvs_set_vif_list(self._engine, key, at))

    def image(self) -> Image:
        """From the C side's own tables, not from what was written."""
        control = self._ffi.new("struct dvs_control *")
        self._lib.dvs_get_control(self._engine, control)
        raw_lists = self._read_lists()
        lists = {key: self._vif_lists.to_image(tables.unpack_members(raw)) for key, raw in raw_lists.items()}
        members, unknown, promiscuous = (tables.split_lists(lists, kind) for kind in ("ALL", "UNKNOWN", "PROMISCUOUS"))
        macs = self._read_macs()
        return Image(
            control=tables.unpack_control(self._out(control)),
            ports={k: port for k, raw in self._read("ports", MAX_PORTS) if (port := tables.unpack_port(raw))},
            policies={k: tables.unpack_policy(raw) for k, raw in self._read("policies", MAX_POLICIES)},
            teams={k: tables.unpack_team(raw) for k, raw in self._read("teams", MAX_TEAMS)},
            static_macs={mac: lport for mac, vlan, lport, _ in macs if vlan == VLAN_ANY},
            members=members,
            unknown_members=unknown,
            promiscuous_members=promiscuous,
            groups={group: lists.get(key, ()) for group, key in self._read_groups()},
            vif_lists=tables.vif_lists(raw_lists.values()),
        )

    # --- what the datapath saw ------------------------------------------------------------------------------
    def learned(self) -> list[LearnedMac]:
        """Ages are in seconds since the MAC was last seen, exact to a second."""
        now = self._lib.dvs_clock()
        return [
            LearnedMac(mac, vlan, lport, max(0, now - seen) / 1e9)
            for mac, vlan, lport, seen in self._read_macs()
            if vlan != VLAN_ANY
        ]

    def remember(self, macs: Iterable[LearnedMac]) -> None:
        """See Engine."""
        for entry in macs:
            self._lib.dvs_remember(self._engine, tables.mac_key(entry.mac, entry.vlan), entry.lport)

    def forget(self, macs: Iterable[LearnedMac]) -> None:
        """An entry that has moved to another port since is kept."""
        for entry in macs:
            self._lib.dvs_forget(self._engine, tables.mac_key(entry.mac, entry.vlan), entry.lport)

    def learned_counts(self) -> dict[int, int]:
        """Exact at any instant."""
        live = self._ffi.new("struct dvs_live[]", MAX_PORTS)
        self._lib.dvs_get_live(self._engine, live)
        size = self._ffi.sizeof("struct dvs_live")
        raw = self._out(live)
        counts = {lport: tables.learned_count(raw[lport * size : (lport + 1) * size]) for lport in range(MAX_PORTS)}
        return {lport: count for lport, count in counts.items() if count}

    def counters(self, lports: Iterable[int] | None = None) -> dict[int, Counters]:
        """Each port's counters are consistent in themselves."""
        if lports is None:
            lports = [lport for lport, _ in self._read("ports", MAX_PORTS)]
        raw = self._ffi.new("struct dvs_counters *")
        result = {}
        for lport in lports:
            self._check(f"lport {lport}", self._lib.dvs_get_counters(self._engine, lport, raw))
            result[lport] = self._counted.of(lport, self._ffi.buffer(raw))
        return result

    def clear_counters(self, lport: int) -> None:
        """Back to zero."""
        self._check(f"lport {lport}", self._lib.dvs_clear_counters(self._engine, lport))

    def punted(self) -> list[PuntedFrame]:
        """At most 512 wait."""
        event = self._ffi.new("struct dvs_event *")
        found = []
        while self._lib.dvs_next_punt(self._engine, event) == 0:
            found.append(events.punted(self._ffi.buffer(event)))
        return found

    def event_fd(self) -> int:
        """An eventfd."""
        return int(self._lib.dvs_punt_fd(self._engine))

    def punts_lost(self) -> int:
        """Over all ports."""
        return int(self._lib.dvs_lost_punts(self._engine))

    def test(self, lport: int, frame: bytes, gso: int = 0) -> Fate:
        """At most 64 copies are told; all are counted."""
        trace = self._ffi.new("struct dvs_trace *")
        lengths = self._ffi.new("__u32[]", _TRACE_COPIES)
        room = _TRACE_COPIES * (len(frame) + _FRAME_MAX // 1000)
        frames = self._ffi.new("__u8[]", room)
        result = self._lib.dvs_test(self._engine, lport, frame, len(frame), gso, trace, lengths, frames, room)
        self._check(f"lport {lport}", result)
        return Fate(tables.drop_name(trace.in_reason), self._copies(trace, lengths, self._out(frames)))

    def trace(self, lport: int, frame: bytes, gso: int = 0) -> Trace:
        """At most 64 copies are told."""
        trace = self._ffi.new("struct dvs_trace *")
        result = self._lib.dvs_trace_frame(self._engine, lport, frame, len(frame), gso, trace)
        self._check(f"lport {lport}", result)
        return events.trace(self._ffi.buffer(trace))

    def capture(self, capture: Capture | None) -> None:
        """At most 4096 frames wait to be taken."""
        wanted = self._in("struct dvs_capture", events.pack_capture(capture)) if capture else self._ffi.NULL
        with self._asked.writing("capture", feature_bits.bits("capture") if capture else feature_bits.NONE):
            self._check("capture", self._lib.dvs_set_capture(self._engine, wanted))

    def captured(self) -> list[CapturedFrame]:
        """In order of time."""
        event = self._ffi.new("struct dvs_event *")
        found = []
        while self._lib.dvs_next_capture(self._engine, event) == 0:
            found.append(events.captured(self._ffi.buffer(event)))
        return found

    def capture_fd(self) -> int:
        """An eventfd."""
        return int(self._lib.dvs_capture_fd(self._engine))

    def capture_state(self) -> CaptureState:
        """See Engine."""
        capture = self._ffi.new("struct dvs_capture *")
        self._lib.dvs_get_capture(self._engine, capture)
        return events.capture_state(self._ffi.buffer(capture))

    def last_drops(self, lports: Iterable[int] | None = None) -> list[LastDrop]:
        """See Engine."""
        keys = self._ffi.new("__u32[]", _DROP_RECORDS)
        drops = self._ffi.new("struct dvs_last_drop[]", _DROP_RECORDS)
        found = []
        for lport in range(MAX_PORTS) if lports is None else sorted(set(lports)):
            n = self._lib.dvs_get_last_drops(self._engine, lport, keys, drops, _DROP_RECORDS)
            at = [(keys[i], self._ffi.buffer(self._ffi.addressof(drops, i))) for i in range(n)]
            found += [events.last_drop(key, drop) for key, drop in at]
        return sorted(found, key=lambda drop: (drop.lport, -drop.time))

    # --- frames by hand (memory ports) ----------------------------------------------------------------------
    def inject(self, lport: int, frame: bytes, gso: int = 0) -> None:
        """As if it had come from ``lport``; delivered for real before this returns."""
        self._check(f"lport {lport}", self._lib.dvs_inject(self._engine, lport, frame, len(frame), gso))

    def take(self, lport: int) -> bytes | None:
        """The oldest frame delivered to a memory port, or None."""
        buffer = self._ffi.new("__u8[]", _FRAME_MAX)
        length = self._lib.dvs_take(self._engine, lport, buffer, _FRAME_MAX)
        return self._out(buffer)[:length] if length >= 0 else None

    def set_clock(self, seconds: float | None) -> None:
        """Tests: the pipeline's clock stands at this time (above 0); None lets it run again."""
        self._lib.dvs_set_clock(self._engine, 0 if seconds is None else round(seconds * 1e9))

    def built_features(self) -> int:
        """Which features (feature_bits.py) are in the code that forwards frames now: all that the tables ask for, and
        what else is in that build."""
        return int(self._lib.dvs_get_features(self._engine))

    def bench(self, lport: int, frames: list[bytes], rounds: int) -> float:
        """Nanoseconds per frame through pipeline and queues, in batches as from a NIC; receivers are memory ports."""
        lengths = self._ffi.new("__u32[]", [len(frame) for frame in frames])
        total = self._lib.dvs_bench(self._engine, lport, b"".join(frames), lengths, len(frames), rounds)
        return float(total) / (len(frames) * rounds)

    # --- life -----------------------------------------------------------------------------------------------
    def close(self, keep: bool = False) -> None:
        """Stop the thread and free everything; ``keep`` changes nothing, the engine can't run without its process."""
        if self._closed:
            return
        self._closed = True
        self._lib.dvs_stop(self._engine)
        self._thread.join()
        for lport in list(self._plugs):
            self.unplug(lport)
        self._lib.dvs_free(self._engine)

    # --- to and from C --------------------------------------------------------------------------------------
    def _in(self, kind: str, data: bytes) -> Any:
        return self._ffi.from_buffer(f"{kind}[]", data)

    def _out(self, value: Any) -> bytes:
        return bytes(self._ffi.buffer(value))

    def _check(self, subject: str, result: int) -> None:
        if result < 0:
            raise EngineError(subject, os.strerror(-result).lower())

    def _packed(self, lports: tuple[int, ...] | None) -> bytes | None:
        return None if lports is None else tables.pack_members(self._vif_lists.to_table(lports))

    def _set_list(self, key: int, packed: bytes | None) -> int:
        members = self._ffi.NULL if packed is None else self._in("struct dvs_members", packed)
        return int(self._lib.dvs_set_list(self._engine, key, members))

    def _read(self, table: str, room: int) -> Iterable[tuple[int, bytes]]:
        """(index, struct) of all entries of a table."""
        kind = {"ports": "dvs_port", "policies": "dvs_policy", "teams": "dvs_team"}[table]
        ids = self._ffi.new("__u32[]", room)
        entries = self._ffi.new(f"struct {kind}[]", room)
        n = getattr(self._lib, f"dvs_get_{table}")(self._engine, ids, entries, room)
        return [(ids[i], self._out(self._ffi.addressof(entries, i))) for i in range(n)]

    def _read_macs(self) -> list[tuple[MacAddress, int, int, int]]:
        """(MAC, VLAN, lport, seen) of all entries."""
        room = min(MAX_MACS, self._lib.dvs_count_macs(self._engine) + 1000)  # some may be learned meanwhile
        keys = self._ffi.new("__u64[]", room)
        entries = self._ffi.new("struct dvs_mac[]", room)
        n = self._lib.dvs_get_macs(self._engine, keys, entries, room)
        held = tables.unpack_macs(
            self._out(keys)[: n * 8], self._out(entries)[: n * self._ffi.sizeof("struct dvs_mac")]
        )
        return [(mac, vlan, lport, seen) for mac, vlan, lport, _, seen in held]

    def _read_lists(self) -> dict[int, bytes]:
        """struct dvs_members by key."""
        keys = self._ffi.new("__u32[]", LISTS)
        raw = self._ffi.new("struct dvs_members *")
        lists = {}
        for i in range(self._lib.dvs_get_lists(self._engine, keys, LISTS)):
            if self._lib.dvs_get_list(self._engine, keys[i], raw) == 0:
                lists[keys[i]] = self._out(raw)
        return lists

    def _read_groups(self) -> list[tuple[Group, int]]:
        """(group, key of its list)."""
        keys = self._ffi.new("struct dvs_group_key[]", MAX_GROUPS)
        lists = self._ffi.new("__u32[]", MAX_GROUPS)
        n = self._lib.dvs_get_groups(self._engine, keys, lists, MAX_GROUPS)
        return [(tables.unpack_group(self._out(self._ffi.addressof(keys, i))), lists[i]) for i in range(n)]

    def _copies(self, trace: Any, lengths: Any, frames: bytes) -> tuple[CopyFate, ...]:
        copies, at = [], 0
        for i in range(min(trace.n, _TRACE_COPIES)):
            copy = trace.copy[i]
            frame = frames[at : at + lengths[i]]
            copies.append(
                CopyFate(copy.lport, tables.drop_name(copy.reason), frame, link=copy.link, shared=bool(copy.shared))
            )
            at += lengths[i]
        return tuple(copies)
