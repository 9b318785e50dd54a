"""Logins by RADIUS: against FreeRADIUS where it is installed, and against a server that can be made to misbehave."""

from __future__ import annotations

import asyncio
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncssh
import pytest
from pyrad.dictionary import Dictionary
from pyrad.packet import AccessAccept, AccessReject, AuthPacket

from tests.ssh.rig import PATIENCE, Rig
from tests.support.switches import PASSWORD
from vsm.cli.session import Session
from vsm.ssh.radius import roles_in

SECRET = "Shared-secret-1"
USERS = {"alice": (b"Alice-w0rd", b'shell:roles="network-admin"'), "oscar": (b"Oscar-w0rd", b"")}
BY_RADIUS = "aaa authentication login default group radius"


class Server:
    """A RADIUS server on loopback; ``signed`` says whether its answers have a Message-Authenticator."""

    def __init__(self, address: str = "127.0.0.1", signed: bool = True) -> None:
        self._socket = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, 0))
        self.port: int = self._socket.getsockname()[1]
        self._signed = signed
        self.asked: list[str] = []
        self.answered: list[tuple[int, bool]] = []
        """Codes, and whether there was a Message-Authenticator."""
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while (received := self._socket.recvfrom(4096))[0]:
            data, client = received
            request = AuthPacket(packet=data, secret=SECRET.encode(), dict=Dictionary())
            user = request[1][0].decode()
            self.asked.append(user)
            if not request.verify_message_authenticator():
                continue
            word, pair = USERS.get(user, (None, b""))
            right = request.PwDecrypt(request[2][0]).encode() == word
            answer = request.CreateReply(message_authenticator=self._signed)
            answer.code = AccessAccept if right else AccessReject
            if right and pair:
                answer[(9, 1)] = [pair]
            self._socket.sendto(answer.ReplyPacket(), client)
            self.answered.append((answer.code, 80 in answer))

    def stop(self) -> None:
        """An empty datagram to itself ends it."""
        self._socket.sendto(b"", self._socket.getsockname())
        self._thread.join(PATIENCE)
        self._socket.close()


@contextmanager
def served(address: str = "127.0.0.1", signed: bool = True) -> Iterator[Server]:
    server = Server(address, signed)
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def silent() -> Iterator[int]:
    """A port where questions are taken and never answered."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        yield deaf.getsockname()[1]


def host(port: int, key: str = SECRET, address: str = "127.0.0.1", timeout: int = 20) -> str:
    return f"radius-server host {address} key {key} auth-port {port} timeout {timeout} retransmit 0"


async def refused(rig: Rig, user: str, password: str) -> None:
    with pytest.raises((asyncssh.PermissionDenied, asyncssh.ConnectionLost)):
        await rig.connect(user, password=password)


async def test_a_server_admits_and_says_what_for(rig: Rig) -> None:
    with served() as server:
        rig.configure(host(server.port), BY_RADIUS)
        async with await rig.connect("alice", password="Alice-w0rd") as connection:
            assert (await connection.run("configure terminal ; vlan 77")).exit_status == 0
            assert 77 in rig.supervisor.state.config.vlans
            assert "alice" in str((await connection.run("show users")).stdout)
            async with connection.start_sftp_client() as files, files.open("bootflash:note", "w") as note:
                await note.write("an administrator may write")
        async with await rig.connect("oscar", password="Oscar-w0rd") as connection:
            assert (await connection.run("show hostname")).stdout == "vsm-a\n"
            assert "% Permission denied for the role" in str((await connection.run("configure terminal")).stdout)
            async with connection.start_sftp_client() as files:
                with pytest.raises(asyncssh.SFTPError):
                    await files.open("bootflash:other", "w")
        asked = len(server.asked)
        await refused(rig, "bad user", "Alice-w0rd")
        await refused(rig, "alice", "")
        assert len(server.asked) == asked, "these are no questions for a server"


async def test_a_refusal_is_final_and_keys_are_not_asked_about(rig: Rig) -> None:
    mine = asyncssh.generate_private_key("ssh-ed25519")
    rig.configure(f"username admin sshkey {mine.export_public_key().decode().strip()}")
    with served() as server:
        rig.configure(host(server.port), f"{BY_RADIUS} local")
        await refused(rig, "admin", PASSWORD)
        assert set(server.asked) == {"admin"}
        server.asked.clear()
        async with await rig.connect("admin", password=None, client_keys=[mine]) as connection:
            assert (await connection.run("configure terminal")).exit_status == 0
        assert server.asked == []
        rig.configure("no aaa authentication login default")
        async with await rig.connect("admin"):
            assert server.asked == []


async def test_the_next_server_is_asked_when_one_is_silent(rig: Rig) -> None:
    with silent() as port, served("::1") as server:
        rig.configure(host(port, timeout=1), host(server.port, address="::1"), BY_RADIUS)
        async with await rig.connect("alice", password="Alice-w0rd"):
            assert server.asked == ["alice"]


async def test_local_users_when_all_are_silent_and_only_if_so_configured(rig: Rig) -> None:
    with silent() as port:
        rig.configure(host(port, timeout=1), f"{BY_RADIUS} local")
        async with await rig.connect("admin") as connection:
            assert (await connection.run("configure terminal")).exit_status == 0
        await refused(rig, "alice", "Alice-w0rd")
        rig.configure(BY_RADIUS)
        await refused(rig, "admin", PASSWORD)


@pytest.mark.parametrize(("key", "signed"), [("another-key", True), (SECRET, False)], ids=["wrong key", "not signed"])
async def test_an_answer_that_proves_nothing_is_none(rig: Rig, key: str, signed: bool) -> None:
    with served(signed=signed) as server:
        rig.configure(host(server.port, key, timeout=2), BY_RADIUS)
        await refused(rig, "alice", "Alice-w0rd")
        assert set(server.answered) == (set() if signed else {(AccessAccept, False)}) and "alice" in server.asked


async def test_nobody_else_waits_for_a_silent_server(rig: Rig) -> None:
    rig.add_user("bob", "network-operator")
    mine = asyncssh.generate_private_key("ssh-ed25519")
    rig.configure(f"username bob sshkey {mine.export_public_key().decode().strip()}")
    with silent() as port:
        rig.configure(host(port, timeout=1), f"{BY_RADIUS} local")
        waiting = asyncio.create_task(rig.connect("admin"))
        async with await rig.connect("bob", password=None, client_keys=[mine]) as connection:
            assert (await connection.run("show hostname")).stdout == "vsm-a\n"
        (await waiting).close()


def test_roles_in_attributes() -> None:
    assert roles_in([b'shell:roles="network-admin vlan-team"']) == ("network-admin", "vlan-team")
    assert roles_in([b"shell:priv-lvl=15", b"shell:roles*network-admin"]) == ("network-admin",)
    assert roles_in([]) == roles_in([b'shell:roles=""']) == roles_in([b"\xff"]) == ("network-operator",)


@pytest.mark.parametrize("line", [f"radius-server host 192.0.2.1 key {SECRET} timeout 3", f"rad ho ::1 k 0 {SECRET}"])
def test_the_history_has_no_keys(line: str) -> None:
    session = Session("one")
    session.remember(line)
    assert session.history == [line.replace(SECRET, "*")]


FREERADIUS = """
prefix = /usr
logdir = {0}
run_dir = {0}
raddbdir = {0}
security {{
    allow_core_dumps = no
}}
client here {{
    ipaddr = 127.0.0.1
    secret = {1}
    require_message_authenticator = yes
}}
modules {{
    files {{
        usersfile = {0}/users
    }}
    pap {{
    }}
}}
server default {{
    listen {{
        type = auth
        ipaddr = 127.0.0.1
        port = {2}
    }}
    authorize {{
        files
        pap
        update reply {{
            Message-Authenticator := 0x00
        }}
    }}
    authenticate {{
        pap
    }}
}}
"""
PEOPLE = """
alice Cleartext-Password := "Alice-w0rd"
    Cisco-AVPair = "shell:roles=\\"network-admin\\""

oscar Cleartext-Password := "Oscar-w0rd"
"""


@pytest.mark.skipif(shutil.which("freeradius") is None, reason="FreeRADIUS is not installed")
async def test_freeradius(rig: Rig, tmp_path: Path) -> None:
    with silent() as port:
        pass
    directory = tmp_path / "freeradius"
    directory.mkdir()
    (directory / "radiusd.conf").write_text(FREERADIUS.format(directory, SECRET, port))
    (directory / "users").write_text(PEOPLE)
    (directory / "dictionary").write_text("")
    server = await asyncio.create_subprocess_exec(
        "freeradius", "-f", "-X", "-d", str(directory), stdout=asyncio.subprocess.PIPE, limit=1 << 20
    )
    try:
        assert server.stdout
        async with asyncio.timeout(PATIENCE):
            await server.stdout.readuntil(b"Ready to process requests")
        rig.configure(host(port), BY_RADIUS)
        async with await rig.connect("alice", password="Alice-w0rd") as connection:
            assert (await connection.run("configure terminal")).exit_status == 0
        async with await rig.connect("oscar", password="Oscar-w0rd") as connection:
            assert "% Permission denied for the role" in str((await connection.run("configure terminal")).stdout)
        await refused(rig, "alice", "wrong")
    finally:
        server.terminate()
        await server.communicate()
