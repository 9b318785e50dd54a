"""What survives a VIS: its numbers, and which NIC had which VIF (one file; cards have state files of their own).

The file is replaced whole.  It is not forced to the disk: it is for a program that starts again, and after the machine
did the datapath is empty anyway, and the hosts tell all again.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import structlog

from dvswitch.errors import DvsError, StorageError
from dvswitch.v1 import vif_pb2 as pb
from dvswitch.vif import codec
from dvswitch.vif.bridge import SavedNic, SavedPort
from dvswitch.vif.messages import Attach, Tagging
from physical.niv.numbers import Numbering

FORMAT = 1
log = structlog.get_logger(__name__)


class VisState:
    """``vis.json`` in the state directory."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "vis.json"
        self.numbering = Numbering()
        self.nics: list[SavedNic] = []
        self.ports: list[SavedPort] = []
        self._written = b""
        self._load()

    def _load(self) -> None:
        """Start empty if there is nothing (readable)."""
        try:
            data = json.loads(self.path.read_bytes())
            if data["format"] != FORMAT:
                raise ValueError(f"format {data['format']} is not {FORMAT}")
            numbering = Numbering(data["numbers"])
            self.nics = [_nic_from(item) for item in data["nics"]]
            self.ports = [_port_from(item) for item in data["ports"]]
            self.numbering = numbering
        except FileNotFoundError:
            return
        except OSError as error:
            raise StorageError(f"state file {self.path}", str(error.strerror)) from error
        except (ValueError, KeyError, TypeError, DvsError) as error:
            self.nics, self.ports = [], []
            log.error("the state file can't be read; hosts tell again what they have", reason=str(error))

    @staticmethod
    def forget(directory: Path) -> None:
        """Remove the file, and those of the cards; no error if there is nothing."""
        (directory / "vis.json").unlink(missing_ok=True)
        shutil.rmtree(directory / "cards", ignore_errors=True)

    def keep(self, nics: list[SavedNic], ports: list[SavedPort]) -> None:
        """What VIF control knows now; saved if that is new, or was not saved yet."""
        if self._written and (nics, ports) == (self.nics, self.ports):
            return
        self.nics, self.ports = nics, ports
        self.save()

    def save(self) -> None:
        """Write what is held now, if it is not written already; a disk that refuses is in the log."""
        data = {
            "format": FORMAT,
            "numbers": self.numbering.saved(),
            "nics": [_nic_to(nic) for nic in self.nics],
            "ports": [{**asdict(port), "tagging": port.tagging.value} for port in self.ports],
        }
        text = json.dumps(data, separators=(",", ":")).encode()
        if text == self._written:
            return
        aside = self.path.with_suffix(".new")
        try:
            aside.write_bytes(text)
            os.replace(aside, self.path)
            self._written = text
        except OSError as error:
            self._written = b""
            log.error("state not saved; a restart would forget the latest VIFs", reason=str(error))


def _port_from(data: Mapping[str, Any]) -> SavedPort:
    held = {int(number): tuple(int(vif) for vif in vifs) for number, vifs in data["held"].items()}
    return SavedPort(**{**data, "tagging": Tagging(data["tagging"]), "held": held})


def _nic_to(nic: SavedNic) -> dict[str, Any]:
    attach = base64.b64encode(codec.wire(nic.attach)).decode()
    return {"host": nic.host, "port": nic.port, "vif": nic.vif, "attach": attach}


def _nic_from(data: Mapping[str, Any]) -> SavedNic:
    message = pb.VifMessage.FromString(base64.b64decode(data["attach"]))
    attach = codec.message_from(message)
    if not isinstance(attach, Attach):
        raise ValueError("a NIC without its attach")
    return SavedNic(str(data["host"]), int(data["port"]), int(data["vif"]), attach)
