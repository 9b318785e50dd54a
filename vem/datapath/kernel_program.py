"""The kernel engine's program as it is loaded now: with which features, and its twins for test runs and traces.

The live program, the one for test runs (both of kernel.bpf.o) and the one for traces (trace.bpf.o) are loaded one by
one, each when it is first needed; all share the pinned tables.  kernel.py puts the live one on NICs.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import structlog

from vem.datapath import feature_bits, libbpf
from vem.datapath.compile import OUTPUT
from vem.datapath.image import Fate
from vem.datapath.kernel_maps import SHARED
from vem.datapath.kernel_trace import DryTracer, Tracer
from vem.datapath.watch import Trace

_log = structlog.get_logger(__name__)

PROGRAM = OUTPUT / "kernel.bpf.o"
_LIVE, _TEST = "dvs_switch", "dvs_test"
_KEPT = ("dvs_capture", "dvs_captures", "dvs_packets")
"""Maps that go on from program to program, so that a capture does; not pinned, so they go with this process."""


def load(path: Path, pins: Path, features: int) -> libbpf.Object:
    """The live program alone, with these features (feature_bits.py).  Pins the tables that are not there yet."""
    return libbpf.Object(path, pins, SHARED, programs=(_LIVE,), constant=features)


class Programs:
    """One switch's program.  ``put`` puts another live program on all NICs, or raises EngineError."""

    def __init__(self, loaded: libbpf.Object, path: Path, pins: Path, features: int) -> None:
        self._path, self._pins = path, pins
        self._object = loaded
        self._test: libbpf.Object | None = None
        self.features = features
        """DVS_FEATURE_* that the live program has."""
        self.kept = {name: libbpf.Map(name, os.dup(loaded.maps[name].fd)) for name in _KEPT}
        self._dry = DryTracer(_tracing(path), pins, SHARED)

    @property
    def live(self) -> libbpf.Program:
        """What frames of NICs are judged by."""
        return self._object.program(_LIVE)

    def need(self, features: int, put: Callable[[libbpf.Program], None]) -> None:
        """Have a program with these features, beside those that it has, on all NICs.  No frame is lost meanwhile;
        nothing is changed on EngineError."""
        wanted = self.features | features
        if wanted == self.features:
            return
        _log.debug("loading another program", features=" ".join(feature_bits.names(wanted)))
        self._replace(self._path, wanted, put)

    def shed(self, features: int, put: Callable[[libbpf.Program], None]) -> None:
        """Have a program without these features on all NICs, as need() has one with more; the tables must not ask for
        them any more."""
        wanted = self.features & ~features
        if wanted != self.features:
            self._replace(self._path, wanted, put)

    def replace(self, path: Path, put: Callable[[libbpf.Program], None]) -> None:
        """Have the program of another .bpf.o; see need()."""
        self._replace(path, self.features, put)
        self._dry.close()
        self._dry = DryTracer(_tracing(path), self._pins, SHARED)

    def _replace(self, path: Path, features: int, put: Callable[[libbpf.Program], None]) -> None:
        fresh = self._load(path, _LIVE, features)
        try:
            put(fresh.program(_LIVE))
        except BaseException:
            put(self.live)
            fresh.close()
            raise
        self._object.close()
        self._forget_tests()
        self._object, self._path, self.features = fresh, path, features

    def _load(self, path: Path, program: str, features: int) -> libbpf.Object:
        return libbpf.Object(path, self._pins, SHARED, programs=(program,), constant=features, given=self.kept)

    def tracer(self) -> Tracer:
        """Test runs, of the program as it is on NICs."""
        self._test = self._test or self._load(self._path, _TEST, self.features)
        return Tracer(self._test)

    @contextlib.contextmanager
    def loaded_for_tests(self, features: int | None) -> Iterator[Tracer]:
        """Test runs, of a program as it is on NICs, or as it would be with exactly these features."""
        loaded = self._load(self._path, _TEST, self.features if features is None else features)
        try:
            yield Tracer(loaded)
        finally:
            loaded.close()

    def test(self, lport: int, frame: bytes, gso: int) -> Fate:
        """See Engine.test."""
        return self.tracer().test(lport, frame, gso)

    def trace(self, lport: int, frame: bytes, gso: int) -> Trace:
        """See Engine.trace."""
        return self._dry.trace(lport, frame, gso)

    def _forget_tests(self) -> None:
        if self._test:
            self._test.close()
            self._test = None

    def close(self) -> None:
        """Let go; what is on NICs stays."""
        self._dry.close()
        self._forget_tests()
        for kept in self.kept.values():
            os.close(kept.fd)
        self._object.close()


def _tracing(program: Path) -> Path:
    """The twin of a program that only traces."""
    beside = program.with_name("trace.bpf.o")
    return beside if beside.exists() else OUTPUT / beside.name


__all__ = ["PROGRAM", "Programs", "load"]
