"""The compiled client says and does, word for word, what the Python program does for the same call, and leaves to it
what it does not know: both are run with the same notes and settings, against the same agent."""

from __future__ import annotations

import os
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.libvirt import samples
from tests.libvirt.samples import MAC, SECOND, UUID
from tests.support.fabric import home
from vem.datapath.compile import CLIENT, OUTPUT
from vem.libvirt import install, settings, vsctl
from vem.libvirt.notes import DomainNote, Notes, PortNote

LEFT = 77
"""Exit code of the program that stands for Python."""
pytestmark = pytest.mark.skipif(not (OUTPUT / CLIENT).exists(), reason="the compiled client is not built: needs gcc")


class Agent(socketserver.ThreadingUnixStreamServer):
    """The socket that lets ports go live; its answer is the test's."""

    daemon_threads = True
    answer = ""

    def __init__(self, path: Path) -> None:
        self.asked: list[str] = []
        super().__init__(str(path), _Handler)


class _Handler(socketserver.StreamRequestHandler):
    server: Agent

    def handle(self) -> None:
        self.server.asked.append(self.rfile.readline().decode())
        self.wfile.write(self.server.answer.encode())


PREPARED = PortNote("vnet0", "br0", "vm", UUID, 0, MAC, "web", True, 5, 7)
AWAITED = DomainNote("vm", UUID, {MAC: 0, SECOND: 1}, 1000.5)


@dataclass(frozen=True)
class Case:
    """A call, and what there was before."""

    name: str
    words: list[str]
    answer: str = "forwarding 5 \n"
    """"" = there is no agent."""
    port: PortNote | None = PREPARED
    others: tuple[PortNote, ...] = ()
    domain: DomainNote | None = AWAITED
    settings: str = ""
    raw: str = ""
    """Instead of the port's note."""
    left: bool = False
    """Python has to do it."""


@dataclass(frozen=True)
class Outcome:
    """All that can be seen of a call."""

    code: int
    out: str
    err: str
    notes: dict[str, str] = field(default_factory=dict)
    asked: tuple[str, ...] = ()


OURS = "dvs1:vethernet=5:generation=7"
OTHER = PortNote("vnet1", "br0", "vm", UUID, 1, SECOND, "web", True, 6, 8)
STRANGER = PortNote("vnet2", "br0", "vm2", UUID.replace("5", "6"), 0, SECOND, "web", True, 9, 1)
NO_VETH = PortNote("vnet0", "br0", "vm", UUID, 0, MAC, "web")
GET, SET = samples.get_data(), samples.set_data(OURS)
LINES = """# a remark
socket = "{home}/vem.sock"   # the agent
run-dir = '{home}/run'
network-dirs = ["/a", "/b"]
supervisor-away = "allow"
bridge = ""
"""
CASES = [
    Case("get", GET),
    Case("get without a port", GET, port=None),
    Case("get of what is not known to the supervisor yet", GET, port=NO_VETH),
    Case("get after a separator", ["--timeout=5", "--", *GET[1:]]),
    Case("get without an agent", GET, answer=""),
    Case("get with settings of all kinds", GET, settings=LINES),
    Case("get of a port that must exist", GET[:1] + GET[2:], port=None, left=True),
    Case("get after the option is over", ["--if-exists", "--", *GET[2:]], port=None, left=True),
    Case("get of another id", [*GET[:-1], "external_ids:iface-id"], left=True),
    Case("get of another column", [*GET[:-1], "name"], left=True),
    Case("get of a note that can't be read", GET, raw="{", left=True),
    Case("get of a bad name", samples.get_data("../x"), left=True),
    Case("a time-out that is none", ["--timeout=x", *GET[1:]], left=True),
    Case("settings that are wrong", GET, settings='socket = "x"\nsocket = "y"\n', left=True),
    Case("settings with an unknown key", GET, settings="colour = 'x'\n", left=True),
    Case("settings of a wrong word", GET, settings="supervisor-away = 'x'\n", left=True),
    Case("set", SET),
    Case("set without a time-out", SET[1:]),
    Case("set in no time", ["--timeout=1", *SET[1:]]),
    Case("set again", SET, port=PortNote("vnet0", "br0", "vm", UUID, 0, MAC, "web", False, 5, 7), domain=None),
    Case("set with another port of the domain still waiting", SET, others=(OTHER, STRANGER)),
    Case("set with another domain's port waiting", SET, others=(STRANGER,)),
    Case("set to another vEth", samples.set_data("dvs1:vethernet=6:generation=7")),
    Case("set to what another switch said", samples.set_data("dvs2:vethernet=6")),
    Case("set to nearly ours", samples.set_data("dvs1:vethernet=-6:generation=7")),
    Case("set to ours and more", samples.set_data("dvs1:vethernet=6:generation=7 ")),
    Case("set without quotes", [*SET[:-1], "external-ids:PortData=dvs1:vethernet=6:generation=7"]),
    Case("set to nothing", samples.set_data("")),
    Case("set before it goes live", SET, "prepared 5 silent until a migration activates it\n"),
    Case("set of a blocked port", SET, "blocked 5 it is shut down\n"),
    Case("set of a refused port", SET, "refused 0 port-profile web: is full; raise its max-ports\n"),
    Case("set with an agent that makes no sense", SET, "what\n"),
    Case("set with an agent that says nothing", SET, "\n"),
    Case("set without an agent", SET, answer=""),
    Case("set of what is not plugged in", SET, port=None, left=True),
    Case("set of a name with a quote", SET, port=PortNote("vnet0", "br0", 'v"m', UUID, 0, MAC, "web", True), left=True),
    Case("set of two ids", [*SET, "external_ids:x=y"], left=True),
    Case("set of another id", [*SET[:-1], "external_ids:x=y"], left=True),
    Case("settings with an escape", SET, settings='socket = "\\u0041"\n', left=True),
    Case("add-port", samples.add(), left=True),
    Case("del-port", samples.delete(), left=True),
    Case("statistics", samples.STATISTICS, left=True),
    Case("iface-to-br", ["--timeout=5", "iface-to-br", "vnet0"], left=True),
    Case("nothing", [], left=True),
    Case("an unknown option", ["--db=x", *GET], left=True),
]


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


def prepare(path: Path, case: Case) -> None:
    """Notes and settings as they were before the call."""
    text = case.settings or 'socket = "{home}/vem.sock"\nrun-dir = "{home}/run"\n'
    (path / "settings.toml").write_text(text.replace("{home}", str(path)))
    for kind in ("ports", "domains"):
        (path / "run" / kind).mkdir(parents=True, exist_ok=True)
    for file in (path / "run").glob("*/*"):
        file.unlink()
    notes = Notes(path / "run")
    for note in (case.port, case.domain, *case.others):
        if note is not None:
            notes.keep(note)
    if case.raw:
        (path / "run/ports/vnet0.json").write_text(case.raw)


@pytest.fixture
def agent(case: Case) -> Iterator[Agent]:
    with home() as path, Agent(path / ("vem.sock.live" if case.answer else "nobody")) as server:
        server.answer = case.answer
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def seen(path: Path, agent: Agent, code: int, out: str, err: str) -> Outcome:
    notes = {str(file): file.read_text() for file in sorted((path / "run").glob("*/*"))}
    asked = tuple(agent.asked)
    agent.asked.clear()
    return Outcome(code, out, err, notes, asked)


def test_both_say_and_do_the_same(
    case: Case, agent: Agent, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(str(agent.server_address)).parent
    monkeypatch.setenv(settings.VARIABLE, str(path / "settings.toml"))
    python = path / "python"
    python.write_text(f'#!/bin/sh\nfor word; do printf "%s\\n" "$word"; done\nexit {LEFT}\n')
    python.chmod(0o755)
    prepare(path, case)
    before = seen(path, agent, LEFT, "".join(f"{word}\n" for word in case.words), "")
    done = subprocess.run([OUTPUT / CLIENT, python, *case.words], capture_output=True, text=True, timeout=60)
    compiled = seen(path, agent, done.returncode, done.stdout, done.stderr)
    if case.left:
        assert compiled == before
        return
    prepare(path, case)
    code = vsctl.main(case.words)
    assert compiled == seen(path, agent, code, *capsys.readouterr())


@pytest.mark.parametrize("built", [True, False])
def test_what_libvirtd_finds(built: bool, tmp_path: Path) -> None:
    """With the client and without it; names with blanks are nothing special."""
    python = tmp_path / "the python"
    python.write_text('#!/bin/sh\necho "python: $*"\n')
    python.chmod(0o755)
    client = tmp_path / "a client"
    if built:
        client.symlink_to(OUTPUT / CLIENT)
    program = install.write(tmp_path / "bin", python, client)
    assert program == install.write(tmp_path / "bin", python, client)
    environment = {**os.environ, settings.VARIABLE: str(tmp_path / "settings.toml")}
    (tmp_path / "settings.toml").write_text(f'run-dir = "{tmp_path}"\n')

    def said(words: list[str]) -> str:
        return subprocess.run([program, *words], env=environment, capture_output=True, text=True, timeout=60).stdout

    assert said(["show", "a b"]) == "python: show a b\n"
    assert said(GET) == ("\n" if built else f"python: {' '.join(GET)}\n")


def test_the_command_that_installs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    (scripts / "dvs-ovs-vsctl").write_text("#!/bin/sh\necho here\n")
    (scripts / "dvs-ovs-vsctl").chmod(0o755)
    monkeypatch.setattr("sys.argv", [str(scripts / "dvs-libvirt-install"), str(tmp_path / "new" / "place")])
    assert install.main() == 0
    found = subprocess.run([tmp_path / "new/place/ovs-vsctl", "x"], capture_output=True, text=True, timeout=60)
    assert found.stdout == "here\n"
    assert install.main(["a", "b"]) == install.main(["--help"]) == 1
    (tmp_path / "file").touch()
    assert install.main([str(tmp_path / "file" / "below")]) == 1
