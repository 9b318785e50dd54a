"""What a hypervisor manager does with the port groups: keeps its own list as the network's operators publish them.

python docs/examples/port_groups.py unix:/var/lib/dvswitch/vsm/operator.sock KVM
"""

from __future__ import annotations

import asyncio
import sys

from dvswitch.client import Supervisor


async def main(address: str, manager: str) -> None:
    """Until it is interrupted."""
    async with Supervisor(address) as vsm:
        async for step in vsm.port_groups(manager, "example 1"):
            for sign, groups in (("+", step.added), ("*", step.changed), ("-", step.removed)):
                for group in groups:
                    print(sign, group.name, f"profile={group.profile}", f"max-ports={group.max_ports}", flush=True)
            print(f"= {len(step.catalog)} port groups", flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
