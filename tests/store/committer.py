"""Run as a child: commits to a store in a loop, and writes a line for each commit once it has been acknowledged.

The store is tidied up at the same time.
"""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import replace

from vsm.model.state import State, Vlan
from vsm.store.sqlite import SqliteStore
from vsm.supervisor import Supervisor


def main() -> None:
    """Commit until killed; each acknowledged revision is one line on standard output."""
    store = SqliteStore(sys.argv[1])
    supervisor = Supervisor(store)
    threading.Thread(target=store.tidy, daemon=True).start()
    while True:
        supervisor.transact(_next_change)
        os.write(1, b"%d\n" % supervisor.state.revision)


def _next_change(state: State) -> State:
    """Revision r has VLANs that tell it from all others: number 2 is named after it, others come and go."""
    number = state.revision + 1
    vlans = dict(state.config.vlans)
    vlans[2] = Vlan(2, f"r{number}")
    vlans[number % 4000 + 3] = Vlan(number % 4000 + 3, f"new{number}")
    vlans.pop((number - 5) % 4000 + 3, None)
    return replace(state, config=replace(state.config, vlans=vlans))


if __name__ == "__main__":
    main()
