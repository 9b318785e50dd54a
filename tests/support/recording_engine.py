"""An Engine that forwards nothing: it holds the tables it is given and remembers every call, so that tests of the
control side can ask what was done, in which order, and what the tables held at each instant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from dvswitch.mac import MacAddress
from vem.datapath.engine import NO_LISTS, Engine, EngineError, ListChanges, Plug
from vem.datapath.image import Control, Counters, Fate, Group, Image, LearnedMac, Policy, Port, PuntedFrame, Team
from vem.datapath.watch import Capture, CapturedFrame, CaptureState, LastDrop, Trace

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True)
class Call:
    """One call that changed something, and the tables after it."""

    name: str
    arguments: tuple[object, ...]
    after: Image


class RecordingEngine(Engine):
    """Tables in dictionaries; ``calls`` grows with every change."""

    kind = "user"

    def __init__(self) -> None:
        self.incarnation = "recorded"
        self.calls: list[Call] = []
        self.emitted: list[tuple[int, bytes]] = []
        self.learned_macs: list[LearnedMac] = []
        self.counted: dict[int, Counters] = {}
        self.down: set[int] = set()
        self.punts: list[PuntedFrame] = []
        """What punted() shall give next."""
        self.punt_fd = -1
        """What event_fd() shall give: a descriptor that the test makes readable."""
        self.fail_on: str = ""
        """Name of a method that shall raise EngineError."""
        self.closed: bool | None = None
        self._plugs: dict[int, Plug] = {}
        self._image = Image()

    def changes(self) -> list[str]:
        """Names of the calls so far that changed tables; not the frames sent, which go by clocks of their own (a port's
        announcements are repeated for seconds after it went live)."""
        return [call.name for call in self.calls if call.name != "emit"]

    def _note(self, name: str, *arguments: object) -> None:
        self.calls.append(Call(name, arguments, self._image))

    def _check(self, name: str) -> None:
        if self.fail_on == name:
            raise EngineError(name, "was told to fail")

    def plug(self, lport: int, plug: Plug) -> None:
        self._check("plug")
        if self._plugs.get(lport) != plug:
            self._plugs[lport] = plug
            self._note("plug", lport, plug)

    def unplug(self, lport: int) -> None:
        if self._plugs.pop(lport, None):
            self._note("unplug", lport)

    def plugged(self) -> Mapping[int, Plug]:
        return dict(self._plugs)

    def link_up(self, lport: int) -> bool:
        return lport not in self.down

    def emit(self, lport: int, frame: bytes) -> None:
        self.emitted.append((lport, frame))
        self._note("emit", lport, frame)

    def set_config(self, control: Control, policies: Mapping[int, Policy], teams: Mapping[int, Team]) -> None:
        self._check("set_config")
        self._image = replace(self._image, control=control, policies=dict(policies), teams=dict(teams))
        self._note("set_config")

    def set_port(self, lport: int, port: Port | None) -> None:
        self._check("set_port")
        self._image = replace(self._image, ports=_edited(self._image.ports, {lport: port}))
        self._note("set_port", lport, port)

    def set_static_macs(self, entries: Mapping[MacAddress, int | None]) -> None:
        self._check("set_static_macs")
        self._image = replace(self._image, static_macs=_edited(self._image.static_macs, entries))
        self._note("set_static_macs", dict(entries))

    def set_members(self, members: ListChanges, unknown: ListChanges, promiscuous: ListChanges = NO_LISTS) -> None:
        self._check("set_members")
        self._image = replace(
            self._image,
            members=_edited(self._image.members, members),
            unknown_members=_edited(self._image.unknown_members, unknown),
            promiscuous_members=_edited(self._image.promiscuous_members, promiscuous),
        )
        self._note("set_members", dict(members), dict(unknown), dict(promiscuous))

    def set_groups(self, groups: Mapping[Group, tuple[int, ...] | None]) -> None:
        self._check("set_groups")
        self._image = replace(self._image, groups=_edited(self._image.groups, groups))
        self._note("set_groups", dict(groups))

    def set_vif_lists(self, lists: Mapping[tuple[int, int], tuple[int, ...] | None]) -> None:
        self._check("set_vif_lists")
        self._image = replace(self._image, vif_lists=_edited(self._image.vif_lists, lists))
        self._note("set_vif_lists", dict(lists))

    def image(self) -> Image:
        return self._image

    def learned(self) -> list[LearnedMac]:
        return list(self.learned_macs)

    def remember(self, macs: Iterable[LearnedMac]) -> None:
        known = {(entry.mac, entry.vlan) for entry in self.learned_macs}
        self.learned_macs += [entry for entry in macs if (entry.mac, entry.vlan) not in known]
        self._note("remember", self.learned_macs)

    def forget(self, macs: Iterable[LearnedMac]) -> None:
        gone = list(macs)
        self.learned_macs = [entry for entry in self.learned_macs if entry not in gone]
        self._note("forget", tuple(gone))

    def learned_counts(self) -> dict[int, int]:
        return dict(Counter(entry.lport for entry in self.learned_macs))

    def counters(self, lports: Iterable[int] | None = None) -> dict[int, Counters]:
        wanted = self._image.ports if lports is None else lports
        return {lport: self.counted.get(lport, Counters()) for lport in wanted}

    def clear_counters(self, lport: int) -> None:
        self.counted.pop(lport, None)
        self._note("clear_counters", lport)

    def punted(self) -> list[PuntedFrame]:
        found, self.punts = self.punts, []
        return found

    def event_fd(self) -> int:
        return self.punt_fd

    def punts_lost(self) -> int:
        return 0

    def trace(self, lport: int, frame: bytes, gso: int = 0) -> Trace:
        raise NotImplementedError("a recording forwards nothing")

    def capture(self, capture: Capture | None) -> None:
        self._note("capture", capture)

    def captured(self) -> list[CapturedFrame]:
        return []

    def capture_fd(self) -> int:
        return self.punt_fd

    def capture_state(self) -> CaptureState:
        return CaptureState(0, 0)

    def last_drops(self, lports: Iterable[int] | None = None) -> list[LastDrop]:
        return []

    def test(self, lport: int, frame: bytes, gso: int = 0) -> Fate:
        raise NotImplementedError("a recording forwards nothing")

    def close(self, keep: bool) -> None:
        self.closed = keep


def _edited(table: Mapping[K, V], changes: Mapping[K, V | None]) -> dict[K, V]:
    edited = {key: value for key, value in table.items() if key not in changes}
    edited.update((key, value) for key, value in changes.items() if value is not None)
    return edited
