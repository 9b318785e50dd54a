"""The command `dvs-libvirt-hook`: libvirt's hook `qemu` (/etc/libvirt/hooks/qemu), called as a domain's life goes on.

    dvs-libvirt-hook DOMAIN OPERATION SUB-OPERATION EXTRA  < the domain's XML

    prepare begin     the domain is about to start here: note who its NICs are; veto a start that can't succeed
    migrate begin     it is about to come here: ask the supervisor whether this host can take each NIC, veto if not
    reconnect begin   libvirtd was restarted, the domain has been running: note who its NICs are
    release end       it is gone: forget it, and unplug what was left plugged in

Nothing else concerns us.  A veto is exit code 1 and a line on standard error, which libvirt shows to whoever asked for
the start or the migration; the domain stays where it is.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from dvswitch.errors import DvsError, InvalidValue, Unavailable
from vem.libvirt import settings as configuration
from vem.libvirt.domain import Domain, DomainNic, Network, numbered, read_domain, read_network
from vem.libvirt.host import HostAgent, is_away
from vem.libvirt.notes import DomainNote, Notes

VETO = 1
PATIENCE = 5.0
"""Seconds that the supervisor may take to answer for one NIC."""
_BEGINNINGS = {"prepare": "begin", "migrate": "begin", "reconnect": "begin", "release": "end"}


class Refused(DvsError):
    """This host can't take a NIC; the text is the supervisor's."""

    def __str__(self) -> str:
        return self.problem


class Hook:
    """Answers libvirt.  ``say`` writes a remark for its log."""

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

    def called(self, operation: str, sub_operation: str, xml: Callable[[], str]) -> None:
        """What happens to a domain; DvsError is a veto."""
        domain = read_domain(xml(), self._network)
        if operation == "release":
            self._release(domain)
        elif operation == "reconnect":
            known = self._notes.domain(domain.uuid)
            self._note(domain, known.numbers if known else {}, known.incoming if known else 0.0)
        else:
            self._arrives(domain, coming=operation == "migrate")

    def _arrives(self, domain: Domain, coming: bool) -> None:
        """It is to be started, or to come from elsewhere, which is followed by a start in which it waits."""
        note, now = self._notes.domain(domain.uuid), self._clock()
        if not coming and note is not None and note.expected(now):
            return
        known: dict[str, int] = {}
        for nic in domain.nics:
            if nic.profile:
                self._ask(domain, nic, known, coming)
        self._note(domain, known, now if coming else 0.0)

    def _ask(self, domain: Domain, nic: DomainNic, known: dict[str, int], coming: bool) -> None:
        """Whether this host can take it; adds to ``known`` which NIC of the VM it is."""
        try:
            reply = self._agent.may_take(domain.name, domain.uuid, nic.position, nic.mac, nic.profile, PATIENCE)
        except DvsError as error:
            if not is_away(error):
                raise
            if coming and not self._settings.takes_unasked:
                problem = f"it is not known whether this host can take {nic.mac} ({error})"
                raise Unavailable(domain.name, problem) from error
            self._say(f"{domain.name}: {nic.mac} is taken unasked: {error}")
            return
        if reply.reason:
            raise Refused("", reply.reason)
        if reply.veth:
            known[nic.mac] = reply.index

    def _note(self, domain: Domain, known: Mapping[str, int], incoming: float) -> None:
        numbers = numbered(domain.nics, known)
        self._notes.keep(DomainNote(domain.name, domain.uuid, numbers, incoming))

    def _release(self, domain: Domain) -> None:
        for port in self._notes.ports_of(domain.uuid):
            self._agent.detach(port)
            self._notes.forget(port)
        self._notes.forget(DomainNote(domain.name, domain.uuid))

    def _network(self, name: str) -> Network | None:
        """libvirt's own files: a hook must not call libvirt."""
        if not name or "/" in name:
            return None
        for directory in self._settings.network_dirs:
            with suppress(OSError):
                return read_network((directory / f"{name}.xml").read_text())
        return None


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""

    def say(line: str) -> None:
        print(line, file=sys.stderr)

    words = list(sys.argv[1:] if argv is None else argv)
    try:
        if len(words) < 3:
            raise InvalidValue("hook", "is called by libvirt: DOMAIN OPERATION SUB-OPERATION EXTRA")
        if _BEGINNINGS.get(words[1]) != words[2]:
            return 0
        settings = configuration.load()
        Hook(settings, HostAgent(settings.socket), Notes(settings.run_dir), say).called(
            words[1], words[2], sys.stdin.read
        )
    except DvsError as error:
        say(str(error))
        return VETO
    return 0


if __name__ == "__main__":
    sys.exit(main())
