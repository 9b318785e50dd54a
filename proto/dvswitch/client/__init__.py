"""How programs reach dvswitch daemons: channels and stubs (channels.py), and a supervisor's client (supervisor.py).

    async with Supervisor("unix:/var/lib/dvswitch/vsm/operator.sock") as vsm:
        shown = await vsm.show("show interface virtual")
        await vsm.configure(["vlan 10", "name web"])
        async for event in vsm.events(kinds=["veth"]):
            print(event.text)

BlockingSupervisor (blocking.py) is the same for scripts without asyncio.  Runnable programs: docs/examples.
"""

from __future__ import annotations

from dvswitch.client.blocking import BlockingSupervisor
from dvswitch.client.channels import (
    MAX_UNIX_PATH,
    SERVER_NAME,
    TlsFiles,
    check_address,
    fabric_stub,
    host_stub,
    interruptible,
    manager_stub,
    open_aio_channel,
    open_channel,
    operator_stub,
)
from dvswitch.client.supervisor import (
    Catalog,
    Changes,
    Configured,
    EventsLost,
    Ran,
    Refused,
    Shown,
    Supervisor,
    rows,
)

__all__ = [
    "MAX_UNIX_PATH",
    "SERVER_NAME",
    "BlockingSupervisor",
    "Catalog",
    "Changes",
    "Configured",
    "EventsLost",
    "Ran",
    "Refused",
    "Shown",
    "Supervisor",
    "TlsFiles",
    "check_address",
    "fabric_stub",
    "host_stub",
    "interruptible",
    "manager_stub",
    "open_aio_channel",
    "open_channel",
    "operator_stub",
    "rows",
]
