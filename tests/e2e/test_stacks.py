"""Linux's own network stack at both ends, two hosts and a trunk between: both engines carry what it sends."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.scenes import DB, NamespaceScene, Stack, acquaint, namespace_scene, reaches
from tests.support.traffic import Receiver, send

pytestmark = [pytest.mark.kernel, pytest.mark.slow]
TRANSFER = 32 << 20
PORT = 8000
PATIENCE = 60.0


@pytest.fixture(scope="module", params=["kernel", "user"])
def scene(request: pytest.FixtureRequest) -> Iterator[NamespaceScene]:
    with namespace_scene(request.param) as made:
        yield made


@pytest.fixture(scope="module")
def guests(scene: NamespaceScene) -> tuple[Stack, Stack]:
    return scene.guest(scene.alpha, "near"), scene.guest(scene.beta, "far")


def test_tcp_crosses_the_trunk_unchanged(scene: NamespaceScene, guests: tuple[Stack, Stack]) -> None:
    near, far = guests
    acquaint(near, far)
    data = os.urandom(1 << 20) * (TRANSFER >> 20)
    assert carried(near, far, data) == hashlib.sha256(data).digest()
    assert carried(far, near, data) == hashlib.sha256(data).digest()
    scene.fabric.check_accounts()


def test_datagrams_cross_the_trunk_without_loss(scene: NamespaceScene, guests: tuple[Stack, Stack]) -> None:
    near, far = guests
    acquaint(near, far)
    with Receiver(far.space, far.address) as receiver:
        sent = send(near.space, far.address, rate=10_000, seconds=1)
        got = receiver.finish()
    assert (got.received, got.duplicates, got.reordered) == (sent.sent, 0, 0)
    scene.fabric.check_accounts()


def test_vlans_are_kept_apart(scene: NamespaceScene, guests: tuple[Stack, Stack]) -> None:
    near, far = guests
    stranger = scene.guest(scene.beta, "stranger", DB)
    assert not reaches(near, stranger, count=2, patience=1)
    assert reaches(near, far, count=2, patience=20)
    scene.fabric.check_accounts()


def carried(sender: Stack, receiver: Stack, data: bytes) -> bytes:
    """Send over one TCP connection; the digest of what the other end read."""
    with receiver.space.enter():
        server = socket.create_server((receiver.address, PORT))
    with sender.space.enter():
        client = socket.socket()
    with server, client, ThreadPoolExecutor(1) as pool:
        digest = pool.submit(digest_of_connection, server)
        client.settimeout(PATIENCE)
        client.connect((receiver.address, PORT))
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        return digest.result(PATIENCE)


def digest_of_connection(server: socket.socket) -> bytes:
    server.settimeout(PATIENCE)
    digest = hashlib.sha256()
    connection, _ = server.accept()
    with connection:
        connection.settimeout(PATIENCE)
        while chunk := connection.recv(1 << 20):
            digest.update(chunk)
    return digest.digest()
