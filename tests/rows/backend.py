"""What runs rows: a back end hands out engines, puts one frame in, and tells what came out.

backends_user.py and backends_kernel.py fill BACKENDS; the latter only where it can be imported.  A back end that runs
the pipeline dry (test runs) returns a Fate; one that delivers for real returns the frames that arrived, and the runner
reads the reasons off the counters, which every row compares exactly.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from vem.datapath.engine import Engine
from vem.datapath.image import Fate, Image, Niv

Delivered = Sequence[tuple[int, bytes]]
"""(lport, frame as it left, tag in band)."""


def with_nic(image: Image) -> list[int]:
    """The lports that have a NIC of their own: a VIF's frames come and go by that of its link."""
    return [lport for lport, port in image.ports.items() if not (port.link and _is_bridge(image, port.link))]


def _is_bridge(image: Image, lport: int) -> bool:
    return lport in image.ports and image.ports[lport].niv is Niv.BRIDGE


def delivered(fate: Fate) -> Delivered:
    """What a test run says would have left, and by whose NIC."""
    leaving = [copy for copy in fate.copies if not copy.reason and not copy.shared]
    return [(copy.link or copy.lport, copy.frame) for copy in leaving]


class Backend(Protocol):
    """One way to run a row."""

    engine: Engine
    """Running, with empty tables before the first row; rows load their images through vem.datapath.apply."""

    def prepare(self, image: Image) -> None:
        """Plug a NIC for every port of the image that has none yet; called before each load of an image."""

    def send(self, lport: int, frame: bytes, gso: int) -> tuple[Fate | None, Delivered]:
        """Let the frame in by ``lport``; wait until everything that will be delivered has been."""

    def close(self) -> None:
        """Remove it all."""


@dataclass(frozen=True)
class BackendKind:
    """An entry of BACKENDS."""

    name: str
    engine: str
    """"user" or "kernel": rows may be for one engine only."""
    open: Any
    """() -> Backend"""
    supports_gso: bool = True
    service_tags: bool = True
    """Whether it shows the service tag of what goes to the mobility program."""
    short_frames: bool = True
    """Whether frames below an Ethernet header's length reach the engine."""
    marks: tuple[Any, ...] = ()
    """pytest marks; kernel back ends carry pytest.mark.kernel."""


_MODULES = ("tests.rows.backends_user", "tests.rows.backends_kernel")


def backends() -> Iterable[BackendKind]:
    """Every back end whose module is there."""
    for name in _MODULES:
        if importlib.util.find_spec(name) is not None:
            yield from importlib.import_module(name).BACKENDS
