"""A target of `mobility forward` that is frozen while its move is taken back, and wakes when the vEth is its source's
again: what lay in its sockets must come to nobody there, and it must not say that the VM were behind it (S-250).

The networks are those of test_mobility_forward.py.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from dvswitch.mac import MacAddress
from dvswitch.v1.manager_pb2 import MigrateRequest
from tests.e2e.roads import stopped
from tests.e2e.test_mobility_forward import V4, VM, Scene, scene
from tests.support.packets import FrameSocket
from tests.support.processes import PATIENCE, wait_until

pytestmark = [pytest.mark.kernel, pytest.mark.slow]
ENGINES = [("kernel", "kernel"), ("user", "user")]
RATE, ENOUGH = 500, 100
"""Frames a second and way; how many are to lie in the sockets of who is frozen."""


@pytest.mark.parametrize("engines", ENGINES, ids=[pair[0] for pair in ENGINES])
def test_a_frozen_target_that_wakes_after_the_cancel_delivers_nothing(engines: tuple[str, str]) -> None:
    with scene(engines, V4) as made, made.mover(RATE) as mover, FrameSocket(made.switch, "p2") as from_target:
        target = made.hosts[1]
        assert made.fabric.migrate(made.veth, MigrateRequest.BEGIN, target.name).state == "prepared"
        mover.place(None)
        pool = ThreadPoolExecutor(2)
        with stopped(target):
            committed = pool.submit(made.fabric.migrate, made.veth, MigrateRequest.COMMIT)
            wait_until(lambda: not _forwards(made), "the source has let go")
            time.sleep(ENOUGH / RATE)  # what comes in that time lies in the target's socket, or waits for it
            cancelled = pool.submit(made.fabric.migrate, made.veth, MigrateRequest.CANCEL)
            wait_until(lambda: _forwards(made), "the source has it back")
            mover.place(0)
        assert cancelled.result(PATIENCE).state == "cancelled"
        committed.exception(PATIENCE)
        pool.shutdown()
        wait_until(lambda: made.fabric.in_touch(target), "the target is awake")
        assert made.fabric.migrate(made.veth, MigrateRequest.BEGIN, target.name).state == "prepared"
        to_vm, from_vm = mover.finish()
        assert to_vm.sent > ENOUGH
        assert (to_vm.lost, to_vm.duplicates, from_vm.lost, from_vm.duplicates) == (0, 0, 0, 0), f"{to_vm} {from_vm}"
        (port,) = (port for port in made.fabric.status(target).ports if port.name == f"Veth{made.veth}")
        assert (port.counters.tx_frames, dict(port.counters.drops_out)) == (0, {})
        octets = MacAddress.parse(VM).octets
        assert [frame for frame in from_target.waiting() if frame[6:12] == octets] == []


def _forwards(made: Scene) -> bool:
    """On the source."""
    ports = made.fabric.status(made.hosts[0]).ports
    return [port.state for port in ports if port.name == f"Veth{made.veth}"] == ["FWD"]
