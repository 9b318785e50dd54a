"""The kernel engine: the pipeline as a tc program that goes on forwarding when this process is gone.

KernelEngine puts together what its parts do: libbpf.py loads, kernel_program.py with the features that the tables ask
for (feature_bits.py), bpffs.py keeps, kernel_maps.py holds the tables, kernel_attach.py, kernel_nic.py and
kernel_peer.py deal with NICs, kernel_trace.py reads test runs.  user.py is the other engine.

All ports of one engine are in one network namespace: a tc program sends to NICs of its own namespace only.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import time
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path

import structlog

from dvswitch.mac import MacAddress
from vem.datapath import bpffs, feature_bits, kernel_nic, kernel_program, libbpf
from vem.datapath.abi import ABI_VERSION, MAX_PORTS
from vem.datapath.engine import NO_LISTS, Engine, EngineError, ListChanges, Plug
from vem.datapath.image import Control, Counters, Fate, Group, Image, LearnedMac, Policy, Port, PuntedFrame, Team
from vem.datapath.kernel_attach import Attachments, Method, Note, visiting
from vem.datapath.kernel_events import Captures, Punts
from vem.datapath.kernel_maps import SHARED, Tables
from vem.datapath.kernel_peer import Peers
from vem.datapath.kernel_program import PROGRAM, Programs
from vem.datapath.kernel_trace import Tracer
from vem.datapath.watch import Capture, CapturedFrame, CaptureState, LastDrop, Trace

_log = structlog.get_logger(__name__)

_BACKLOG = Path("/proc/sys/net/core/netdev_max_backlog")
_COPIES_PER_PORT = 4

SHED_SECONDS = 20.0
"""How long a feature stays in the program that no table asks for any more: edits come in bursts."""

_KINDS = ("tap", "veth", "raw")


class KernelEngine(Engine):
    """One switch of this host.  Made by open()."""

    kind = "kernel"

    def __init__(
        self, directory: Path, lock: int, program: Path, method: Method | None, loaded: libbpf.Object | None
    ) -> None:
        """``loaded``: the program without any feature, if it is at hand."""
        self._directory = directory
        self._lock = lock
        self._method = method
        self._maps = libbpf.open_maps(directory, SHARED)
        self._tables = Tables(self._maps)
        features = self._tables.features()
        if loaded is None or features:
            loaded = kernel_program.load(program, directory, features)
        self._programs = Programs(loaded, program, directory, features)
        self._punts = Punts(self._maps)
        self._captures = Captures(self._programs.kept)
        self._attachments = Attachments(directory, self._programs.live, method)
        self._peers = Peers(self._tables.set_straight)
        self._packets: socket.socket | None = None
        self._hinted = False
        self._unused_since: float | None = None
        self.incarnation = bpffs.read_note(directory / "incarnation") or ""

    @classmethod
    def open(
        cls,
        name: str,
        root: str = "/sys/fs/bpf/dvswitch",
        *,
        method: Method | None = None,
        program: Path = PROGRAM,
    ) -> KernelEngine:
        """The engine of the switch ``name``: what an earlier agent left running, with its tables, ports and counters,
        now under the program of this installation; or a new one.

        ``method``: force "tcx" or "clsact"; by default the better one that this kernel has.  EngineError if another
        process holds it, or the kernel refuses.
        """
        if not name or "." in name or "/" in name:
            raise EngineError(f"kernel engine {name!r}", "the name can't be a directory of the BPF file system")
        home = Path(root, name)
        bpffs.ensure_mounted(home)
        try:
            home.mkdir(parents=True, exist_ok=True)
            lock = bpffs.lock(home)
        except OSError as error:
            raise EngineError(f"kernel engine {name}", f"{home}: {error.strerror}", "run as root") from error
        try:
            return cls._open(home, lock, program, method)
        except BaseException:
            os.close(lock)
            raise

    @classmethod
    def _open(cls, home: Path, lock: int, program: Path, method: Method | None) -> KernelEngine:
        directory = home / f"v{ABI_VERSION}"
        loaded = None
        if not directory.is_dir():
            loaded = _create(home, directory, program)
        elif not all((directory / name).exists() for name in SHARED):  # an earlier version of this ABI had fewer
            loaded = kernel_program.load(program, directory, feature_bits.NONE)
        engine = cls(directory, lock, program, method, loaded)
        engine._adopt()
        _remove_others(home, directory)
        return engine

    def _adopt(self) -> None:
        """Take over the NICs of a predecessor, with this installation's program.  What it left half plugged, because it
        died meanwhile, is plugged now; a NIC that can't be had any more stays noted until it is unplugged."""
        self._attachments.load()
        for lport, note in self._attachments.notes.items():
            try:
                self._swap_one(lport, self._programs.live)
            except EngineError as problem:
                _log.error("NIC keeps its old program", lport=lport, device=note.plug.device, reason=str(problem))
            else:
                self._tables.name_nic(note.ifindex, lport)
                self._tables.set_ifindex(lport, note.ifindex)
                self._follow_peer(lport, note)
        self._peers.flooded(set(self._tables.ports()))

    def _follow_peer(self, lport: int, note: Note) -> None:
        if note.plug.kind != "veth":
            return
        with visiting(note) as here:
            if here and kernel_nic.ifindex(note.plug.device) == note.ifindex:
                self._peers.add(lport, note.ifindex, time.monotonic())

    # --- NICs -----------------------------------------------------------------------------------------------
    def plug(self, lport: int, plug: Plug) -> None:
        """See Engine.  A tap that is not there is made; the NIC is set up, its IPv6 silenced and, if "raw", promiscuous
        until it is unplugged.  A NIC that vanished and came back may be plugged again as it was."""
        self._check_plug(lport, plug)
        notes = self._attachments.notes
        with kernel_nic.inside(plug.netns):
            if lport in notes:
                if notes[lport].plug == plug and self._attachments.alive(lport):
                    return
                self._unplug_vanished(lport, plug)
            changed = kernel_nic.prepare(plug.device, plug.kind)
            ifindex = kernel_nic.ifindex(plug.device)
            try:
                self._tables.name_nic(ifindex, lport)
                self._attachments.attach(lport, plug, ifindex, changed)
            except EngineError:
                self._abandon(lport, plug.device, ifindex, changed)
                raise
        self._tables.set_ifindex(lport, ifindex)
        self._follow_peer(lport, notes[lport])
        self._hint_backlog()

    def _check_plug(self, lport: int, plug: Plug) -> None:
        if not 0 < lport < MAX_PORTS:
            raise EngineError(f"lport {lport}", f"is out of range 1-{MAX_PORTS - 1}")
        if plug.kind not in _KINDS:
            raise EngineError(
                f"lport {lport}", f"the kernel engine can't plug a {plug.kind}", f"use {', '.join(_KINDS)}"
            )
        namespace = kernel_nic.namespace_id(plug.netns)
        for other, note in self._attachments.notes.items():
            if other != lport and note.namespace != namespace:
                raise EngineError(
                    f"NIC {plug.device}",
                    f"is in another network namespace than NIC {note.plug.device}",
                    "all ports of a kernel engine must be in one; move the NIC, or run an engine in that namespace",
                )
            if other != lport and note.plug.device == plug.device and kernel_nic_alive(note.ifindex, plug):
                raise EngineError(f"NIC {plug.device}", f"is plugged already, as lport {other}")

    def _unplug_vanished(self, lport: int, plug: Plug) -> None:
        if self._attachments.notes[lport].plug != plug:
            raise EngineError(f"lport {lport}", "something else is plugged there", "unplug it first")
        self.unplug(lport)

    def _abandon(self, lport: int, device: str, ifindex: int, changed: kernel_nic.Changed) -> None:
        """Undo a plug that failed half-way."""
        self._tables.forget_nic(ifindex)
        if lport in self._attachments.notes:
            self._attachments.detach(lport)
            self._attachments.forget(lport)
        else:
            kernel_nic.restore(device, changed)

    def unplug(self, lport: int) -> None:
        note = self._attachments.notes.get(lport)
        if note is None:
            return
        self._peers.remove(lport)
        self._tables.set_ifindex(lport, 0)
        with visiting(note):
            self._attachments.detach(lport)
        self._tables.forget_nic(note.ifindex)
        self._attachments.forget(lport)
        if not self._attachments.notes:
            self._close_packets()

    def plugged(self) -> Mapping[int, Plug]:
        return {lport: note.plug for lport, note in self._attachments.notes.items()}

    def link_up(self, lport: int) -> bool:
        note = self._attachments.notes.get(lport)
        if note is None:
            return False
        self._peers.look(lport, time.monotonic())
        with visiting(note) as here:
            return here and kernel_nic.carrier(note.plug.device, note.ifindex)

    def emit(self, lport: int, frame: bytes) -> None:
        note = self._attachments.notes.get(lport)
        if note is None:
            raise EngineError(f"lport {lport}", "nothing is plugged there")
        if self._packets is None:
            with kernel_nic.inside(note.plug.netns):
                self._packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        try:
            self._packets.sendto(frame, (note.plug.device, 0))
        except OSError as error:
            raise EngineError(f"NIC {note.plug.device}", f"sending: {error.strerror}") from error

    def _close_packets(self) -> None:
        if self._packets is not None:
            self._packets.close()
            self._packets = None

    def _hint_backlog(self) -> None:
        """Copies of one flood to veths share one CPU's backlog."""
        wanted = _COPIES_PER_PORT * len(self._attachments.notes)
        with contextlib.suppress(OSError, ValueError):
            if not self._hinted and int(_BACKLOG.read_text()) < wanted:
                self._hinted = True
                _log.warning("floods to veths may overrun the backlog; raise net.core.netdev_max_backlog", to=wanted)

    # --- tables ---------------------------------------------------------------------------------------------
    def set_config(self, control: Control, policies: Mapping[int, Policy], teams: Mapping[int, Team]) -> None:
        self.need(feature_bits.of_config(control, policies.values(), teams.values()))
        self._tables.set_config(control, policies, teams)

    def set_port(self, lport: int, port: Port | None) -> None:
        if not 0 < lport < MAX_PORTS:
            raise EngineError(f"lport {lport}", f"is out of range 1-{MAX_PORTS - 1}")
        self.need(feature_bits.of_port(port))
        note = self._attachments.notes.get(lport)
        self._tables.set_port(lport, port, note.ifindex if note else 0)
        if port is None:
            self._peers.vacated(lport)

    def set_static_macs(self, entries: Mapping[MacAddress, int | None]) -> None:
        for lport in set(entries.values()) - {None}:
            self._peers.addressed(lport or 0, time.monotonic())
        self._tables.set_static_macs(entries)

    def set_members(self, members: ListChanges, unknown: ListChanges, promiscuous: ListChanges = NO_LISTS) -> None:
        self._peers.flooded(
            {lport for lists in (members, unknown) for list_ in lists.values() for lport in list_ or ()}
        )
        self._tables.set_members(members, unknown, promiscuous)

    def set_groups(self, groups: Mapping[Group, tuple[int, ...] | None]) -> None:
        self._tables.set_groups(groups)

    def set_vif_lists(self, lists: Mapping[tuple[int, int], tuple[int, ...] | None]) -> None:
        self._peers.flooded({lport for lports in lists.values() for lport in lports or ()})
        self._tables.set_vif_lists(lists)

    def image(self) -> Image:
        return self._tables.image()

    # --- what the datapath saw ------------------------------------------------------------------------------
    def learned(self) -> list[LearnedMac]:
        return self._tables.learned()

    def remember(self, macs: Iterable[LearnedMac]) -> None:
        self._tables.remember(macs)

    def forget(self, macs: Iterable[LearnedMac]) -> None:
        self._tables.forget(macs)

    def learned_counts(self) -> dict[int, int]:
        return self._tables.learned_counts()

    def counters(self, lports: Iterable[int] | None = None) -> dict[int, Counters]:
        return self._tables.counters(self._tables.lports() if lports is None else lports)

    def clear_counters(self, lport: int) -> None:
        self._tables.clear_counters(lport)

    def punted(self) -> list[PuntedFrame]:
        return self._punts.take()

    def event_fd(self) -> int:
        return self._punts.fd

    def punts_lost(self) -> int:
        return self._punts.lost()

    def test(self, lport: int, frame: bytes, gso: int = 0) -> Fate:
        """See Engine.  EngineError for frames below 14 bytes: the kernel takes none."""
        return self._programs.test(lport, frame, gso)

    def trace(self, lport: int, frame: bytes, gso: int = 0) -> Trace:
        """See Engine.  EngineError for frames below 14 bytes: the kernel takes none."""
        return self._programs.trace(lport, frame, gso)

    def capture(self, capture: Capture | None) -> None:
        if capture is not None:
            self.need(feature_bits.bits("capture"))
        self._captures.begin(capture)
        self._tables.set_capture(capture is not None)
        if capture is None:
            self._programs.shed(feature_bits.bits("capture"), self._swap)

    def captured(self) -> list[CapturedFrame]:
        return self._captures.take()

    def capture_fd(self) -> int:
        return self._captures.fd

    def capture_state(self) -> CaptureState:
        return self._captures.state()

    def last_drops(self, lports: Iterable[int] | None = None) -> list[LastDrop]:
        return self._tables.last_drops(lports)

    def test_ns(self, lport: int, frame: bytes, repeat: int = 1_000_000) -> float:
        """Nanoseconds the pipeline takes for a frame, averaged; the frame is counted that many times."""
        return self._programs.tracer().test_ns(lport, frame, repeat)

    def loaded_for_tests(self, features: int | None = None) -> contextlib.AbstractContextManager[Tracer]:
        """For measurements: a program of its own for test runs, on these tables, with the features of the one on NICs,
        or exactly these: those that the tables ask for, or more."""
        return self._programs.loaded_for_tests(features)

    # --- life -----------------------------------------------------------------------------------------------
    def swap_program(self, path: Path) -> None:
        """Let all NICs' frames be judged by the program of another .bpf.o, with the tables as they are.  No frame is
        lost.  EngineError, with nothing changed, if the kernel refuses the program."""
        self._programs.replace(path, self._swap)

    def need(self, features: int) -> None:
        """Have these features (feature_bits.py) in the program.  Calls that write tables do so by themselves before
        the tables ask for them.  A capture's part goes when it ends, the others by tidy()."""
        self._unused_since = None
        self._programs.need(features, self._swap)

    def tidy(self, now: float) -> None:
        """Take features out of the program that no table has asked for, SHED_SECONDS long; no frame is lost."""
        unused = self._programs.features & ~self._tables.features()
        if self._captures.state() != CaptureState(0, 0):
            unused &= ~feature_bits.bits("capture")
        if not unused or self._unused_since is None:
            self._unused_since = now if unused else None
        elif now - self._unused_since >= SHED_SECONDS:
            self._programs.shed(unused, self._swap)
            self._unused_since = None

    @property
    def code_bytes(self) -> int:
        """Of machine code, of the program on NICs; for measurements."""
        return self._programs.live.code_bytes

    def need_all(self) -> None:
        """Have every feature, whether the tables ask for it or not; for measurements."""
        self.need(feature_bits.ALL)

    def _swap(self, program: libbpf.Program) -> None:
        self._attachments.use(program)
        for lport in self._attachments.notes:
            self._swap_one(lport, program)

    def _swap_one(self, lport: int, program: libbpf.Program) -> None:
        note = self._attachments.notes[lport]
        with visiting(note) as here:
            if here and kernel_nic.ifindex(note.plug.device) == note.ifindex:
                self._attachments.swap(lport, program)
            else:
                _log.warning("NIC is gone", lport=lport, device=note.plug.device, netns=note.plug.netns)

    def close(self, keep: bool) -> None:
        """See Engine; idempotent."""
        if self._lock < 0:
            return
        if not keep:
            for lport in list(self._attachments.notes):
                self.unplug(lport)
        self._close_packets()
        self._attachments.release()
        self._punts.close()
        self._captures.close()
        self._peers.close()
        self._tables.set_capture(False)
        self._tables.close()
        self._programs.close()
        libbpf.close_maps(self._maps)
        if not keep:
            bpffs.remove_switch(self._directory.parent)
        os.close(self._lock)
        self._lock = -1


def kernel_nic_alive(ifindex: int, plug: Plug) -> bool:
    """Whether the NIC of that plug still has the index it was noted with."""
    with kernel_nic.inside(plug.netns):
        return kernel_nic.ifindex(plug.device) == ifindex


def _create(home: Path, directory: Path, program: Path) -> libbpf.Object:
    """Make the pins of a new switch, all or nothing: a directory that has its final name is complete.  Returns the
    program without features that was loaded to make them."""
    aside = home / "new"
    bpffs.remove_tree(aside)
    aside.mkdir()
    created = kernel_program.load(program, aside, feature_bits.NONE)
    try:
        tables = Tables(created.maps)
        tables.set_config(Control(), {}, {})
        tables.close()
        bpffs.write_note(aside / "incarnation", uuid.uuid4().hex)
        aside.rename(directory)
    except BaseException:
        created.close()
        raise
    return created


def _remove_others(home: Path, directory: Path) -> None:
    """Pins of another ABI are of no use to this program; their ports stop, to be plugged anew."""
    for other in home.iterdir():
        if other != directory:
            _log.warning("removing the datapath that another version left; its ports stop", at=str(other))
            shutil.rmtree(other, ignore_errors=True)
