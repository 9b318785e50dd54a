"""Frames of the agent's own, and what they do to the accounts of others: nothing."""

from __future__ import annotations

import socket

from dvswitch.mac import MacAddress
from tests.support.fabric import home
from vem.datapath.engine import Plug
from vem.datapath.image import Policy, Port
from vem.datapath.user import UserEngine


def test_an_emitted_frame_that_nobody_took_is_not_held_against_the_next() -> None:
    engine = UserEngine()
    try:
        policy = Policy(vlan=10, forged_ok=True, learn=True, unknown_flood=True)
        engine.set_config(engine.image().control, {1: policy}, {})
        for lport in (1, 2):
            engine.set_port(lport, Port(policy=1, number=lport, mac=MacAddress(bytes(6))))
        engine.set_members({10: (1, 2)}, {10: (1, 2)})
        with home() as path:
            engine.plug(1, Plug("memory"))
            engine.plug(2, Plug("wire", local=f"unix:{path}/a", remote=f"unix:{path}/b"))
            engine.emit(2, b"\xff" * 6 + bytes(54))  # nobody is there
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as peer:
                peer.bind(str(path / "b"))
                engine.inject(1, b"\xff" * 6 + b"\x02" + bytes(53))
                assert len(peer.recv(100)) == 60
        counters = engine.counters([2])[2]
        assert (counters.tx_frames, counters.drops_out) == (1, {})
    finally:
        engine.close(keep=False)
