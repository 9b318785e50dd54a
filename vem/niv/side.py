"""The agent's hold on mode NIV: feeds VIF control (dvswitch/vif/host.py) with frames, uplinks and NICs, and turns what
it says into what the agent works with.

Around each pass of the agent: follow() takes note of what is wanted and granted before anything is compiled, overlay()
adds it to the Image, after() tells the VIS of what is in force now.  So each end learns of a change of mode only when
the other can live with it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable, Mapping

import structlog

from dvswitch.mac import MacAddress
from dvswitch.v1 import fabric_pb2 as fabric
from dvswitch.v1 import types_pb2 as pb
from dvswitch.vif.host import HostSide, LinkView, Refusal, Wish
from dvswitch.vif.host_link import LinkState
from dvswitch.vif.messages import State, Tagging
from vem.agent.announce import Frame
from vem.agent.attachments import Attachment
from vem.agent.compile import Compiled
from vem.agent.datapath_side import Datapath
from vem.agent.holdings import Holdings
from vem.agent.uplinks import UplinkStatus
from vem.agent.wanted import ModeKind, Phase
from vem.agent.wanted import Tagging as WantedTagging
from vem.datapath.engine import Plug
from vem.datapath.image import Port
from vem.niv import dress, overlay
from vem.niv.memory import Bound, merged
from vem.niv.report import report
from vem.niv.stages import PATIENCE, Facts, Stage, following

SETTLING = 1.0
"""Seconds for which a NIC that is blocked at the VIS keeps a host from becoming an IV: its port may have just been
made there."""
CLOSING, RETURNING = 2.0, 5.0
"""Seconds to wait for the VIS to say that it sends a NIC nothing more; for one that is just being started again."""
TAG_BYTES = {Tagging.VNTAG: 6, Tagging.ETAG: 8}
log = structlog.get_logger(__name__)


class NivSide:
    """Of one host.  ``dirty`` asks for a pass, ``wake`` for a call of to_send()."""

    def __init__(
        self,
        datapath: Datapath,
        holdings: Holdings,
        host_uuid: str,
        host_name: str,
        dirty: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._datapath, self._holdings, self._dirty, self._clock = datapath, holdings, dirty, clock
        self._memory = holdings.niv
        self._core = HostSide(host_uuid, host_name, random.getrandbits(64))
        self._before = {key: lports for key, lports in datapath.image.vif_lists.items() if self._memory.bound}
        self._heard: set[int] = set()
        self._lists: Mapping[tuple[int, int], tuple[int, ...]] = {}
        """VIF lists of the Image that was compiled last."""
        """Uplinks whose VIS has told all since the agent started."""
        self._since = clock()
        self._refused: set[str] = set()
        self._closing: list[Attachment] = []
        """NICs about to be unplugged: the VIS is to send them nothing more, and until it says so they take frames."""
        self._asked = self._memory.stage.asks
        self._counted_anew = False
        self.carries = self._memory.stage.extends
        """The supervisor was told that the vEths are the VIS's now."""
        self.wake: Callable[[], None] = lambda: None
        self._found: object = None
        self._uplinks: list[tuple[int, MacAddress, bool]] = []
        """Number, address and carrier as the core was told last."""
        if holdings.uplinks:
            holdings.staging.dress = lambda told: dress.dressed(told, self._memory, self._plugged())
        else:
            holdings.staging.dress = dress.CardPorts(self._plugged).dressed
        holdings.staging.refresh()
        self._last = holdings.staging.committed

    # --- what the agent asks ------------------------------------------------------------------------------------

    @property
    def stage(self) -> Stage:
        """How far a change of mode is."""
        return self._memory.stage

    @property
    def routes(self) -> bool:
        """Attaches are the VIS's business, not the supervisor's.  An agent without uplinks is part of a VIS itself."""
        return self._holdings.staging.told.mode.kind is ModeKind.NIV and bool(self._holdings.uplinks)

    @property
    def defers(self) -> bool:
        """Whether a vEth is here, or has left, is the VIS's to say."""
        return self.routes and self.stage.extends

    @property
    def modes(self) -> list[pb.Mode.Kind]:
        """In which modes this host can be, beside DVS: without uplinks it has nobody to leave switching to."""
        return [pb.Mode.NIV, pb.Mode.VEPA] if self._holdings.uplinks else []

    @property
    def in_touch(self) -> bool:
        """Some VIS hears us, and attaches are its business."""
        return self.routes and any(view.state.has_session for view in self._core.links())

    def bound(self, attachment: Attachment) -> Bound | None:
        """Where a NIC is behind the VIS; None: nothing is known, or it is not the VIS's."""
        return self._memory.bound.get(dress.key_of(attachment.nic).ident) if self.stage.asks else None

    def why_blocked(self, attachment: Attachment) -> str:
        """Why the VIS does not let a NIC's frames pass; "" if it does, or is not the one who decides."""
        bound = self.bound(attachment)
        if not self.stage.extends or bound is None or bound.state is not State.BLOCKED:
            return ""
        return bound.detail or "it is blocked at the VIS"

    def settled(self, attachment: Attachment) -> bool:
        """The VIS has said what becomes of the NIC since it was asked last, or need not be asked."""
        if not self.routes:
            return True
        bound = self.bound(attachment)
        answered = bound is not None and bound.settled and bound.request == attachment.request
        return self.stage.extends and answered

    def close(self, attachment: Attachment) -> float:
        """Have the VIS send a NIC nothing more, from the next pass on; seconds for which its word is worth waiting for,
        0: there is none that would."""
        if not self.stage.extends or self.is_closed(attachment):
            return 0.0
        self._closing.append(attachment)
        return CLOSING if self._core.in_step else RETURNING

    def is_closed(self, attachment: Attachment) -> bool:
        """What the VIS has sent to a NIC has come, and nothing more will."""
        return dress.key_of(attachment.nic).ident not in self._core.answered()

    @property
    def wishes(self) -> int:
        """NICs that are to have a VIF."""
        return len(self._core.bindings())

    def links(self) -> list[LinkView]:
        """Every uplink, by number."""
        return self._core.links()

    def nics(self) -> list[tuple[Attachment, Bound]]:
        """NICs that have, or shall have, a VIF."""
        found = [(item, self._memory.bound.get(dress.key_of(item.nic).ident)) for item in self._plugged()]
        return [(item, bound) for item, bound in found if bound]

    def tagging(self, number: int) -> Tagging | None:
        """What was agreed on for an uplink."""
        return self._memory.taggings.get(number)

    def counted(self, ports: Mapping[int, Port]) -> Mapping[int, Port]:
        """Those of these ports whose counters are this host's to tell."""
        return {lport: port for lport, port in ports.items() if port.uplink} if self.carries else ports

    def mtus(self, mtus: Mapping[Plug, int]) -> dict[Plug, int]:
        """Bytes that uplinks must carry, with the tag."""
        more = TAG_BYTES[self._tagging()] if self.stage is not Stage.LOCAL else 0
        return {plug: mtu + more for plug, mtu in mtus.items()}

    def report(self) -> fabric.NivReport | None:
        """What the supervisor should know; None: nothing that it would care about."""
        if self._at_ease():
            return None
        found = report(self._core.links(), self._memory.taggings, self.nics(), self.carries)
        return found if found.links or self.stage is not Stage.LOCAL else None

    # --- around a pass ------------------------------------------------------------------------------------------

    def follow(self) -> None:
        """Take note of what is wanted, granted and agreed; the stage goes on by one step."""
        if self._at_ease():
            self._holdings.through_vis, self._last = False, self._holdings.staging.committed
            return
        self._note()
        self._advance(self._clock())
        self._holdings.through_vis = self.routes
        self._holdings.staging.refresh()
        self._last = self._holdings.staging.committed

    def _at_ease(self) -> bool:
        """A host that switches by itself, is to go on so, and hears of no VIS: most hosts at most times.  What a pass
        costs them, a vEth that moves waits for."""
        memory = self._memory
        if self.stage is not Stage.LOCAL or self.routes or self._asked or self.carries:
            return False
        return bool(self._holdings.uplinks) and self._core.idle and not memory.bound and not memory.taggings

    def _note(self) -> None:
        bindings, memory = self._core.bindings(), self._memory
        idents = {dress.key_of(item.nic).ident for item in self._plugged()}
        found = {ident: merged(binding, memory.bound.get(ident)) for ident, binding in bindings.items()}
        memory.bound = {ident: bound for ident, bound in {**memory.bound, **found}.items() if ident in idents}
        for view in self._core.links():
            if view.tagging:
                memory.taggings[view.uplink] = view.tagging
            if view.synced:
                self._heard.add(view.uplink)

    def _advance(self, now: float) -> None:
        memory = self._memory
        to = following(memory.stage, self._facts(now))
        if to is memory.stage:
            return
        log.info("mode niv", stage=to.value, before=memory.stage.value)
        memory.stage, self._since = to, now
        if to is Stage.JOINING:
            memory.kept = dress.kept(self._last, self._plugged())
        elif to is not Stage.RETURNING:
            memory.kept = dress.kept(self._last, ())
        if to is Stage.LOCAL:
            memory.bound, memory.taggings = {}, {}
        self._dirty()  # the next step may be possible at once

    def _facts(self, now: float) -> Facts:
        views = self._core.links()
        sessions = [view for view in views if view.state.has_session]
        return Facts(
            wanted=self.routes,
            joined=self.stage is Stage.JOINING and self._joined(now - self._since > SETTLING),
            final=bool(sessions) and all(view.final for view in sessions),
            plain=not any(view.final for view in sessions),
            released=not self._asked and not any(_holds(view) for view in views),
            overdue=now - self._since >= PATIENCE,
        )

    def _joined(self, patient: bool) -> bool:
        """A NIC that the VIS refuses keeps nobody waiting."""
        active = {veth for veth, port in self._memory.kept.ports.items() if port.phase is Phase.ACTIVE}
        for item in self._plugged():
            ident = dress.key_of(item.nic).ident
            if item.veth not in active or ident in self._refused:
                continue
            bound = self._memory.bound.get(ident)
            if bound is None or not bound.settled or (bound.state is State.BLOCKED and not patient):
                return False
        return True

    def overlay(self, compiled: Compiled) -> Compiled:
        """What is compiled, with links, VIFs and lists."""
        if self._at_ease():
            return overlay.overlaid(compiled, overlay.Places(self.stage, {}, {}))
        nics = {item.lport: bound for item, bound in self.nics()}
        uplinks = self._holdings.uplinks.items()
        links = {number: (status.lport, self._memory.taggings.get(number)) for number, status in uplinks}
        lists = {key: vifs for key, vifs in self._core.lists().items() if key[0] in self._heard}
        self._lists = lists
        heard = {links[number][0] for number in self._heard if number in links}
        before = {key: lports for key, lports in self._before.items() if key[0] not in heard}
        return overlay.overlaid(compiled, overlay.Places(self.stage, links, nics, lists, before))

    async def after(self, tell_counters: Callable[[], Awaitable[None]]) -> None:
        """The tables are in force; ``tell_counters`` tells the supervisor what all ports have counted."""
        if self.stage.extends and not self.carries:
            await tell_counters()
            self.carries = True
        elif self.carries and not self.stage.extends:
            self.carries = False
        if self.stage is Stage.LEAVING and not self._counted_anew:
            await self._count_anew()
        self._counted_anew = self.stage is Stage.LEAVING
        uplinks = [(number, item.mac, self._usable(number, item)) for number, item in self._holdings.uplinks.items()]
        if self._at_ease() and uplinks == self._uplinks:
            return
        self._uplinks = uplinks
        self._tell_core(self._clock())
        self._look()
        self.wake()

    async def _count_anew(self) -> None:
        """A new life of the counters, for when they are told again: what they told in the one before is booked.

        All that is counted now is the VIS's (Counters.niv_*), so nothing gets lost.
        """
        for item in self._plugged():
            await self._datapath.clear_counters(item.lport)
            item.life = time.time_ns()

    def _tell_core(self, now: float) -> None:
        stage, core = self.stage, self._core
        asks = stage is not Stage.LOCAL
        if asks and not self._asked:
            for view in core.links():
                if view.state is LinkState.SEARCHING:
                    core.remove_uplink(view.uplink, now)  # and ask at once
        for number, mac, usable in self._uplinks:
            core.set_uplink(number, mac, usable, now)
        core.set_mode(asks, self._tagging(), stage in (Stage.SWITCHED, Stage.FINAL), now)
        plugged = self._plugged()
        self._closing = [item for item in self._closing if any(item is other for other in plugged)]
        wishing = [item for item in plugged if not any(item is other for other in self._closing)]
        core.set_wishes([self._wish(item) for item in wishing] if stage.asks else [], now)
        core.set_lists(self._lists, now)
        self._asked = stage.asks

    def _usable(self, number: int, status: UplinkStatus) -> bool:
        wanted = self._holdings.staging.told
        uplink = wanted.uplinks.get(number)
        policy = wanted.policies.get(uplink.policy) if uplink else None
        shut = uplink is None or policy is None or uplink.shutdown or policy.shutdown
        return status.present and status.link_up and not shut

    def _tagging(self) -> Tagging:
        asked = self._holdings.staging.told.mode.tagging
        if asked is WantedTagging.NONE:
            return next(iter(self._memory.taggings.values()), Tagging.VNTAG)
        return Tagging(asked.value)

    def _wish(self, item: Attachment) -> Wish:
        key = dress.key_of(item.nic)
        known = self._memory.bound.get(key.ident) or Bound(0, 0)
        port = self._datapath.image.ports.get(item.lport)
        return Wish(
            key,
            item.mac,
            item.profile,
            item.prepare,
            item.veth or known.veth,
            item.generation or known.generation,
            item.request,
            self._datapath.links.get(item.lport, False),
            item.effective,
            held=(known.uplink, known.vif) if known.vif else (0, 0),
            in_force=port is not None and bool(port.vif) and port.vif == known.vif and port.link == self._link(known),
        )

    def _link(self, bound: Bound) -> int:
        status = self._holdings.uplinks.get(bound.uplink)
        return status.lport if status else 0

    def _plugged(self) -> list[Attachment]:
        return self._holdings.attachments.plugged()

    # --- frames (for the control plane) -------------------------------------------------------------------------

    def receive(self, uplink: int, frame: bytes, now: float) -> None:
        """A control frame came in by an uplink."""
        self._core.receive(uplink, frame, now)
        self._look()

    def to_send(self, now: float) -> list[Frame]:
        """Frames that are due.  A host that does not want a VIS does not ask for one."""
        quiet = {view.uplink for view in self._core.links() if view.state is LinkState.SEARCHING}
        due, uplinks = self._core.to_send(now), self._holdings.uplinks
        self._look()
        silent = quiet if self.stage is Stage.LOCAL else ()
        return [(uplinks[number].lport, frame) for number, frame in due if number in uplinks and number not in silent]

    def due(self) -> float | None:
        """When to_send() has to be called next."""
        times = [self._core.next_timer()]
        if self.stage is Stage.LEAVING:
            times.append(self._since + PATIENCE)
        elif self.stage is Stage.JOINING and self._clock() - self._since <= SETTLING:
            times.append(self._since + SETTLING)
        return min((moment for moment in times if moment is not None), default=None)

    def _look(self) -> None:
        """Ask for a pass if VIF control has anything new, or the stage can go on."""
        for event in self._core.take_events():
            log.info("vif control", text=event)
        for refusal in self._core.take_refusals():
            self._refuse(refusal)
        now = self._clock()
        goes_on = following(self.stage, self._facts(now)) is not self.stage
        closed = [self.is_closed(item) for item in self._closing]
        found = self._core.bindings(), self._core.lists(), self._core.links(), goes_on, closed
        if found != self._found:
            self._found = found
            self._dirty()

    def _refuse(self, refusal: Refusal) -> None:
        """As the supervisor's own refusal: the NIC is unplugged, unless it is here in its own right still."""
        found = [item for item in self._plugged() if dress.key_of(item.nic).ident == refusal.nic.ident]
        for item in found:
            log.warning("the VIS refuses a NIC", nic=str(item.nic), reason=refusal.reason)
            if item.veth in self._memory.kept.ports or not self.routes:
                self._refused.add(refusal.nic.ident)
                continue
            item.refused = refusal.reason
            self._holdings.attachments.remove(item)
        self._dirty()


def _holds(view: LinkView) -> bool:
    """A VIS there may still have something of this host."""
    unsure = view.state in (LinkState.SYNCING, LinkState.ASKING, LinkState.SILENT)
    return unsure or (view.state is LinkState.UP and not view.empty)


__all__ = ["NivSide"]
