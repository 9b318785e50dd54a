"""Tells the network behind the plain ports where a card's MACs are now: RARPs, as a host sends them by its uplinks
(vem/agent/announce.py, announcer.py), out of every plain port that carries the VLAN (S-152 to S-154, S-246, S-247)."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable

from dvswitch.mac import MacAddress
from physical.niv.hub import Hub
from vem.agent.agent import Agent
from vem.agent.announce import MAX_VLANS, SCHEDULE, leaves_tagged, rarp
from vem.agent.announcer import PER_TICK, TICK
from vem.agent.wanted import Phase
from vem.datapath.image import Image, Niv, Tagging

WAIT = 1.0
"""Seconds at most between two looks."""
REMEMBERED = 5.0
"""Seconds for which it is known when an address was announced."""


class Announcing:
    """One card's announcements."""

    def __init__(self, agent: Agent, hub: Hub) -> None:
        self._agent, self._hub = agent, hub
        self._said: dict[int, int] = {}
        """Generations of the vEths that were announced."""
        self._due: deque[tuple[float, int, int, bool]] = deque()
        """When, which vEth of which generation, and whether with what is behind it."""
        self._sent: dict[MacAddress, float] = {}
        """When a vEth's own address was announced last."""

    def last_sent(self, mac: MacAddress) -> float:
        """When ``mac``, a vEth's own, was last announced, as far as that matters."""
        return self._sent.get(mac, float("-inf"))

    async def run(self) -> None:
        """For ever: after each pass of the agent, and when something is due."""
        self._said = self._live()  # who is live already did not just come
        while True:
            now = time.monotonic()
            wait = min([WAIT, *(moment - now for moment, *_ in self._due)])
            await self._agent.changed(max(wait, 0.001))
            self._note(time.monotonic())
            for batch in _batches(await self._frames(time.monotonic())):
                await asyncio.to_thread(self._hub.flood, batch)
                await asyncio.sleep(TICK if len(batch) == PER_TICK else 0)

    def _live(self) -> dict[int, int]:
        """Generations of the vEths that are active here."""
        compiled, image = self._agent.compiled, self._agent.datapath.image
        return {
            veth: port.generation
            for veth, state in compiled.veths.items()
            if (port := compiled.wanted.ports.get(veth)) is not None
            and port.phase is Phase.ACTIVE
            and state.forwarding
            and state.lport in image.ports
            and self._notifies(port.policy)
        }

    def _notifies(self, policy: int) -> bool:
        """Not a profile with notify-switches off (S-154)."""
        found = self._agent.compiled.wanted.policies.get(policy)
        return found is not None and found.team.notify

    def _note(self, now: float) -> None:
        live = self._live()
        for veth, generation in live.items():
            if self._said.get(veth) != generation:
                moments = SCHEDULE if self._agent.compiled.wanted.ports[veth].announce else SCHEDULE[:1]
                last = moments[-1]
                self._due.extend((now + moment, veth, generation, moment in (0.0, last)) for moment in moments)
        self._said = live

    async def _frames(self, now: float) -> list[tuple[int, bytes]]:
        due = [item for item in self._due if item[0] <= now]
        self._due = deque(item for item in self._due if item[0] > now)
        self._sent = {mac: moment for mac, moment in self._sent.items() if now - moment < REMEMBERED}
        if not due:
            return []
        compiled, card, whole = self._agent.compiled, self._agent.datapath.image, self._hub.image
        learned = await self._agent.datapath.learned() if any(deep for *_, deep in due) else []
        frames: list[tuple[int, bytes]] = []
        for _, veth, generation, deep in due:
            state = compiled.veths.get(veth)
            if state is None or self._said.get(veth) != generation or state.lport not in card.ports:
                continue
            port = card.ports[state.lport]
            vlans = list(card.policies[port.policy].vlans())[:MAX_VLANS]
            frames += announcements(whole, port.mac, vlans)
            self._sent[port.mac] = now
            behind = [entry for entry in learned if deep and entry.lport == state.lport]
            frames += [frame for entry in behind for frame in announcements(whole, entry.mac, [entry.vlan])]
        return frames


def announcements(image: Image, mac: MacAddress, vlans: Iterable[int]) -> list[tuple[int, bytes]]:
    """One RARP per VLAN and plain port that carries it, tagged as the port sends it; not to links of NIV hosts, which
    have no table to put it in."""
    frames = []
    for vlan in vlans:
        for number in image.members.get(vlan, ()):
            port = image.ports.get(number)
            if (
                port is None
                or port.link
                or port.blocked
                or (port.niv is Niv.BRIDGE and port.tagging is not Tagging.NONE)
            ):
                continue
            policy = image.policies[port.policy]
            members = image.teams[policy.team].uplinks[:1] if port.is_lag else (number,)
            tagged = vlan if leaves_tagged(vlan, policy) else 0
            frames += [(member, rarp(mac, tagged)) for member in members if policy.carries(vlan)]
    return frames


def _batches(frames: list[tuple[int, bytes]]) -> list[list[tuple[int, bytes]]]:
    return [frames[at : at + PER_TICK] for at in range(0, len(frames), PER_TICK)]
