"""What survives the agent: attachments, numbers given out, and the last committed wanted state, in one file.

The file is replaced whole (written aside, synced, renamed), so that a kill at any instant leaves the old or the new
one.  A file that can't be read is kept aside for people to look at; the agent then starts from what the engine holds.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from operator import attrgetter
from pathlib import Path
from typing import Any

import structlog

from dvswitch.errors import DvsError, StorageError
from dvswitch.mac import MacAddress
from dvswitch.v1 import fabric_pb2 as fabric
from vem.agent.attachments import Attachment, Stage
from vem.agent.convert import snapshot_to, update_from
from vem.agent.disk import sync_directory
from vem.agent.phases import PhaseFile, overtaken
from vem.agent.wanted import Nic, Wanted, apply_update
from vem.datapath.engine import Plug
from vem.datapath.image import Counters, Method, Team
from vem.niv import memory
from vem.niv.memory import Memory
from vem.teaming.pinning import Place

FORMAT = 1
_NIC_FIELDS = tuple(item.name for item in fields(Nic))
_PLUG_FIELDS = tuple(item.name for item in fields(Plug))
_RUN_TIME = ("request", "refused", "held_at_start", "last")
_written = attrgetter(*(item.name for item in fields(Attachment) if item.name not in _RUN_TIME))
"""What the file says of an attachment, but for its final counters."""
log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Saved:
    """Content of the state file."""

    wanted: Wanted = field(default_factory=Wanted)
    slot: int = 0
    """0: never connected."""
    attachments: list[Attachment] = field(default_factory=list)
    lports: dict[str, int] = field(default_factory=dict)
    policies: dict[int, int] = field(default_factory=dict)
    teams: dict[Team, int] = field(default_factory=dict)
    places: dict[int, Place] = field(default_factory=dict)
    """Where pinned vEths belong and are."""
    niv: Memory = field(default_factory=Memory)


class StateFile:
    """``state.json`` in the state directory."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "state.json"
        self.phases = PhaseFile(directory)
        self._wanted: tuple[Wanted, str] | None = None
        self._texts: dict[int, tuple[tuple[object, ...], str]] = {}

    def load(self) -> Saved | None:
        """What was saved last; None if nothing (readable) is there."""
        try:
            text = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError(f"state file {self.path}", str(error.strerror)) from error
        try:
            saved = decode(json.loads(text))
        except (ValueError, KeyError, TypeError, AttributeError, DvsError) as error:
            self._set_aside(error)
            return None
        saved.wanted = overtaken(saved.wanted, self.phases.load())
        return saved

    def remove(self) -> None:
        """Forget everything; no error if there is nothing."""
        self.path.unlink(missing_ok=True)
        self.phases.remove()

    def _set_aside(self, error: Exception) -> None:
        aside = self.path.with_suffix(".corrupt")
        os.replace(self.path, aside)
        log.error(
            "the state file can't be read; starting from what the datapath holds",
            file=str(self.path),
            kept_as=str(aside),
            problem=str(error) or type(error).__name__,
        )

    def encoded(self, saved: Saved) -> bytes:
        """Content of the file for a state."""
        if self._wanted is None or self._wanted[0] is not saved.wanted:
            self._wanted = (saved.wanted, encode_wanted(saved.wanted))
        texts = {item.lport: self._text(item) for item in saved.attachments}
        self._texts = {lport: self._texts[lport] for lport in texts}
        rest = json.dumps(_encode(saved, self._wanted[1]), separators=(",", ":"))
        return f'{rest[:-1]},"attachments":[{",".join(texts.values())}]}}'.encode()

    def _text(self, attachment: Attachment) -> str:
        """One attachment in JSON; made again only when it changed, as all are written whenever one is."""
        key = _written(attachment)
        known = self._texts.get(attachment.lport)
        if known is not None and known[0] == key and attachment.stage is not Stage.LEAVING:
            return known[1]
        text = json.dumps(_encode_attachment(attachment), separators=(",", ":"))
        self._texts[attachment.lport] = key, text
        return text

    def write(self, data: bytes) -> None:
        """Replace the content (made by encoded()); StorageError if the disk does not take it (the old file stays)."""
        aside = self.path.with_suffix(".new")
        try:
            with open(aside, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(aside, self.path)
            sync_directory(self.path.parent)
        except OSError as error:
            raise StorageError(f"state file {self.path}", f"can't be written: {error.strerror}") from error


# --- values <-> JSON --------------------------------------------------------------------------------------------


def _encode(saved: Saved, wanted: str) -> dict[str, Any]:
    """JSON value of a state without its attachments; ``wanted``: its wanted state as encode_wanted() gives it."""
    return {
        "format": FORMAT,
        "slot": saved.slot,
        "wanted": wanted,
        "lports": saved.lports,
        "policies": {str(policy): index for policy, index in saved.policies.items()},
        "teams": [[list(team.uplinks), number, team.method.value] for team, number in saved.teams.items()],
        "places": {str(veth): [place.home, place.current] for veth, place in saved.places.items()},
        "niv": saved.niv.encoded(),
    }


def encode_wanted(wanted: Wanted) -> str:
    """The Update that would bring a module there, in base64: what a newer VSM said is kept as it was."""
    return base64.b64encode(snapshot_to(wanted).SerializeToString(deterministic=True)).decode()


def decode(data: Mapping[str, Any]) -> Saved:
    """The state of a JSON value; any of ValueError, KeyError, TypeError, AttributeError, DvsError if it is none."""
    if data["format"] != FORMAT:
        raise ValueError(f"format {data['format']} is not {FORMAT}")
    message = fabric.Update()
    try:
        message.ParseFromString(base64.b64decode(data["wanted"], validate=True))
    except Exception as error:
        raise ValueError(f"wanted state: {error}") from error
    return Saved(
        wanted=apply_update(Wanted(), update_from(message)),
        slot=int(data["slot"]),
        attachments=[_decode_attachment(item) for item in data["attachments"]],
        lports={str(owner): int(number) for owner, number in data["lports"].items()},
        policies={int(policy): int(index) for policy, index in data["policies"].items()},
        teams={_decode_team(*item): int(item[1]) for item in data["teams"]},
        places={int(veth): Place(int(home), int(now)) for veth, (home, now) in data.get("places", {}).items()},
        niv=memory.decoded(data.get("niv", {})),
    )


def _decode_team(uplinks: list[int], number: int, method: int = 0) -> Team:
    """(Files of the first version say no method.)"""
    return Team(tuple(int(lport) for lport in uplinks), Method(method))


def _encode_attachment(attachment: Attachment) -> dict[str, Any]:
    return {
        "nic": _fields(attachment.nic, _NIC_FIELDS),
        "mac": str(attachment.mac),
        "profile": attachment.profile,
        "plug": _fields(attachment.plug, _PLUG_FIELDS),
        "lport": attachment.lport,
        "prepare": attachment.prepare,
        "veth": attachment.veth,
        "generation": attachment.generation,
        "life": attachment.life,
        "stage": attachment.stage.value,
        "effective": str(attachment.effective or ""),
        "last": asdict(attachment.last) if attachment.stage is Stage.LEAVING else {},
    }


def _fields(value: object, names: tuple[str, ...]) -> dict[str, Any]:
    """Fields that are set.  (dataclasses.asdict is ten times slower, and this runs for every port in every pass.)"""
    return {name: item for name in names if (item := getattr(value, name))}


def _decode_attachment(data: Mapping[str, Any]) -> Attachment:
    return Attachment(
        nic=Nic(**{"vm": "", **data["nic"]}),
        mac=MacAddress.station(data["mac"]),
        profile=str(data["profile"]),
        plug=Plug(**data["plug"]),
        lport=int(data["lport"]),
        prepare=bool(data["prepare"]),
        veth=int(data["veth"]),
        generation=int(data["generation"]),
        life=int(data.get("life", 0)),
        stage=Stage(data["stage"]),
        effective=MacAddress.station(effective) if (effective := data.get("effective")) else None,
        last=Counters(**data["last"]),
    )
