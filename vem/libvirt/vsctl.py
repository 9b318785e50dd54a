"""The command `dvs-ovs-vsctl`: what libvirt finds as `ovs-vsctl` when it puts a NIC on an Open vSwitch port.

It understands what libvirt says (vem/libvirt/commandline.py) and has this host's agent do it.  Who the NIC is, is told
by what the hook noted (vem/libvirt/hook.py).  A domain that is on its way here gets its ports prepared; the `set` of
PortData with which libvirt hands a port's data over, just before the guest runs here, makes the port go live and waits
for it.

Exit codes: 0 done; 1 refused or failed, with a line on standard error.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from dvswitch.errors import Conflict, DvsError, InvalidValue, NotFound, Unavailable
from dvswitch.mac import MacAddress
from vem.libvirt import settings as configuration
from vem.libvirt.commandline import (
    PORT_DATA,
    AddPort,
    Command,
    DelPort,
    FindBridge,
    GetId,
    ListStatistics,
    SetIds,
    parse,
)
from vem.libvirt.host import HostAgent
from vem.libvirt.live import go_live
from vem.libvirt.notes import DomainNote, Notes, PortNote

FAILED = 1
LAST = 0.5
"""Seconds of the caller's time-out that are left for everything but waiting."""
_PORT_DATA = re.compile(r"dvs1:vethernet=(\d+):generation=(\d+)")


@dataclass(frozen=True, slots=True)
class PortData:
    """What a source tells the target of a port: nothing that the target relies on, but enough to see a mix-up."""

    veth: int
    generation: int

    def __str__(self) -> str:
        return f"dvs1:vethernet={self.veth}:generation={self.generation}"

    @classmethod
    def read(cls, text: str) -> PortData | None:
        """None for what another version, or another switch, wrote."""
        found = _PORT_DATA.fullmatch(text)
        return cls(int(found[1]), int(found[2])) if found else None


class Vsctl:
    """Carries commands out.  ``say`` writes a remark for libvirtd's log."""

    def __init__(
        self,
        settings: configuration.Settings,
        agent: HostAgent,
        notes: Notes,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings, self._agent, self._notes = settings, agent, notes
        self._say, self._clock = say, clock

    def run(self, command: Command, seconds: float) -> str:
        """Do it within so many seconds; what is to be printed.  DvsError: why not."""
        match command:
            case AddPort():
                return self._add(command, seconds)
            case DelPort():
                return self._delete(command)
            case GetId():
                return self._get(command)
            case SetIds():
                return self._set(command, seconds)
            case ListStatistics():
                return self._statistics(command)
            case FindBridge():
                return f"{self._noted(command.port).bridge}\n"

    # ---- in and out

    def _add(self, command: AddPort, seconds: float) -> str:
        if self._settings.bridge and command.bridge != self._settings.bridge:
            raise NotFound(f"bridge {command.bridge}", "is not this switch", f"it is called {self._settings.bridge}")
        if command.vlan:
            self._say(f"{command.port}: {' '.join(command.vlan)} is ignored: the port-profile has the say")
        note = self._identified(command)
        for old in self._notes.ports_of(note.vm_uuid):
            if old.index == note.index and old.device != note.device:
                self._unplug(old)
        self._notes.keep(note)
        try:
            reply = self._agent.attach(note, seconds)
            if note.prepare and not reply.veth:  # pending
                self._agent.detach(note)
                raise Unavailable(_subject(note), reply.detail, "a VM is not moved to where its port may not come up")
        except DvsError:
            self._notes.forget(note)
            raise
        self._notes.keep(replace(note, veth=reply.veth, generation=reply.generation))
        if reply.detail:
            self._say(f"{_subject(note)}: {reply.detail}")
        return ""

    def _identified(self, command: AddPort) -> PortNote:
        """Who is plugged in there."""
        ids = command.ids
        if missing := [key for key in ("vm-id", "attached-mac") if not ids.get(key)]:
            raise InvalidValue(f"add-port {command.port}", f"names no {' and no '.join(missing)}")
        profile = ids.get("port-profile", "")
        if not profile:
            remedy = "put <parameters profileid='NAME'/> into the portgroup's <virtualport>"
            raise InvalidValue(f"add-port {command.port}", "names no port-profile", remedy)
        uuid, mac = ids["vm-id"].lower(), str(MacAddress.station(ids["attached-mac"]))
        domain = self._notes.domain(uuid) or DomainNote(uuid, uuid)
        index = domain.numbers.get(mac)
        if index is None:
            index = self._new_number(domain, mac)
        prepare = domain.expected(self._clock())
        return PortNote(command.port, command.bridge, domain.name, uuid, index, mac, profile, prepare)

    def _new_number(self, domain: DomainNote, mac: str) -> int:
        """For a NIC that came while the domain runs: the next one."""
        taken = {
            *domain.numbers.values(),
            *(port.index for port in self._notes.ports_of(domain.uuid) if port.mac != mac),
        }
        index = next(number for number in range(len(taken) + 1) if number not in taken)
        self._notes.keep(replace(domain, numbers={**domain.numbers, mac: index}))
        return index

    def _delete(self, command: DelPort) -> str:
        note = self._notes.port(command.port)
        if note is not None:
            self._unplug(note)
        elif not command.if_exists:
            raise _no_port(command.port)
        return ""

    def _unplug(self, note: PortNote) -> None:
        """The note stays if the agent can't be reached: the domain's end, or its next start here, tries again."""
        self._agent.detach(note)
        self._notes.forget(note)

    # ---- what goes with a migration

    def _get(self, command: GetId) -> str:
        note = self._notes.port(command.port)
        if note is None and not command.if_exists:
            raise _no_port(command.port)
        if note is None or command.key != PORT_DATA or not note.veth:
            return "\n"
        return f'"{PortData(note.veth, note.generation)}"\n'

    def _set(self, command: SetIds, seconds: float) -> str:
        note = self._noted(command.port)
        if command.ids.keys() != {PORT_DATA}:
            raise InvalidValue(f"set Interface {note.device}", f"of {', '.join(command.ids)} is not done here")
        outcome = go_live(self._settings.socket, note.device, seconds)
        if outcome is None:
            raise Unavailable(_subject(note), "the agent does not answer", "start 'vem run' on this host")
        if outcome.state == "refused":
            raise Conflict(_subject(note), outcome.detail)
        self._lives(note)
        if not outcome.is_settled:
            self._say(f"{_subject(note)}: {outcome.detail}; the VM's first frame will make it go live")
        data = PortData.read(command.ids[PORT_DATA])
        if data and outcome.veth and data.veth != outcome.veth:
            raise Conflict(
                _subject(note), f"is vethernet {outcome.veth} here and was {data.veth} where the VM came from"
            )
        return ""

    def _lives(self, note: PortNote) -> None:
        """Its VM runs here from now on; with the last of its ports, the VM is no longer expected."""
        self._notes.keep(replace(note, prepare=False))
        domain = self._notes.domain(note.vm_uuid)
        if domain is not None and not any(port.prepare for port in self._notes.ports_of(note.vm_uuid)):
            self._notes.keep(replace(domain, incoming=0.0))

    # ---- figures

    def _statistics(self, command: ListStatistics) -> str:
        port = self._agent.port(command.port)
        if port is None:
            if command.if_exists:
                return ""
            raise _no_port(command.port)
        counters = port.counters
        values = {
            "rx_bytes": counters.rx_bytes,
            "rx_dropped": sum(counters.drops_in.values()),
            "rx_errors": 0,
            "rx_packets": counters.rx_frames,
            "tx_bytes": counters.tx_bytes,
            "tx_dropped": sum(counters.drops_out.values()),
            "tx_errors": 0,
            "tx_packets": counters.tx_frames,
        }
        return json.dumps(["map", [list(pair) for pair in values.items()]], separators=(",", ":")) + "\n"

    def _noted(self, device: str) -> PortNote:
        note = self._notes.port(device)
        if note is None:
            raise _no_port(device)
        return note


def _no_port(device: str) -> NotFound:
    return NotFound(f"interface {device}", "is not plugged in here")


def _subject(note: PortNote) -> str:
    return f"{note.vm} nic {note.index} ({note.device})"


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""

    def say(line: str) -> None:
        print(f"dvs-ovs-vsctl: {line}", file=sys.stderr)

    try:
        settings = configuration.load()
        line = parse(sys.argv[1:] if argv is None else argv)
        vsctl = Vsctl(settings, HostAgent(settings.socket), Notes(settings.run_dir), say)
        for command in line.commands:
            print(vsctl.run(command, max(LAST, line.timeout - LAST)), end="")
    except DvsError as error:
        say(str(error))
        return FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
