"""The lab's MQTT broker: `python -m physical.broker PORT`, on loopback, until SIGTERM.

amqtt stands in for the Mosquitto of a real installation (deploy/mosquitto): it needs nothing but Python.  It knows MQTT
3.1.1 only, which supervisor and listeners find out by themselves.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from importlib.util import find_spec

_HOST = "127.0.0.1"


def available() -> bool:
    """Whether the library is installed (extra "lab" of the package)."""
    return find_spec("amqtt") is not None


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.create_server((_HOST, 0)) as probe:
        return int(probe.getsockname()[1])


def url(port: int) -> str:
    """As `vsm run --mqtt` takes it."""
    return f"mqtt://{_HOST}:{port}"


async def serve(port: int) -> None:
    """Listen until SIGTERM or SIGINT."""
    from amqtt.broker import Broker

    anyone = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
    broker = Broker({"listeners": {"default": {"type": "tcp", "bind": f"{_HOST}:{port}"}}, "plugins": anyone})
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await broker.start()
    await stop.wait()
    await broker.shutdown()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
