"""Names of topics: <prefix>/<domain>/… for each kind of document (vsm/mqtt/documents.py).  Pure.

status                      the supervisor (retained; its last will says online: false)
veth/5                      a vEth (retained)
module/3, uplink/3/1        a module, an uplink of it (retained)
profile/web                 a port-profile (retained)
migration/5                 the migration of vEth 5 while it is under way (retained)
event/migration             what happens, one topic per kind of event (not retained)
gap                         events that were lost (not retained)
sync/…                      the supervisor's note to itself: by then it has seen all that the broker retained
"""

from __future__ import annotations

import re

from dvswitch.errors import InvalidValue
from vsm.mqtt.documents import Key

_PREFIX = re.compile(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*")
_MAX_PREFIX = 100
RETAINED = ("veth", "module", "uplink", "profile", "migration")
"""First words of topics that hold an object's document."""
_ESCAPED = re.compile(r"[%+#/\x00-\x1f\x7f]")


def read_prefix(text: str) -> str:
    """A prefix for topics: words of letters, digits and ._- with slashes between; InvalidValue otherwise."""
    if len(text) > _MAX_PREFIX or not _PREFIX.fullmatch(text):
        raise InvalidValue(
            f"MQTT topic prefix '{text}'", "is not understood", "use letters, digits, '.', '_', '-', '/'"
        )
    return text


class Topics:
    """The topics of one switch."""

    def __init__(self, prefix: str, domain: int) -> None:
        self.base = f"{prefix}/{domain}"
        self.status = f"{self.base}/status"
        self.gap = f"{self.base}/gap"
        self.everything = f"{self.base}/#"

    def of(self, key: Key) -> str:
        """An object's topic."""
        kind, name = key
        words = "/".join(map(str, name)) if isinstance(name, tuple) else _escape(str(name))
        return f"{self.base}/{kind}/{words}"

    def event(self, kind: str) -> str:
        """Where events of this kind go."""
        return f"{self.base}/event/{kind}"

    def sync(self, start: str) -> str:
        """Where a start of the supervisor waits for itself."""
        return f"{self.base}/sync/{start}"

    def holds_object(self, topic: str) -> bool:
        """Whether the topic is one of an object of this switch, there or not."""
        return topic.startswith(tuple(f"{self.base}/{kind}/" for kind in RETAINED))


def _escape(name: str) -> str:
    """Wildcards and slashes of a name would cut it: they are written as %XX."""
    return _ESCAPED.sub(lambda found: f"%{ord(found[0]):02X}", name)
