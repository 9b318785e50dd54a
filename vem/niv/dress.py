"""What is wanted of a host whose ports are the VIS's, in the terms of the rest of the agent.

The supervisor tells a host in mode NIV of no ports: they are its card's, at the VIS.  The agent's own bookkeeping (who
is attached as what, views, answers to `vem attach`) goes on with ports made of what VIF control told, all with one
policy of the agent's own that says nothing: what a NIC may do is decided at the VIS.  While the host still switches by
itself it goes on with the ports that it was told of last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from dvswitch.vif.messages import NicKey
from dvswitch.vif.messages import Phase as VifPhase
from vem.agent.attachments import Attachment
from vem.agent.wanted import ModeKind, Nic, Phase, Policy, Port, Wanted
from vem.niv.memory import Bound, Memory
from vem.niv.stages import Stage
from vem.teaming.team import Rules

POLICY = Policy(
    2**32 - 1,
    "(mode niv)",
    forged_transmits=True,
    mac_changes=True,
    team=Rules(notify=False),
)
"""Of every NIC of an IV: it is in no VLAN, so nothing that comes without a tag is given to a NIC, and nobody is told by
RARP where it is."""


def key_of(nic: Nic) -> NicKey:
    """A NIC as VIF control names it."""
    return NicKey(nic.vm, nic.index, nic.vm_uuid, nic.adapter)


def kept(told: Wanted, attachments: Iterable[Attachment]) -> Wanted:
    """Of what was wanted so far: the ports that are plugged in, and their policies."""
    here = {item.veth for item in attachments}
    ports = {veth: port for veth, port in told.ports.items() if veth in here}
    named = {port.policy for port in ports.values()}
    return Wanted(told.revision, None, {ident: told.policies[ident] for ident in named & told.policies.keys()}, ports)


def dressed(told: Wanted, memory: Memory, attachments: Iterable[Attachment]) -> Wanted:
    """What the agent is to work with."""
    if memory.stage in (Stage.LOCAL, Stage.RETURNING):
        return told
    plugged = {key_of(item.nic).ident: item for item in attachments}
    known = {ident: (item, memory.bound[ident]) for ident, item in plugged.items() if ident in memory.bound}
    if memory.stage is Stage.JOINING:
        return _joining(told, memory.kept, known)
    ports = {bound.veth: _port(item, bound) for item, bound in known.values() if bound.veth}
    switch = replace(told.switch, snooping=False) if told.switch else None
    policies = {ident: policy for ident, policy in told.policies.items() if ident in _of_uplinks(told)}
    return replace(told, switch=switch, policies={**policies, POLICY.id: POLICY}, ports=ports)


def _of_uplinks(told: Wanted) -> set[int]:
    return {uplink.policy for uplink in told.uplinks.values()}


def _joining(told: Wanted, kept: Wanted, known: Mapping[str, tuple[Attachment, Bound]]) -> Wanted:
    """As before; NICs that are new wait, shut, until the host is an IV."""
    new = {
        bound.veth: replace(_port(item, bound), shutdown=True)
        for item, bound in known.values()
        if bound.veth and bound.veth not in kept.ports
    }
    policies = {POLICY.id: POLICY, **kept.policies, **told.policies}
    return replace(told, policies=policies, ports={**new, **kept.ports})


def _port(item: Attachment, bound: Bound) -> Port:
    """A vEth that leaves is the VIS's business: nothing is captured here, and nothing passed on."""
    phase = Phase.PREPARED if bound.phase is VifPhase.PREPARED else Phase.ACTIVE
    return Port(bound.veth, POLICY.id, item.mac, item.nic, bound.generation, phase)


class CardPorts:
    """What is wanted of a host's card, at the VIS: when the mode ends its ports are the host's, but the host goes on by
    them until it switches by itself and takes its NICs back."""

    def __init__(self, plugged: Callable[[], Iterable[Attachment]]) -> None:
        self._plugged = plugged
        self._last: Wanted | None = None

    def dressed(self, told: Wanted) -> Wanted:
        """What the card's agent is to work with."""
        if told.mode.kind is ModeKind.NIV:
            self._last = told
        if told.mode.kind is ModeKind.NIV or self._last is None:
            return told
        left = kept(self._last, self._plugged())
        return replace(told, policies={**left.policies, **told.policies}, ports={**left.ports, **told.ports})


__all__ = ["POLICY", "CardPorts", "dressed", "kept", "key_of"]
