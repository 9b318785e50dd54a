"""Rows on the user engine: dry (Engine.test) and delivered for real through memory ports."""

from __future__ import annotations

from tests.rows.backend import BackendKind, Delivered, delivered, with_nic
from vem.datapath.engine import Plug
from vem.datapath.image import Fate, Image
from vem.datapath.user import UserEngine


class DryRun:
    """Engine.test: the loaded pipeline, nothing delivered."""

    def __init__(self) -> None:
        self.engine = UserEngine()

    def prepare(self, image: Image) -> None:
        """Nothing is plugged."""

    def send(self, lport: int, frame: bytes, gso: int) -> tuple[Fate | None, Delivered]:
        fate = self.engine.test(lport, frame, gso)
        return fate, delivered(fate)

    def close(self) -> None:
        self.engine.close(keep=False)


class MemoryPorts:
    """Frames really travel through the queues, to memory."""

    def __init__(self) -> None:
        self.engine = UserEngine()

    def prepare(self, image: Image) -> None:
        for lport in with_nic(image):
            if lport not in self.engine.plugged():
                self.engine.plug(lport, Plug("memory"))

    def send(self, lport: int, frame: bytes, gso: int) -> tuple[Fate | None, Delivered]:
        self.engine.inject(lport, frame, gso)
        found = []
        for receiver in self.engine.plugged():
            while (out := self.engine.take(receiver)) is not None:
                found.append((receiver, out))
        return None, found

    def close(self) -> None:
        self.engine.close(keep=False)


BACKENDS = [BackendKind("user-test", "user", DryRun), BackendKind("user-memory", "user", MemoryPorts)]
