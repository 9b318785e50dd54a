"""Lists the virtual ports that are down and why; with --fix NAME:VLAN, first moves a profile, all or nothing.

python docs/examples/audit.py unix:/var/lib/dvswitch/vsm/operator.sock --fix web:10
"""

from __future__ import annotations

import asyncio
import sys

from dvswitch.client import Supervisor


async def main(address: str, fix: str = "") -> int:
    """The number of ports that are down."""
    async with Supervisor(address) as vsm:
        if fix:
            profile, _, vlan = fix.partition(":")
            done = await vsm.configure([f"vlan {vlan}", f"port-profile {profile}", f"switchport access vlan {vlan}"])
            print(f"revision {done.revision}:", *done.changes, sep="\n  ")
        down = [veth for veth in await vsm.veths() if veth.state != "up"]
        for veth in down:
            print(f"Vethernet{veth.veth} {veth.nic.vm} {veth.profile}: {veth.reason}")
        return len(down)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[3] if len(sys.argv) > 3 else ""))
