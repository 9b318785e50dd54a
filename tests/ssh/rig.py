"""An SSH server of this process over a small switch, and clients of other makes for it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import asyncssh

from tests.support.switches import PASSWORD, MemoryStore, machine, runtime, state
from vsm.cli.service import CliService
from vsm.events.bus import EventBus
from vsm.model.state import State
from vsm.model.users import Access, Role, Rule, User
from vsm.options import Options
from vsm.ssh.front import SshFront
from vsm.store.bootflash import Bootflash
from vsm.supervisor import Supervisor

PROMPT = "vsm-a# "
PATIENCE = 60.0


class Rig:
    """The server and what is behind it."""

    def __init__(self, directory: Path, start: State | None = None) -> None:
        self.directory = directory
        files = Bootflash(directory / "bootflash")
        self.supervisor = Supervisor(MemoryStore(start or state()))
        self.cli = CliService(self.supervisor, runtime(), time.time, files=files, machine=machine())
        self.bus = EventBus(time.time)
        options = Options(data=directory, ssh=["127.0.0.1:0"], login_penalty_s=0.05)
        self.front = SshFront(options, self.supervisor, self.cli, self.bus, files)
        self.port = 0

    async def __aenter__(self) -> Rig:
        (address,) = await self.front.start()
        self.port = int(address.rpartition(":")[2])
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.front.stop()

    async def connect(self, user: str = "admin", **options: object) -> asyncssh.SSHClientConnection:
        """Log in with the password, unless ``options`` say otherwise."""
        how = {"password": PASSWORD, "client_keys": None, **options}
        return await asyncssh.connect(
            "127.0.0.1", self.port, username=user, known_hosts=None, config=None, agent_path=None, **how
        )

    def configure(self, *lines: str) -> None:
        """Say lines as the system's user, in configuration mode."""
        for line in ("configure terminal", *lines):
            reply = self.cli.execute("rig", line)
            assert reply.ok, reply.output

    def add_user(self, name: str, *roles: str, rules: Sequence[Rule] = ()) -> None:
        """A user with the same password as everybody; with ``rules`` also the role of that name."""
        config = self.supervisor.state.config
        password = config.users["admin"].password
        made = {role: Role(role, rules=tuple(rules)) for role in roles if rules}
        users = {**config.users, name: User(name, password, roles)}
        config = replace(config, users=users, roles={**config.roles, **made})
        self.supervisor.transact(lambda now: replace(now, config=config))


def permit(number: int, command: str) -> Rule:
    """A rule for commands that begin so."""
    return Rule(number, True, Access.COMMAND, command)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what another task or program does."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


class Typist:
    """A terminal over SSH."""

    def __init__(self, process: asyncssh.SSHClientProcess[str]) -> None:
        self.process = process

    async def says(self, text: str, end: str = PROMPT) -> str:
        """Type ``text`` and give what comes back up to ``end``."""
        self.process.stdin.write(text)
        return await self.shows(end)

    async def shows(self, end: str) -> str:
        """What is written up to ``end``."""
        async with asyncio.timeout(PATIENCE):
            return await self.process.stdout.readuntil(end)


@asynccontextmanager
async def terminal(connection: asyncssh.SSHClientConnection, term: str = "vt100") -> AsyncIterator[Typist]:
    """A shell on a terminal of 80 by 24, at its first prompt."""
    async with connection.create_process(term_type=term, term_size=(80, 24)) as process:
        typist = Typist(process)
        await typist.shows(PROMPT)
        yield typist
        process.close()


def openssh(rig: Rig, program: str, directory: Path, *arguments: str) -> tuple[list[str], dict[str, str]]:
    """OpenSSH's ``program`` with options for the rig and an environment that answers its question for the password."""
    answer = directory / "answer"
    answer.write_text(f"#!/bin/sh\necho '{PASSWORD}'\n")
    answer.chmod(0o700)
    options = {
        "StrictHostKeyChecking": "no",
        "UserKnownHostsFile": "/dev/null",
        "LogLevel": "ERROR",
        "IdentitiesOnly": "yes",
        "IdentityFile": "/dev/null",
        "PreferredAuthentications": "password",
    }
    said = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
    port = "-p" if program == "ssh" else "-P"
    environ = {**os.environ, "SSH_ASKPASS": str(answer), "SSH_ASKPASS_REQUIRE": "force", "TERM": "xterm"}
    return [program, "-F", "none", *said, port, str(rig.port), *arguments], environ
