"""Programs on NICs: how the kernel engine's program comes to a NIC's ingress, stays there without us, is swapped, goes.

By a pinned tcx link (Linux 6.6 and later) or a clsact filter (before).  What is plugged is noted beside the pins before
anything is attached, so that a restarted agent finds it whatever the instant at which its predecessor died.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import structlog

from vem.datapath import bpffs, kernel_nic, libbpf, tc
from vem.datapath.engine import EngineError, Plug
from vem.datapath.kernel_nic import Changed

_log = structlog.get_logger(__name__)

Method = Literal["tcx", "clsact"]


@dataclass(frozen=True, slots=True)
class Note:
    """What is remembered of a plugged NIC."""

    plug: Plug
    ifindex: int
    namespace: int
    """kernel_nic.namespace_id of plug.netns when it was plugged."""
    method: Method
    changed: Changed
    qdisc: bool = False
    """The clsact qdisc is ours."""

    def text(self) -> str:
        """For bpffs.write_note."""
        fields = asdict(self)
        fields["plug"] = {name: value for name, value in fields["plug"].items() if value}
        return json.dumps(fields, separators=(",", ":"))

    @classmethod
    def parse(cls, text: str) -> Note:
        """The inverse of text()."""
        fields: dict[str, Any] = json.loads(text)
        return cls(**{**fields, "plug": Plug(**fields["plug"]), "changed": Changed(**fields["changed"])})


class Attachments:
    """Everything plugged into one switch.  Calls concerning a NIC are made inside its namespace (kernel_nic.inside)."""

    def __init__(self, directory: Path, program: libbpf.Program, method: Method | None) -> None:
        self._notes_at = directory / "ports"
        self._links_at = directory / "links"
        self._program = program
        self._method = method
        self._links: dict[int, int] = {}
        self.notes: dict[int, Note] = {}

    def load(self) -> None:
        """Read the notes and open the links that a predecessor left."""
        for directory in (self._notes_at, self._links_at):
            directory.mkdir(exist_ok=True)
        for path in self._notes_at.iterdir():
            text = bpffs.read_note(path)
            if text and path.name.isdigit():
                self.notes[int(path.name)] = Note.parse(text)
        for path in self._links_at.iterdir():
            self._links[int(path.name)] = libbpf.get_pinned(path)

    def alive(self, lport: int) -> bool:
        """Whether frames of the noted NIC come to our program: the NIC exists and the program is there."""
        note = self.notes[lport]
        if kernel_nic.ifindex(note.plug.device) != note.ifindex:
            return False
        if note.method == "clsact":
            return tc.clsact_attached(note.ifindex)
        return lport in self._links and tc.tcx_ifindex(self._links[lport]) == note.ifindex

    def attach(self, lport: int, plug: Plug, ifindex: int, changed: Changed) -> None:
        """Note the NIC and put the program at its ingress."""
        self._method = method = self._method or _best_method(self._program, ifindex)
        qdisc = method == "clsact" and tc.clsact_create(ifindex)
        note = Note(plug, ifindex, kernel_nic.namespace_id(plug.netns), method, changed, qdisc)
        bpffs.write_note(self._notes_at / str(lport), note.text())
        self.notes[lport] = note
        self._attach(lport, note)

    def _attach(self, lport: int, note: Note) -> None:
        if note.method == "clsact":
            tc.clsact_attach(self._program, note.ifindex)
            return
        link = tc.tcx_attach(self._program, note.ifindex)
        self._links[lport] = link
        libbpf.pin(link, self._links_at / str(lport))

    def swap(self, lport: int, program: libbpf.Program) -> None:
        """Let the NIC's frames come to another program from now on; a NIC that died before it was attached, too."""
        note = self.notes[lport]
        if note.method == "tcx" and lport in self._links:
            tc.tcx_swap(self._links[lport], program)
        elif note.method == "clsact":
            if not tc.clsact_attached(note.ifindex):
                tc.clsact_create(note.ifindex)
            tc.clsact_attach(program, note.ifindex)
        else:
            self._program = program
            self._attach(lport, note)

    def use(self, program: libbpf.Program) -> None:
        """The program that attach() takes from now on."""
        self._program = program

    def detach(self, lport: int) -> None:
        """Take the program away and forget the NIC; works on what is left when the NIC is gone."""
        note = self.notes[lport]
        link = self._links.pop(lport, None)
        if link is not None:
            tc.tcx_detach(link)
            os.close(link)
        with contextlib.suppress(FileNotFoundError):
            (self._links_at / str(lport)).unlink()
        if kernel_nic.ifindex(note.plug.device) == note.ifindex:
            if note.method == "clsact":
                tc.clsact_detach(note.ifindex)
            if note.qdisc:
                tc.clsact_destroy(note.ifindex)
            kernel_nic.restore(note.plug.device, note.changed)

    def forget(self, lport: int) -> None:
        """Drop the note: the last step of unplugging."""
        (self._notes_at / str(lport)).unlink(missing_ok=True)
        self.notes.pop(lport, None)

    def release(self) -> None:
        """Let go of the links; pinned ones stay in force."""
        for link in self._links.values():
            os.close(link)
        self._links.clear()


def _best_method(program: libbpf.Program, ifindex: int) -> Method:
    """tcx where the kernel has it; asked by trying, since distributions backport."""
    try:
        link = tc.tcx_attach(program, ifindex)
    except EngineError as problem:
        _log.debug("no tcx here, clsact it is", reason=str(problem))
        return "clsact"
    tc.tcx_detach(link)
    os.close(link)
    return "tcx"


@contextlib.contextmanager
def visiting(note: Note) -> Iterator[bool]:
    """Inside the namespace of a noted NIC; yields False, and stays, when that namespace is gone."""
    try:
        here = kernel_nic.namespace_id(note.plug.netns) == note.namespace
    except EngineError:
        here = False
    with kernel_nic.inside(note.plug.netns if here else ""):
        yield here
