"""Running guests as the lab sees them, and the traffic they are asked to make (their commands: physical/guest.py)."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from dvswitch.errors import DvsError, Unavailable
from dvswitch.v1 import types_pb2
from physical import control
from physical.plan import GuestPlan

_SETTLE = 0.15
"""Seconds without a new frame after which a stream has arrived as far as it will, if no more is missing than may be."""
_LATE = 8.0
"""The same when more is missing: somebody on the way may be waiting for a processor, and frames wait with it."""


@dataclass(slots=True)
class Guest:
    """A guest that runs."""

    plan: GuestPlan
    host: str
    control: control.Client
    veth: int = 0

    @property
    def nic(self) -> types_pb2.Nic:
        """As hosts and supervisor know it."""
        return types_pb2.Nic(vm=self.plan.name, index=0, adapter="vnet0")


@dataclass(frozen=True, slots=True)
class Transfer:
    """What became of a stream of frames."""

    sent: int
    received: int
    lost: int
    duplicates: int
    reordered: int
    longest_gap: float

    def __str__(self) -> str:
        return (
            f"{self.sent} sent, {self.received} received, {self.lost} lost, {self.duplicates} duplicates, "
            f"{self.reordered} reordered"
        )


@dataclass(frozen=True, slots=True)
class Stream:
    """Frames on their way from one guest to another."""

    number: int
    source: Guest
    target: Guest

    def finish(self, allowed: int = 0) -> Transfer:
        """Stop sending, let what is under way arrive, and count; so many may be ``allowed`` to be lost."""
        sent = int(self.source.control.call("stop", stream=self.number)["sent"])
        last, quiet_since = -1, time.monotonic()
        while True:
            report = self._report(sent)
            if report["received"] != last:
                last, quiet_since = report["received"], time.monotonic()
            patience = _SETTLE if report["lost"] <= allowed else _LATE
            if report["lost"] == 0 or time.monotonic() - quiet_since > patience:
                report.pop("ok")
                return Transfer(sent=sent, **report)
            time.sleep(0.01)

    def sent(self) -> int:
        """Frames sent so far."""
        return int(self.source.control.call("sent", stream=self.number)["sent"])

    def received(self) -> int:
        """Frames that arrived so far."""
        return int(self._report(0)["received"])

    def reached(self) -> int:
        """Frames up to the last one that arrived so far, with those before it that did not."""
        report = self._report(0)
        return int(report["received"]) + int(report["lost"])

    def _report(self, sent: int) -> dict[str, Any]:
        return self.target.control.call("report", stream=self.number, sent=sent, source=self.source.plan.address)


class Probe:
    """Echo requests every few milliseconds until the first answer; runs beside the caller from enter to exit."""

    def __init__(self, source: Guest, target: Guest, path: str, seconds: float = 20.0) -> None:
        self._source = source
        self._request = {"to": target.plan.address, "interval": 0.002, "timeout": seconds}
        self._seconds = seconds
        self._client = control.Client(path, f"guest {source.plan.name}")
        self._answer: dict[str, Any] = {}
        self._error: DvsError | None = None
        self._thread = threading.Thread(target=self._run, name="probe", daemon=True)

    def __enter__(self) -> Probe:
        before = self._sent()
        self._thread.start()
        deadline = time.monotonic() + self._seconds
        while self._sent() < before + 3:
            if time.monotonic() > deadline:
                raise Unavailable(f"guest {self._source.plan.name}", "does not begin to probe")
            time.sleep(0.002)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._thread.join()
        self._client.close()

    def result(self) -> float | None:
        """When the first answer came (time.monotonic), waiting for it; None when none came."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        reached: float | None = self._answer["reached_at"]
        return reached

    def _run(self) -> None:
        try:
            self._answer = self._client.call("probe", patience=self._seconds + 5, **self._request)
        except DvsError as error:
            self._error = error

    def _sent(self) -> int:
        """Frames the guest has sent."""
        nics = self._source.control.call("counters")["nics"]
        return sum(int(nic["tx_frames"]) for nic in nics.values())
