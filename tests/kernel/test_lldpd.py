"""LLDP with a stranger: lldpd in a namespace, the modelled switch on a raw socket at the other end of a veth."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dvswitch.lldp_agent import Mode, Neighbour
from physical.neighbours import Neighbours, base_mac
from physical.switch import Switch
from physical.switch_config import PortConfig, SwitchConfig
from tests.support.netns import Lab, Namespace
from vem.datapath.engine import Plug
from vem.datapath.user import UserEngine

pytestmark = pytest.mark.kernel
PATIENCE = 60.0
START = 'mkdir -p /run/lldpd; mount -t tmpfs none /run/lldpd; exec lldpd -d -u "$0" -I eth0 -c -S peer'


@pytest.fixture
def wires() -> Iterator[tuple[Namespace, Namespace]]:
    with Lab() as lab:
        switch, peer = lab.namespace("sw"), lab.namespace("peer")
        lab.veth(switch, "swp1", peer, "eth0")
        for where, link in ((switch, "swp1"), (peer, "eth0")):
            where.up(link)
        yield switch, peer


def lldpcli(peer: Namespace, path: Path, *words: str) -> str:
    return peer.run("lldpcli", "-u", str(path), *words, check=False)


def heard(peer: Namespace, path: Path) -> dict[str, Any]:
    """lldpd's neighbour on eth0, if any."""
    found = json.loads(lldpcli(peer, path, "-f", "json", "show", "neighbors") or "{}")
    interface = found.get("lldp", {}).get("interface", {})
    return dict(interface.get("eth0", {})) if isinstance(interface, dict) else {}


@pytest.fixture
def room() -> Iterator[Path]:
    """A directory that lldpd can read after it has dropped its privileges."""
    with tempfile.TemporaryDirectory(prefix="dvs-", dir="/tmp") as made:
        Path(made).chmod(0o755)
        yield Path(made)


def test_lldpd_and_the_switch_find_each_other(wires: tuple[Namespace, Namespace], room: Path) -> None:
    """S-221 to S-223."""
    if not shutil.which("lldpd"):
        pytest.skip("needs lldpd: run deploy/setup.sh test as root")
    where, peer = wires
    path = room / "lldpd"
    daemon = subprocess.Popen(
        peer.command("unshare", "-m", "bash", "-c", START, str(path)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    engine = UserEngine()
    try:
        port = PortConfig(1, Plug("raw", device="swp1", netns=where.name))
        neighbours = Neighbours("sw1", Switch(engine, SwitchConfig.of([port])), engine, Mode.BOTH, 1.0)
        deadline = time.monotonic() + PATIENCE
        theirs: dict[str, Any] = {}
        ours: list[Neighbour] = []
        # either forgets the other within seconds, which may be less than a look takes: what was seen counts
        while time.monotonic() < deadline and not (theirs and ours):
            neighbours.step()
            ours = neighbours.neighbours() or ours
            if path.exists():
                lldpcli(peer, path, "configure", "lldp", "tx-interval", "1")
                theirs = heard(peer, path) or theirs
            time.sleep(0.1)  # between two looks; bounded by the deadline
        print(path.exists(), theirs, ours, engine.counters(), lldpcli(peer, path, "show", "neighbors"))
        assert theirs["chassis"]["sw1"]["id"] == {"type": "mac", "value": str(base_mac("sw1"))}
        assert theirs["port"]["id"]["value"] == "0/1"
        assert [(found.port, str(found.told.port)) for found in ours] != []
        neighbours.shut_down()
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and heard(peer, path):
            time.sleep(0.1)  # as above
        assert heard(peer, path) == {}
    finally:
        engine.close()
        daemon.terminate()
        daemon.wait(PATIENCE)
