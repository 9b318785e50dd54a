"""What the agent knows, in one place: wanted state, attachments, uplinks, numbers given out, and what it adopted.

Pure: methods here decide and remember; agent.py does what follows from it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import structlog

from dvswitch.errors import Unavailable
from vem.agent import moves
from vem.agent.attachments import Attachment, Attachments, Stage, nic_key
from vem.agent.compile import Compiled, Indexes, PluggedNic, PluggedUplink, restrict
from vem.agent.lports import FIRST_LPORT, LAST_LPORT, LAST_POLICY, LAST_TEAM, Numbers
from vem.agent.narrow import Passes
from vem.agent.state import Saved
from vem.agent.teams import Teaming
from vem.agent.uplinks import UplinkConfig, UplinkStatus, uplink_mac
from vem.agent.wanted import Nic, Phase, Port, Staging, Wanted
from vem.datapath.engine import Plug
from vem.datapath.image import Image
from vem.teaming.health import UP_DELAY
from vem.teaming.pinning import Place

log = structlog.get_logger(__name__)


def _uplink_key(number: int) -> str:
    return f"uplink {number}"


def _orphan_key(lport: int) -> str:
    return f"orphan {lport}"


class Holdings:
    """Made of the state file and of what the engine holds; from then on the agent's memory."""

    def __init__(self, saved: Saved | None, image: Image, plugs: Mapping[int, Plug]) -> None:
        saved = saved or Saved()
        self.slot = saved.slot
        self.staging = Staging(saved.wanted)
        self.attachments = Attachments()
        self.uplinks: dict[int, UplinkStatus] = {}
        self.moves = moves.Moves()
        self.niv = saved.niv
        self.through_vis = False
        """Who is attached is the VIS's business, not the supervisor's: kept by vem/niv/side.py."""
        self.own_plugs: dict[int, Plug] = {}
        """NICs of the agent's own, by lport."""
        self.lports = Numbers(FIRST_LPORT, LAST_LPORT, "switch ports of this host", saved.lports)
        self.indexes = Indexes(
            Numbers(1, LAST_POLICY, "port profiles", saved.policies), Numbers(1, LAST_TEAM, "uplink teams", saved.teams)
        )
        for attachment in saved.attachments:
            self.attachments.add(attachment)
        known = {attachment.lport for attachment in saved.attachments}
        known |= {lport for key, lport in saved.lports.items() if key.startswith("uplink ") or key == moves.KEY}
        self._adopted_plugs = dict(plugs)
        self.teaming = Teaming(_adopted_places(image) | saved.places)
        self._passes = Passes(self.indexes, self.teaming)
        self.orphans = restrict(image, image.ports.keys() - known)
        for lport in self.orphans.lports:
            self.lports.reserve(_orphan_key(lport), lport)

    def saved(self) -> Saved:
        """What the state file should hold."""
        return Saved(
            wanted=self.staging.told,
            slot=self.slot,
            attachments=list(self.attachments),
            lports=self.lports.owned(),
            policies=self.indexes.policies.owned(),
            teams=self.indexes.teams.owned(),
            places=self.teaming.pins.places(),
            niv=self.niv,
        )

    # --- uplinks ------------------------------------------------------------------------------------------------

    def add_uplink(self, config: UplinkConfig, host_uuid: str) -> None:
        """Take in a configured uplink; one found in the datapath keeps its lport."""
        key = _uplink_key(config.number)
        for lport, port in self.orphans.image.ports.items():
            if port.uplink and port.number == config.number and self._adopted_plugs.get(lport) == config.plug:
                self.lports.reserve(key, lport)
        lport = self.lports.assign(key)
        self.uplinks[config.number] = UplinkStatus(config, lport, uplink_mac(config, host_uuid))

    def uplink_mtus(self) -> dict[Plug, int]:
        """Payload bytes that present uplinks must carry: the switch's, or their profile's if that is more (S-243)."""
        wanted, mtus = self.staging.committed, {}
        for number, status in self.uplinks.items():
            uplink = wanted.uplinks.get(number)
            policy = wanted.policies.get(uplink.policy) if uplink else None
            if status.present and status.config.plug.device and wanted.switch and policy:
                mtus[status.config.plug] = max(wanted.switch.mtu, policy.mtu)
        return mtus

    # --- matching wanted ports with NICs ------------------------------------------------------------------------

    def match(self, in_sync: bool) -> list[Attachment]:
        """Tie NICs to the vEths wanted for them, and forget what is over; returns attachments made from orphans."""
        wanted = self.staging.committed
        for attachment in self.attachments:
            port = wanted.ports.get(attachment.veth) or self._answer(attachment)
            if port is not None:
                self.attachments.bind(attachment, port)
            elif attachment.stage is Stage.LEAVING and (in_sync or self.through_vis):
                self.attachments.remove(attachment)
        return self._place_orphans(in_sync) if self.orphans.lports else []

    def _answer(self, attachment: Attachment) -> Port | None:
        """The vEth that the supervisor wants for a NIC it has no number for yet."""
        port = self.staging.committed.port_of(attachment.nic)
        if port is None or port.mac != attachment.mac:
            return None
        same_profile = self.staging.committed.profile_of(port) == attachment.profile
        return port if same_profile or port != attachment.held_at_start else None

    def _place_orphans(self, in_sync: bool) -> list[Attachment]:
        """Once there is wanted state: uplinks and wanted vEths become known; the rest goes when all is in sync."""
        wanted, found = self.staging.committed, []
        if not wanted.revision:
            return []
        left = set() if in_sync else set(self.orphans.lports)
        for lport in self.orphans.lports:
            entry = self.orphans.image.ports[lport]
            port = wanted.ports.get(entry.number)
            if entry.uplink:
                left.discard(lport)
            elif port and lport in self._adopted_plugs and not self.attachments.by_veth(port.veth):
                found.append(self._adopt(lport, port))
                left.discard(lport)
        for lport in self.orphans.lports - left:
            self.lports.release(_orphan_key(lport))
        self.orphans = restrict(self.orphans.image, left)
        return found

    def _adopt(self, lport: int, port: Port) -> Attachment:
        profile = self.staging.committed.profile_of(port)
        attachment = Attachment(port.nic, port.mac, profile, self._adopted_plugs[lport], lport)
        self.attachments.bind(attachment, port)
        self.attachments.add(attachment)
        self.lports.reserve(attachment.key, lport)
        log.info("adopted from the datapath", port=str(port), nic=str(port.nic), lport=lport)
        return attachment

    def free_lports(self, plugged: Collection[int]) -> None:
        """Numbers whose owner has gone may be given to somebody else, unless its NIC is still plugged."""
        owners = {attachment.key for attachment in self.attachments}
        owners |= {_uplink_key(number) for number in self.uplinks}
        owners |= {_orphan_key(lport) for lport in self.orphans.lports}
        owners |= {key for key, lport in self.lports.owned().items() if lport in plugged}
        owners |= self.moves.lport_keys()
        self.lports.keep_only(owners)

    # --- what the datapath should be ----------------------------------------------------------------------------

    def plugs(self) -> dict[int, Plug]:
        """What should be plugged in, by lport, orphans left out."""
        plugs = {attachment.lport: attachment.plug for attachment in self.attachments.plugged()}
        plugs.update((uplink.lport, uplink.config.plug) for uplink in self.uplinks.values())
        plugs.update(self.own_plugs)
        return plugs

    def compile(self, links: Mapping[int, bool], now: float) -> Compiled:
        """The Image for what is wanted and plugged in now."""
        nics = [
            PluggedNic(item.lport, item.mac, item.veth, links.get(item.lport, False), item.effective)
            for item in self.attachments.plugged()
        ]
        self.teaming.health.observe([(number, uplink.link_up) for number, uplink in self.uplinks.items()], now)
        usable = self.teaming.health.usable(now, self.up_delay)
        uplinks = [
            PluggedUplink(number, uplink.lport, uplink.mac, uplink.link_up, number in usable)
            for number, uplink in self.uplinks.items()
            if uplink.present
        ]
        wanted = self.staging.committed
        if left := self.moves.policies().keys() - wanted.policies.keys():
            kept = {ident: policy for ident, policy in self.moves.policies().items() if ident in left}
            wanted = replace(wanted, policies={**wanted.policies, **kept})
        return self._passes.compile(wanted, nics, uplinks, self.orphans)

    @property
    def up_delay(self) -> float:
        """Seconds (S-142)."""
        switch = self.staging.committed.switch
        return switch.up_delay if switch else UP_DELAY

    def due(self, now: float) -> float | None:
        """When compile() would say something else although nothing happened."""
        due = (self.teaming.health.due(now, self.up_delay), self.moves.due())
        return min((moment for moment in due if moment is not None), default=None)

    def draining(self, wanted: Wanted) -> list[tuple[Attachment, Port]]:
        """Plugged vEths that have to be reported as drained."""
        return [
            (attachment, port)
            for attachment in self.attachments.plugged()
            if (port := wanted.ports.get(attachment.veth)) and port.phase is Phase.DRAINING
        ]

    def number_for(self, nic: Nic) -> int:
        """An lport for a new NIC; Unavailable when the host is full."""
        try:
            return self.lports.assign(nic_key(nic))
        except Unavailable as error:
            raise Unavailable(f"attach {nic}", f"all {LAST_LPORT} switch ports are in use", error.remedy) from error


def _adopted_places(image: Image) -> dict[int, Place]:
    """Where the datapath has ports pinned: they stay there although nobody remembers why."""
    uplinks = {lport: port.number for lport, port in image.ports.items() if port.uplink}
    pinned = [port for port in image.ports.values() if port.pin in uplinks and port.number]
    return {port.number: Place(uplinks[port.pin], uplinks[port.pin]) for port in pinned}


__all__ = ["Holdings"]
