"""The one engine behind a VIS's parts: the switch itself and a card per NIV host.

Each part gives the Image it wants, in numbers of its own; the hub puts them together (merge.py) and takes the engine
from one whole to the next.  What the datapath saw goes to the part that owns the port.  Calls come from several
threads (every card has its own); a lock makes them follow each other.

A card that has said nothing yet, as the VIS has just started, keeps what was found in the engine for it.
"""

from __future__ import annotations

import os
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from dvswitch.errors import Unavailable
from physical.niv import merge
from physical.niv.lists import Told, VifLists, expanded
from physical.niv.merge import Place
from physical.niv.numbers import FOREIGN, PLAIN, TUNNEL, Numbering
from physical.niv.tags import to_vif
from vem.agent.compile import restrict
from vem.datapath.apply import apply_image
from vem.datapath.engine import Engine, EngineError, Plug
from vem.datapath.image import Image, PuntedFrame, Tagging
from vem.datapath.watch import Capture, CapturedFrame

MAX_PUNTS = 512
"""Frames that wait for a part; more are lost, as in an engine."""


@dataclass(slots=True)
class _Part:
    image: Image = field(default_factory=Image)
    places: dict[int, Place] = field(default_factory=dict)
    """By the part's own lport; of NICs that are plugged."""
    waiting: frozenset[Place] = frozenset()
    """Places that are not to be used yet."""
    outward: merge.Outward | None = None
    punts: deque[PuntedFrame] = field(default_factory=deque)
    fd: int = -1
    """Readable while ``punts`` has something."""

    def in_use(self) -> dict[int, Place]:
        """Places that frames may be sent to."""
        return {local: place for local, place in self.places.items() if place not in self.waiting}


class Hub:
    """One VIS's engine and parts."""

    def __init__(
        self,
        engine: Engine,
        numbering: Numbering,
        save: Callable[[], None] = lambda: None,
        held: Told | None = None,
    ) -> None:
        """``save``: called before numbers that are new take effect; ``held``: which lists hosts go by (lists.py)."""
        self.engine, self.numbering, self._save = engine, numbering, save
        self.lock = threading.RLock()
        self.on_change: Callable[[], None] = lambda: None
        """Called (by whatever thread) when the tables have changed."""
        self._image = engine.image()
        self._saved = numbering.saved()
        self._lists = VifLists(self._image, held or {})
        self._parts: dict[str, _Part] = {}
        found = expanded(self._image)
        self._left = {
            part: restrict(found, numbering.lports(part)).image
            for part in numbering.parts() - {TUNNEL}
            if any(number in found.ports for number in numbering.lports(part))
        }
        self._merge = merge.Merge()
        self._capturing: str | None = None
        self._tunnel = 0

    @property
    def image(self) -> Image:
        """What the engine holds."""
        return self._image

    def set_tunnel(self, plug: Plug) -> None:
        """By this the mobility program is reached from now on."""
        with self.lock:
            number = self.number(TUNNEL, 1)
            self.engine.unplug(number)
            self.engine.plug(number, plug)
            self._tunnel = number

    # --- parts --------------------------------------------------------------------------------------------------

    def join(self, part: str) -> int:
        """A part begins; returns its event descriptor."""
        with self.lock:
            found = self._parts.setdefault(part, _Part())
            if found.fd < 0:
                found.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            if part in self._left:
                found.places.update(self.adopted(part)[1])
            return found.fd

    def leave(self, part: str, keep: bool) -> None:
        """A part ends; without ``keep`` its ports go."""
        with self.lock:
            found = self._parts.pop(part, None)
            if found is None:
                return
            os.close(found.fd)
            if self._capturing == part:
                self.capture(part, None)
            if keep:
                return
            self._left.pop(part, None)
            self._apply()
            self.numbering.keep_only(part, (), ())

    def adopted(self, part: str) -> tuple[Image, dict[int, Place]]:
        """What the engine had for a card when the VIS started, in the card's numbers."""
        numbers = self.numbering
        return merge.inward(self._left.get(part, Image()), numbers.lports(part), numbers.policies(part))

    def image_of(self, part: str) -> Image:
        """In the part's numbers."""
        with self.lock:
            return self.adopted(part)[0] if part in self._left else self._parts[part].image

    def places(self, part: str) -> dict[int, Place]:
        """A copy."""
        with self.lock:
            return dict(self._parts[part].places)

    def set_image(self, part: str, image: Image) -> None:
        """What a part wants from now on; EngineError: try again, image_of() says what it has."""
        with self.lock:
            known = self._parts[part]
            before, known.image = self.image_of(part), image
            left = self._left.pop(part, None)
            try:
                self._apply()
            except EngineError:
                known.image = before
                if left is not None:
                    self._left[part] = left
                raise
            self.numbering.keep_only(part, image.ports.keys() | known.places.keys(), image.policies)

    def set_place(self, part: str, local: int, place: Place | None) -> None:
        """A NIC of a card is behind that VIF from now on, or (None) nowhere."""
        with self.lock:
            try:
                self.numbering.lport(part, local)
            except Unavailable as error:
                raise EngineError(error.subject, error.problem, error.remedy) from error
            places = self._parts[part].places
            if places.get(local) == place:
                return
            places.pop(local, None)
            if place is not None:
                places[local] = place
            if part in self._left or local in self._parts[part].image.ports:
                self._apply()  # else it is nobody's yet

    def set_waiting(self, part: str, waiting: frozenset[Place]) -> None:
        """VIFs of a card that their host does not have in its tables yet: as if their NICs were nowhere."""
        with self.lock:
            known = self._parts[part]
            before, known.waiting = known.waiting, waiting
            if (before ^ waiting).isdisjoint(known.places.values()):
                return
            try:
                self._apply()
            except EngineError:
                known.waiting = before
                raise

    def number(self, part: str, local: int) -> int:
        """The engine's lport of a part's; EngineError when there is none left."""
        with self.lock:
            try:
                return self.numbering.lport(part, local)
            except Unavailable as error:
                raise EngineError(error.subject, error.problem, error.remedy) from error

    def set_held(self, held: Told) -> None:
        """Which lists the hosts go by now."""
        with self.lock:
            if held != self._lists.held:
                self._lists.held = held
                self._apply()

    def lists(self) -> Told:
        """Which lists the hosts are to go by."""
        with self.lock:
            return self._lists.to_tell(self._image)

    # --- tables -------------------------------------------------------------------------------------------------

    def _wanted(self) -> Image:
        plain, cards = self._parts.get(PLAIN, _Part()).image, []
        for key, part in self._parts.items():
            if key != PLAIN and key not in self._left:
                cards.append(self._outward(key, part))
        return self._merge.of(plain, [*self._left.values(), *cards], self._tunnel)

    def _outward(self, key: str, part: _Part) -> Image:
        numbers = self.numbering
        if part.outward is None:
            part.outward = merge.Outward(
                lambda local: numbers.lport(key, local), lambda index: numbers.policy(key, index)
            )
        try:
            return part.outward.of(part.image, part.in_use())
        except Unavailable as error:
            raise EngineError(error.subject, error.problem, error.remedy) from error

    def _apply(self) -> None:
        wanted = self._lists.complete(self._wanted(), self._image)
        if (saved := self.numbering.saved()) != self._saved:
            self._saved = saved
            self._save()
        try:
            if (first := merge.first(self._image, wanted)) is not self._image:
                apply_image(self.engine, self._image, first)
            apply_image(self.engine, first, wanted)
        except EngineError:
            self._image = self.engine.image()
            raise
        self._image = wanted
        self.on_change()

    # --- what the datapath saw ----------------------------------------------------------------------------------

    def local(self, part: str, number: int) -> int:
        """An lport of the engine as a part sees it."""
        owner = self.numbering.owner(number)
        return owner[1] if owner is not None and owner[0] == part else FOREIGN + number

    def is_mine(self, part: str, number: int) -> bool:
        """Whether an lport of the engine is a part's."""
        owner = self.numbering.owner(number)
        return owner is not None and owner[0] == part

    def pump(self) -> None:
        """Give what waits in the engine to whom it is for; to be called when the engine's event_fd() is readable."""
        with self.lock:
            found: dict[str, list[PuntedFrame]] = defaultdict(list)
            for punt in self.engine.punted():
                owner = self.numbering.owner(punt.lport)
                if owner is not None and owner[0] in self._parts:
                    found[owner[0]].append(_relocated(punt, owner[1]))
            for key, punts in found.items():
                part = self._parts[key]
                part.punts.extend(punts[: MAX_PUNTS - len(part.punts)])
                os.eventfd_write(part.fd, 1)

    def punted(self, part: str) -> list[PuntedFrame]:
        """Take a part's frames."""
        self.pump()
        with self.lock:
            known = self._parts[part]
            found = list(known.punts)
            known.punts.clear()
            with suppress(BlockingIOError):
                os.eventfd_read(known.fd)
            return found

    def emit(self, part: str, local: int, frame: bytes) -> None:
        """Send a part's own frame out of one of its ports."""
        with self.lock:
            if part == PLAIN:
                self.engine.emit(local, frame)
                return
            place = self._parts[part].in_use().get(local, Place(0, 0))
            link = self._image.ports.get(place.link)
            if link is None or not place.vif or link.tagging is Tagging.NONE:
                raise EngineError(f"lport {local}", "its NIC can't be reached now")
            self.engine.emit(place.link, to_vif(frame, link.tagging, place.vif))

    def link_up(self, part: str, local: int, seen: dict[int, bool] | None = None) -> bool:
        """Carrier of a port; of a NIC: of the link to its host.  ``seen``: links that were looked at just now."""
        with self.lock:
            if part == PLAIN:
                return self.engine.link_up(local)
            place = self._parts[part].places.get(local, Place(0, 0))
            port = self._image.ports.get(place.link)
            if port is None or port.blocked:
                return False
            found = {} if seen is None else seen
            if place.link not in found:
                found[place.link] = self.engine.link_up(place.link)
            return found[place.link]

    def flood(self, frames: Iterable[tuple[int, bytes]]) -> None:
        """Send frames out of plain ports (announcements); those that can't be sent are lost, as frames may be."""
        with self.lock:
            for lport, frame in frames:
                with suppress(EngineError):
                    self.engine.emit(lport, frame)

    def capture(self, part: str, capture: Capture | None) -> None:
        """One part captures at a time; EngineError while another does."""
        with self.lock:
            if self._capturing not in (None, part):
                if capture is None:
                    return
                raise EngineError("capture", "another one is running on this VIS", "wait until it ends")
            self._capturing = part if capture else None
            self.engine.capture(capture)

    def captured(self, part: str) -> list[CapturedFrame]:
        """What was captured for a part, in the engine's numbers."""
        with self.lock:
            return self.engine.captured() if self._capturing == part else []


def _relocated(punt: PuntedFrame, local: int) -> PuntedFrame:
    return PuntedFrame(local, punt.kind, punt.frame, punt.vlan, punt.tci, punt.time)
