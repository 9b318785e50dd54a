"""Anything may die at any instant, and the guests do not notice: kill -9 of the supervisor and of an agent."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import pytest

from dvswitch.v1.manager_pb2 import HostPort
from tests.e2e.scenes import Stack, acquaint, namespace_scene, reaches
from tests.support.traffic import Received, Receiver, Sender, Sent

pytestmark = [pytest.mark.kernel, pytest.mark.slow, pytest.mark.timeout(600)]
STREAM = 120.0
"""Seconds at most; it is stopped before."""


class Stream:
    """Traffic from the near guest to the far one, for as long as the block runs."""

    def __init__(self, near: Stack, far: Stack, rate: int) -> None:
        self._receiver = Receiver(far.space, far.address)
        self._sender = Sender(near.space, far.address, rate=rate, seconds=STREAM)
        self._half = rate // 2

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self._sender.__exit__(None, None, None)
        self._receiver.__exit__(None, None, None)

    def go_on(self, halves: int = 1) -> None:
        """Wait for the traffic of so many half seconds."""
        self._sender.wait_for(halves * self._half)

    def finish(self) -> tuple[Sent, Received]:
        self._sender.stop()
        return self._sender.finish(), self._receiver.finish()


def lost(sent: Sent, received: Received) -> int:
    assert sent.sent > 0
    return sent.sent - received.received


@pytest.mark.parametrize(("engine", "rate"), [("kernel", 20_000), ("user", 5_000)])
def test_the_supervisor_dies_and_comes_back(engine: str, rate: int) -> None:
    """No frame is lost, no port flaps, no counter starts again, and a profile edit works afterwards."""
    with namespace_scene(engine) as scene:
        near, far = scene.guest(scene.alpha, "near"), scene.guest(scene.beta, "far")
        acquaint(near, far)
        before = {host.name: scene.fabric.status(host) for host in scene.fabric.hosts.values()}
        config = scene.fabric.running_config()
        with Stream(near, far, rate) as stream:
            stream.go_on()
            scene.fabric.vsm.kill()
            stream.go_on(2)
            scene.fabric.start_vsm()
            for host in scene.fabric.hosts.values():
                host.process.wait_ready(partial(scene.fabric.in_touch, host), "is in touch again")
            stream.go_on()
            sent, received = stream.finish()
        assert (lost(sent, received), received.duplicates) == (0, 0)
        assert scene.fabric.running_config() == config
        for host in scene.fabric.hosts.values():
            check_kept(before[host.name].ports, scene.fabric.status(host).ports)


def check_kept(before: Iterable[HostPort], after: Iterable[HostPort]) -> None:
    """The same ports in the same state, counters not below what they were."""
    now = {port.name: port for port in after}
    for port in before:
        assert now[port.name].state == port.state
        assert now[port.name].counters.rx_frames >= port.counters.rx_frames
        assert now[port.name].counters.tx_frames >= port.counters.tx_frames


def test_a_kernel_engine_agent_dies_and_adopts() -> None:
    """At 50,000 packets a second: killed, a second dead, started again; nothing is lost, before or after adoption."""
    with namespace_scene("kernel") as scene:
        near, far = scene.guest(scene.alpha, "near"), scene.guest(scene.beta, "far")
        acquaint(near, far)
        before = scene.fabric.status(scene.alpha)
        with Stream(near, far, 50_000) as stream:
            stream.go_on()
            scene.alpha.process.kill()
            stream.go_on(2)
            scene.fabric.start_host(scene.alpha)
            stream.go_on()
            sent, received = stream.finish()
        assert (lost(sent, received), received.duplicates) == (0, 0)
        check_kept(before.ports, scene.fabric.status(scene.alpha).ports)


def test_an_agent_starts_without_its_supervisor() -> None:
    """A user-engine agent killed while the supervisor is away brings its ports up from its own state."""
    with namespace_scene("user") as scene:
        near, far = scene.guest(scene.alpha, "near"), scene.guest(scene.beta, "far")
        acquaint(near, far)
        scene.fabric.vsm.kill()
        scene.alpha.process.kill()
        scene.fabric.start_host(scene.alpha, wait=False)
        scene.alpha.process.wait_ready(lambda: reaches(near, far), "forwards again")
        scene.fabric.start_vsm()
        scene.alpha.process.wait_ready(lambda: scene.fabric.in_touch(scene.alpha), "is in touch again")
        assert reaches(near, far, patience=20)
