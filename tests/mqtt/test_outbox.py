"""What waits for the broker: bounded, objects before events, nothing lost without being counted."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from vsm.mqtt.documents import Document, EventDocument, Key, VethDocument
from vsm.mqtt.outbox import Message, Outbox
from vsm.mqtt.topics import Topics

TOPICS = Topics("dvs", 100)


def event(number: int) -> EventDocument:
    return EventDocument("s", number, 0, 0, "veth", "vethernet 1", "moved", "It moved.", 1)


def veth(key: Key) -> Document:
    number = int(str(key[1]))
    return VethDocument(number, "vm", "", 0, "", "02:00:00:00:00:01", "web", 3, "a", "up", "none", 1)


def gone(key: Key) -> None:
    return None


def sequences(batch: list[Message]) -> list[int]:
    return [message.event.sequence for message in batch if message.event]


def test_objects_go_first_once_and_only_when_they_changed() -> None:
    box = Outbox("s")
    box.happened(event(1))
    box.touch([("veth", 5), ("veth", 6), ("veth", 5)])
    first = box.take(TOPICS, 100, veth)
    assert [message.topic for message in first] == ["dvs/100/veth/5", "dvs/100/veth/6", "dvs/100/event/veth"]
    for message in first:
        box.acknowledged(message)
    box.touch([("veth", 5)])
    assert box.take(TOPICS, 100, veth) == [], "the broker has just that"
    box.touch([("veth", 5)])
    (cleared,) = box.take(TOPICS, 100, gone)
    assert (cleared.topic, cleared.payload, cleared.retain) == ("dvs/100/veth/5", b"", True)
    box.acknowledged(cleared)
    box.touch([("veth", 5)])
    assert box.take(TOPICS, 100, gone) == [], "it is gone there already"


def test_objects_wait_as_names_so_that_a_late_broker_gets_the_present() -> None:
    box = Outbox("s")
    for _ in range(100_000):
        box.touch([("veth", 5)])
    assert len(box) == 1


def test_beyond_the_limit_the_oldest_events_go_and_are_counted() -> None:
    box = Outbox("s", limit=10)
    for number in range(1, 26):
        box.happened(event(number))
    assert len(box) == 11
    batch = box.take(TOPICS, 100, veth)
    assert batch[0].topic == "dvs/100/gap"
    assert json.loads(batch[0].payload) == {"start": "s", "lost": 15, "first": 1, "last": 15}
    assert sequences(batch) == list(range(16, 26))
    assert box.lost == 15


def test_what_was_not_acknowledged_is_first_the_next_time() -> None:
    box = Outbox("s", limit=3)
    for number in range(1, 6):
        box.happened(event(number))
    batch = box.take(TOPICS, 2, veth)
    box.put_back(batch)
    again = box.take(TOPICS, 100, veth)
    assert again[0].topic == "dvs/100/gap"
    assert sequences(again) == [3, 4, 5]


def test_what_a_former_supervisor_left_is_taken_back() -> None:
    box = Outbox("s")
    box.broker_holds(["dvs/100/veth/5", "dvs/100/veth/9", "dvs/100/status", "dvs/100/other/9", "dvs/1000/veth/7"])
    stale = box.clearing(TOPICS, [("veth", 5)])
    assert [message.topic for message in stale] == ["dvs/100/veth/9"]
    box.touch([("veth", 5)])
    assert [message.topic for message in box.take(TOPICS, 9, veth)] == ["dvs/100/veth/5"], "its content is not known"


steps = st.lists(
    st.one_of(
        st.just("happen"),
        st.tuples(st.just("send"), st.integers(1, 9)),
        st.tuples(st.just("break"), st.integers(1, 9), st.integers(0, 9)),
    ),
    max_size=60,
)


@given(steps, st.integers(1, 8))
def test_every_event_arrives_or_is_counted(program: list[object], limit: int) -> None:
    """Whatever breaks when: told at least once or in a gap, and in order."""
    box, made, told, lost = Outbox("s", limit), 0, [], 0

    def deliver(batch: list[Message]) -> None:
        nonlocal lost
        for message in batch:
            box.acknowledged(message)
            lost += message.gap.lost if message.gap else 0
        told.extend(sequences(batch))

    for step in program:
        match step:
            case "happen":
                made += 1
                box.happened(event(made))
            case ("send", int(most)):
                deliver(box.take(TOPICS, most, veth))
            case ("break", int(most), int(arrived)):
                batch = box.take(TOPICS, most, veth)
                deliver(batch[:arrived])
                box.put_back(batch[arrived:])
        assert len(box) <= limit + 1
    while batch := box.take(TOPICS, 5, veth):
        deliver(batch)
    assert told == sorted(set(told))
    assert len(told) + lost == made
    assert box.lost == lost
