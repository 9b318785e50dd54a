"""Channels end to end, over wires that can be cut: a host's, as the supervisor shows it, and one between two switches.

    near - host "alpha" == LAG of two cables == sw1 == LAG of two cables == sw2 - far

Wires have no carrier, so a cut member is found by LACP alone: three seconds of silence at the fast rate.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from physical.cable import Cable
from physical.control import Client
from physical.neighbours import base_mac
from tests.e2e.scenes import WEB, WEB_VLAN
from tests.support.fabric import Fabric, Host, access_profile, home, wire
from tests.support.processes import Process, wait_until

UPLINKS = """\
port-profile type ethernet UPLINK
  switchport mode trunk
  switchport trunk allowed vlan all
  channel-group auto mode active
  no shutdown
  state enabled
"""
pytestmark = pytest.mark.slow
PATIENCE = 90.0
"""Seconds: LACP takes 5 to join, 3 to lose a member."""
TRUNK = "mode=trunk,allowed=1-4094"
NEAR, FAR = ("near", "02:00:00:00:30:01", "10.0.0.1"), ("far", "02:00:00:00:30:02", "10.0.0.2")


@dataclass(frozen=True)
class Room:
    """Everything that runs."""

    path: Path
    fabric: Fabric
    host: Host
    up: list[Cable]
    """Alpha's uplinks 1 and 2."""
    between: list[Cable]
    """From sw1's ports 3 and 4 to sw2's ports 1 and 2."""

    def ask(self, name: str, command: str, **arguments: object) -> dict[str, object]:
        """A guest or switch."""
        with Client(str(self.path / f"{name}.ctl"), name) as client:
            return client.call(command, **arguments)

    def pings(self) -> bool:
        """Whether near reaches far."""
        return self.ask("near", "ping", to=FAR[2], count=3)["received"] == 3

    def heard(self, name: str) -> dict[int, str]:
        """Whom a switch knows by LLDP, by port."""
        rows: Any = self.ask(name, "neighbors")["neighbors"]
        return {row["port"]: row["system"] for row in rows}

    def lag(self, name: str) -> set[int]:
        """Ports of a switch that its LAG 1 uses."""
        (lag, *_) = self.ask(name, "lags")["lags"]  # type: ignore[misc]
        return {port["port"] for port in lag["ports"] if port["active"]}

    def members(self) -> dict[str, str]:
        """Flags of show port-channel summary, the channel's own among them."""
        return dict(re.findall(r"((?:Eth3/|Po)\d+)\((\w+)\)", self.fabric.cli("show port-channel summary")))

    def wait(self, **members: str) -> None:
        """Until the summary says so."""
        wanted = {"Eth3/1": members["one"], "Eth3/2": members["two"], "Po1": members["channel"]}
        wait_until(lambda: self.members() == wanted, f"port-channel summary {wanted}", PATIENCE)


@contextmanager
def room() -> Iterator[Room]:
    """Two switches, a host and two guests."""
    with home() as path, Fabric(path) as fabric:
        fabric.configure(access_profile(WEB, WEB_VLAN), UPLINKS, "lldp enable")
        up, between = ([Cable(path, f"{name}{n}") for n in (1, 2)] for name in ("up", "isl"))
        edge = Cable(path, "edge")
        near = [f"{n},wire={cable.end('b')},{TRUNK}" for n, cable in enumerate([*up], 1)]
        near += [f"{n},wire={cable.end('a')},{TRUNK}" for n, cable in enumerate(between, 3)]
        far = [f"{n},wire={cable.end('b')},{TRUNK}" for n, cable in enumerate(between, 1)]
        far.append(f"9,wire={edge.end('a')},mode=access,vlan={WEB_VLAN}")
        lags = "ports=3-4,mode=active,rate=fast", "ports=1-2,mode=passive,rate=fast"
        _switch(path, fabric, "sw1", near, f"1,{lags[0]}", f"2,{lags[1]}")
        _switch(path, fabric, "sw2", far, f"1,{lags[1]}")
        uplinks = [f"{n},profile=UPLINK,wire={cable.end('a')},speed=10000" for n, cable in enumerate(up, 1)]
        host = fabric.add_host("alpha", "user", uplinks=uplinks)
        plug = wire(path / "vm.sw", path / "vm.nic")
        with _guest(path, NEAR, f"unix:{path}/vm.nic>unix:{path}/vm.sw"), _guest(path, FAR, str(edge.end("b"))):
            fabric.attach_forwarding(host, "near", mac=NEAR[1], profile=WEB, plug=plug)
            yield Room(path, fabric, host, up, between)
            fabric.check_accounts()


def _switch(path: Path, fabric: Fabric, name: str, ports: list[str], *lags: str) -> None:
    words = [word for port in ports for word in ("--port", port)] + [word for lag in lags for word in ("--lag", lag)]
    process = fabric.add_switch(
        name, "--name", name, "--socket", f"{path}/{name}.ctl", "--lldp", "both", "--lldp-interval", "1", *words
    )
    process.wait_ready((path / f"{name}.ctl").exists, "listens")


@contextmanager
def _guest(path: Path, who: tuple[str, str, str], plugged: str) -> Iterator[Process]:
    name, mac, address = who
    argv = [sys.executable, "-m", "physical.dvs", "guest", "run", "--name", name, "--socket", f"{path}/{name}.ctl"]
    argv += ["--nic", f"0,mac={mac},ip={address}/24,wire={plugged}"]
    with Process(name, argv, path / f"{name}.log") as process:
        process.wait_ready((path / f"{name}.ctl").exists, "listens")
        yield process


def test_the_supervisor_shows_a_channel_as_it_is() -> None:
    """Members are lost and come back; LACP's partner, LLDP's neighbours and the sum of counters are there."""
    with room() as made:
        cli = made.fabric.cli
        made.wait(one="P", two="P", channel="SU")
        assert made.lag("sw1") and wait_until(made.pings, "near reaches far", PATIENCE)
        partner = "-".join(f"{octet:x}" for octet in base_mac("sw1").octets)
        assert cli("show lacp neighbor").count(f",{partner} ") == 2
        counted = re.findall(r"^Ethernet3/\d +(\d+) +(\d+) +0$", cli("show lacp counters"), re.MULTILINE)
        assert len(counted) == 2 and all(int(number) > 0 for pair in counted for number in pair)
        channel = cli("show interface port-channel 1")
        assert "port-channel1 is up\n" in channel and "full-duplex, 20 Gb/s" in channel
        assert "Members in this channel: Eth3/1, Eth3/2" in channel
        wait_until(
            lambda: len(re.findall(r"^sw1 +Eth3/[12] .* 0/[12]$", cli("show lldp neighbors"), re.M)) == 2, "LLDP"
        )
        alphas = {1: "alpha", 2: "alpha"}.items()
        wait_until(lambda: made.heard("sw1").items() >= alphas, "sw1 hears alpha by both")
        made.up[1].cut()
        made.wait(one="P", two="s", channel="SU")
        assert wait_until(made.pings, "near reaches far by one cable", PATIENCE)
        made.up[0].cut()
        made.wait(one="s", two="s", channel="SD")
        made.up[1].mend()
        made.wait(one="s", two="P", channel="SU")
        assert wait_until(made.pings, "near reaches far by the other cable", PATIENCE)


def test_two_switches_are_one_link_apart() -> None:
    """LACP between two modelled switches: up over two cables, and traffic goes on over either of them alone."""
    with room() as made:
        wait_until(lambda: (made.lag("sw1"), made.lag("sw2")) == ({3, 4}, {1, 2}), "both members", PATIENCE)
        assert wait_until(made.pings, "near reaches far", PATIENCE)
        for cut, left in ((0, ({4}, {2})), (1, ({3}, {1}))):
            made.between[cut].cut()
            made.between[1 - cut].mend()
            wait_until(partial(_uses, made, left), f"LAG without cable {cut}", PATIENCE)
            assert wait_until(made.pings, f"near reaches far without cable {cut}", PATIENCE)
        wait_until(lambda: set(made.heard("sw2").values()) == {"sw1"}, "sw2 hears sw1, and nobody else")


def _uses(made: Room, ports: tuple[set[int], set[int]]) -> bool:
    return (made.lag("sw1"), made.lag("sw2")) == ports
