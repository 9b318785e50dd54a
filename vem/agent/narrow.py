"""Compiling again when nothing but a few vNICs is different: a vEth that moves changes its phase, and no more.

Passes compiles as compile.py does, and goes on from what the last pass compiled where that is sure to come out the
same: the entries of those vNICs are made anew, and the lists of receivers.  Whatever else differs, or goes wrong, makes
it compile everything; a test holds the two against each other over random histories.
"""

from __future__ import annotations

from vem.agent import wanted as want
from vem.agent.compile import Compiled, Compiler, Indexes, NicEntries, Orphans, PluggedNic, PluggedUplink
from vem.agent.remembered import Remembered
from vem.agent.teams import Teaming
from vem.teaming.pinning import Place

Basis = tuple[PluggedNic, want.Port | None, Place | None]
"""What a vNIC's entries follow from, as far as it is the vNIC's own."""


class Passes:
    """Compiles for one host, pass after pass; ``indexes`` and ``teaming`` are brought up to date."""

    def __init__(self, indexes: Indexes, teaming: Teaming) -> None:
        self._indexes, self._teaming = indexes, teaming
        self._memory: Remembered[NicEntries] = Remembered()
        self._last: _Again | None = None
        """Of the last pass, if the next one may go on from it."""
        self._ground: object = None
        self._bases: dict[int, Basis] = {}
        self.narrow = 0
        """How many passes went on from the one before."""

    def compile(
        self, wanted: want.Wanted, nics: list[PluggedNic], uplinks: list[PluggedUplink], orphans: Orphans
    ) -> Compiled:
        """As compile_image()."""
        ground, bases = self._ground_of(wanted, uplinks), self._bases_of(wanted, nics)
        compiled = self._compile_narrow(wanted, ground, bases) if not orphans.lports else None
        if compiled is None:
            self._last = _Again(wanted, self._indexes, orphans, self._teaming, self._memory)
            compiled = self._last.run(nics, uplinks)
            bases = self._bases_of(wanted, nics)  # with the places that it gave
        if orphans.lports or compiled.refusals:
            self._last = None
        self._ground, self._bases = ground, bases
        return compiled

    def _ground_of(self, wanted: want.Wanted, uplinks: list[PluggedUplink]) -> object:
        """All that every vNIC's entries follow from."""
        teaming = self._teaming
        how = teaming.reverse, teaming.rpf_promiscuous, teaming.lacp_members
        return wanted.policies, wanted.uplinks, wanted.switch, uplinks, how

    def _bases_of(self, wanted: want.Wanted, nics: list[PluggedNic]) -> dict[int, Basis]:
        ports, at = wanted.ports, self._teaming.pins.at
        return {nic.lport: (nic, ports.get(nic.veth), at(nic.veth)) for nic in nics}

    def _compile_narrow(self, wanted: want.Wanted, ground: object, bases: dict[int, Basis]) -> Compiled | None:
        """None: everything is to be compiled."""
        last, before = self._last, self._bases
        if last is None or wanted.refusals or bases.keys() != before.keys() or ground != self._ground:
            return None
        if any(nic.effective is not None for nic, _, _ in bases.values()):
            return None  # whose address may be somebody else's
        changed = [lport for lport, basis in bases.items() if basis != before[lport]]
        if not all(_is_narrow(before[lport], bases[lport], wanted) for lport in changed):
            return None
        compiled = last.again(wanted, [bases[lport][0] for lport in changed])
        if compiled is None:
            return None
        self._teaming.keep_only(wanted.policies, {nic.veth for nic, _, _ in bases.values()})
        self.narrow += 1
        at = self._teaming.pins.at
        for lport in changed:
            nic, port, _ = bases[lport]
            bases[lport] = nic, port, at(nic.veth)
        return compiled


def _is_narrow(old: Basis, new: Basis, wanted: want.Wanted) -> bool:
    """Whether the difference between the two concerns this vNIC alone."""
    (nic, port, _), (later, now, _) = old, new
    if port is None or now is None:
        return False
    same = (nic.veth, nic.mac, nic.mac, port.mac) == (later.veth, later.mac, now.mac, now.mac)
    return same and now.policy in wanted.policies


class _Again(Compiler):
    """A run that can be gone on from."""

    def again(self, wanted: want.Wanted, nics: list[PluggedNic]) -> Compiled | None:
        """With these vNICs as they are now; what was compiled before is left as it is.  None: there is something to
        refuse, and this object is of no use any more."""
        self._wanted = wanted
        self._ports, self._veths = dict(self._ports), dict(self._veths)
        self._static, self._owner = dict(self._static), dict(self._owner)
        for nic in nics:
            mac = self._ports[nic.lport].mac
            if self._static.get(mac) == nic.lport:
                del self._static[mac], self._owner[mac]
        if any(nic.mac in self._owner for nic in nics) or len({nic.mac for nic in nics}) < len(nics):
            return None  # before anybody is given another place: two vEths may be after one address
        for nic in nics:
            self._add_nic(nic)
        self._add_members()
        assert not self._refusals
        return Compiled(wanted, self._image(), self._veths, tuple(self._refusals))


__all__ = ["Passes"]
