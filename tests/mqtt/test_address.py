"""Brokers' addresses, prefixes and topics, as options say them."""

from __future__ import annotations

from pathlib import Path

import pytest

from dvswitch.errors import InvalidValue
from tests.support.switches import MemoryStore
from vsm.events.bus import EventBus
from vsm.fabric.runtime import FabricRuntime
from vsm.model.state import State
from vsm.mqtt.address import Broker, parse_broker
from vsm.mqtt.make import make_publisher
from vsm.mqtt.topics import Topics, read_prefix
from vsm.options import Options
from vsm.supervisor import Supervisor


@pytest.mark.parametrize(
    ("text", "broker"),
    [
        ("mqtt://127.0.0.1", Broker("127.0.0.1", 1883)),
        ("mqtt://localhost:11883", Broker("localhost", 11883)),
        ("mqtt://[::1]:11883", Broker("::1", 11883)),
        ("mqtts://vsm@broker.lan", Broker("broker.lan", 8883, True, "vsm")),
        ("mqtts://10.0.0.9:443", Broker("10.0.0.9", 443, True)),
        ("unix:/run/broker.sock", Broker("/run/broker.sock")),
    ],
)
def test_addresses(text: str, broker: Broker) -> None:
    assert parse_broker(text) == broker
    assert broker.unix == text.startswith("unix:")


@pytest.mark.parametrize(
    "text",
    [
        *("", "broker", "unix:", "http://127.0.0.1", "mqtt://127.0.0.1:0", "mqtt://127.0.0.1:99999", "mqtt://:1883"),
        *("mqtts://a:secret@broker.lan", "mqtts://broker.lan/topic", "mqtt://[::1"),
    ],
)
def test_what_is_no_address_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(InvalidValue, match=r"is not understood.*write mqtts://HOST"):
        parse_broker(text)


@pytest.mark.parametrize("text", ["mqtt://10.0.0.9", "mqtt://broker.lan", "mqtt://[2001:db8::1]"])
def test_clear_text_stays_on_this_machine(text: str) -> None:
    with pytest.raises(InvalidValue, match="refused without TLS"):
        parse_broker(text)


def test_prefixes() -> None:
    assert read_prefix("site-1/dvs") == "site-1/dvs"
    for text in ("", "/dvs", "dvs/", "a//b", "dvs/#", "dvs/+", "a b", "x" * 101):
        with pytest.raises(InvalidValue, match="topic prefix"):
            read_prefix(text)


def test_topics_of_objects() -> None:
    topics = Topics("dvs", 7)
    assert topics.of(("uplink", (3, 1))) == "dvs/7/uplink/3/1"
    assert topics.of(("profile", "a/b+c#d%")) == "dvs/7/profile/a%2Fb%2Bc%23d%25", "names can't become other topics"
    assert topics.holds_object("dvs/7/profile/x")
    assert not topics.holds_object("dvs/7/status")


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (Options(mqtt="mqtt://192.0.2.1"), "refused without TLS"),
        (Options(mqtt="mqtt://127.0.0.1", mqtt_prefix="a/#"), "topic prefix"),
        (Options(mqtt="mqtts://u@localhost", mqtt_password_file=Path("/nonexistent")), "can't be read"),
        (Options(mqtt="mqtts://u@localhost", mqtt_ca=Path("/nonexistent")), "can't be read"),
    ],
)
async def test_options_are_checked_before_anything_starts(options: Options, word: str) -> None:
    supervisor, runtime = Supervisor(MemoryStore(State())), FabricRuntime(lambda: 0.0)
    with pytest.raises(InvalidValue, match=word):
        make_publisher(options, supervisor, runtime, EventBus(lambda: 0.0))
