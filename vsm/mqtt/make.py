"""From the daemon's options to the publisher: reads and checks all that concerns the broker (vsm/mqtt/publisher.py)."""

from __future__ import annotations

import ssl
from pathlib import Path

from dvswitch.errors import InvalidValue
from vsm.events.bus import EventBus
from vsm.mqtt.address import parse_broker
from vsm.mqtt.publisher import Publisher
from vsm.mqtt.topics import read_prefix
from vsm.options import Options
from vsm.runtime import Runtime
from vsm.supervisor import Supervisor


def make_publisher(options: Options, supervisor: Supervisor, runtime: Runtime, bus: EventBus) -> Publisher:
    """The publisher that ``options`` ask for; InvalidValue names the option that can't be."""
    broker, path = parse_broker(options.mqtt), options.mqtt_password_file
    if path:
        read_password(path)
    return Publisher(
        supervisor,
        runtime,
        bus,
        broker,
        read_prefix(options.mqtt_prefix),
        password=lambda: read_password(path) if path else None,
        tls=_trust(options.mqtt_ca) if broker.tls else None,
    )


def read_password(path: Path) -> str:
    """The broker's password: the file's first line; InvalidValue if it can't be read."""
    try:
        return path.read_text().split("\n", 1)[0]
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidValue(
            f"MQTT password file {path}", f"can't be read: {error}", "give a file with one line"
        ) from error


def _trust(ca: Path | None) -> ssl.SSLContext:
    """Whom the broker's certificate must come from."""
    try:
        return ssl.create_default_context(cafile=str(ca) if ca else None)
    except (OSError, ssl.SSLError) as error:
        raise InvalidValue(f"option --mqtt-ca {ca}", f"can't be read: {error}", "give a PEM file") from error
