"""Long configurations: how long the supervisor takes to load one, to take it line by line, and to show it."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from dvswitch.mac import MacAddress
from tests.bench.results import Results
from tests.support.fake_runtime import FakeRuntime
from vsm.cli.service import CliService
from vsm.model.settings import PortMode, Settings
from vsm.model.state import Config, Inventory, Nic, PortProfile, State, Veth
from vsm.store.bootflash import Bootflash
from vsm.store.sqlite import SqliteStore
from vsm.supervisor import Supervisor

LINES, PASTED = 10_000, 1_000
PROFILES, VETHS = 1_000, 10_000
_LINES_OF_A_PROFILE = 10


def measure(results: Results, rounds: int, seconds: float) -> None:
    """Fill config.*; `seconds` does not matter: the work is fixed."""
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as directory:
            _load(Path(directory), results)
        with tempfile.TemporaryDirectory() as directory:
            _paste(Path(directory), results)
        with tempfile.TemporaryDirectory() as directory:
            _show(Path(directory), results)


def _load(home: Path, results: Results) -> None:
    """`copy FILE running-config` of a new switch, until it is durable."""
    service, store = _switch(home, State())
    Bootflash(home / "bootflash").write("long", "\n".join(profile_lines(LINES)).encode())
    _timed(results, "config.load_10000_lines_ms", service, ["copy bootflash:long running-config"])
    store.close()


def _paste(home: Path, results: Results) -> None:
    """Lines one by one, each of which is durable before it is answered."""
    service, store = _switch(home, State())
    _timed(results, "config.paste_1000_lines_ms", service, ["configure terminal", *profile_lines(PASTED)])
    store.close()


def _show(home: Path, results: Results) -> None:
    service, store = _switch(home, big_switch())
    _timed(results, "config.show_running_ms", service, ["show running-config"])
    _timed(results, "config.show_interface_json_ms", service, ["show interface | json"])
    store.close()


def profile_lines(count: int) -> list[str]:
    """So many lines that make profiles."""
    found: list[str] = []
    for number in range(count // _LINES_OF_A_PROFILE):
        found += [
            f"port-profile type vethernet P{number}",
            "  port-group",
            "  switchport mode access",
            f"  switchport access vlan {number % 4000 + 1}",
            "  security forged-transmits accept",
            "  mac-learning enable",
            "  no shutdown",
            "  max-ports 64",
            f"  description number {number}",
            "  state enabled",
        ]
    return found


def big_switch() -> State:
    """PROFILES profiles and VETHS vEths on 60 hosts."""
    said = Settings(mode=PortMode.ACCESS, access_vlan=10, shutdown=False, mac_learning=True)
    profiles = [PortProfile(f"P{n}", policy_id=n + 1, settings=said, enabled=True) for n in range(PROFILES)]
    veths = [
        Veth(n, Nic(f"vm-{n}", 0, "eth0"), MacAddress(b"\x02\0" + n.to_bytes(4, "big")), f"P{n % PROFILES}", 3 + n % 60)
        for n in range(1, VETHS + 1)
    ]
    config = Config(profiles={profile.name: profile for profile in profiles})
    return State(config, Inventory(veths={veth.number: veth for veth in veths}, next_policy_id=PROFILES + 1))


def _switch(home: Path, start: State) -> tuple[CliService, SqliteStore]:
    store = SqliteStore(home / "vsm.db")
    supervisor = Supervisor(store)
    supervisor.transact(lambda _: start)
    return CliService(supervisor, FakeRuntime(), time.time, files=Bootflash(home / "bootflash")), store


def _timed(results: Results, key: str, service: CliService, lines: list[str]) -> None:
    start = time.perf_counter()
    for line in lines:
        reply = service.execute("bench", line)
        assert reply.ok, f"{line}: {reply.output}"
    results.add(key, (time.perf_counter() - start) * 1e3, "ms")
