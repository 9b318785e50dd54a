"""How long a failover silences a conversation, on a host with two uplinks (tests/support/silence.py).

near - host == two uplinks == bridge - far
  \________ a cable of their own ______/
"""

from __future__ import annotations

import subprocess
from contextlib import ExitStack

from tests.bench.results import Results
from tests.e2e.scenes import BASICS, WEB
from tests.support.fabric import Fabric, Host, home, veth
from tests.support.netns import Lab, Namespace
from tests.support.processes import wait_until
from tests.support.silence import PORT, UNTOUCHED, Report, ask, parse, program
from vem.datapath.choose import why_no_kernel

MAC = "02:00:00:00:10:01"
SECONDS = 3.0
TAGGED = """\
teaming up-delay 1000
port-profile type ethernet FLAT
  switchport mode access
  switchport access vlan 10
  no shutdown
  state enabled
"""
"""Far is a plain machine; and a mended cable is used once the bridge outside forwards on it, too."""


def measure(results: Results, rounds: int, seconds: float) -> None:
    """Fill silence.*: as many failovers and failbacks as rounds, on each engine."""
    if reason := why_no_kernel():
        results.skip("silence", reason)
        return
    for engine in ("user", "kernel"):
        with ExitStack() as stack:
            _measure(results, engine, stack, rounds)


def _measure(results: Results, engine: str, stack: ExitStack, rounds: int) -> None:
    lab, path = stack.enter_context(Lab()), stack.enter_context(home())
    space, network, near, far = (lab.namespace(name) for name in ("host", "net", "near", "far"))
    for number in (1, 2):
        lab.veth(space, f"up{number}", network, f"a{number}")
    lab.veth(network, "b1", far, "eth0", peer_address="10.0.0.2/24")
    lab.bridge(network, "br0", "a1", "a2", "b1")
    lab.veth(near, "eth1", far, "eth1", peer_address="10.9.0.2/24")
    near.run(*["ip", "address", "add", "10.9.0.1/24", "dev", "eth1"])
    lab.veth(space, "vm1", near, "eth0", peer_mac=MAC, peer_address="10.0.0.1/24")
    fabric = stack.enter_context(Fabric(path))
    fabric.configure(*BASICS, TAGGED)
    specs = [f"{number},profile=FLAT,device=up{number}" for number in (1, 2)]
    host = fabric.add_host("host", engine, where=space, uplinks=specs)
    number = fabric.attach_forwarding(host, "near", mac=MAC, profile=WEB, plug=veth("vm1"))
    server = subprocess.Popen(far.command(str(program()), "serve", str(PORT)))
    stack.callback(server.wait)
    stack.callback(server.kill)
    first = _pinned(fabric, host, number)
    for _ in range(rounds):
        for state, uplink in (("down", 3 - first), ("up", first)):
            report = _conversation(near, network, f"a{first}", state)
            wait_until(lambda uplink=uplink: _pinned(fabric, host, number) == uplink, f"cable {state}")
            name = {"down": "failover", "up": "failback"}[state]
            results.add(f"silence.{engine}.{name}_ms", report.longest() * 1e3, "ms")
            results.add(f"silence.{engine}.{name}_own_ms", report.own_share() * 1e3, "ms")
            results.add(f"silence.{engine}.{name}_beside_ms", report.longest(UNTOUCHED) * 1e3, "ms")
            results.add(f"silence.{engine}.{name}_doubled", report.flows[0].doubled, "answers")


def _pinned(fabric: Fabric, host: Host, number: int) -> int:
    return next(port.pinned_uplink for port in fabric.status(host).ports if port.name == f"Veth{number}")


def _conversation(near: Namespace, network: Namespace, cable: str, state: str) -> Report:
    """Change a cable's state in the middle of it."""
    command = near.command(*ask(SECONDS, "10.0.0.2", "10.9.0.2", program=str(program())).split())
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = ""
        while "started" not in said:
            line = process.stdout.readline()
            assert line, "the conversation never began"
            said += line
        network.run("ip", "link", "set", cable, state)
        return parse(said + process.stdout.read())
