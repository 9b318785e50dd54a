"""Prints what happens on the switch, each event once, through lost connections and restarts of the supervisor.

python docs/examples/follow.py unix:/var/lib/dvswitch/vsm/operator.sock [KIND ...]
python docs/examples/follow.py 192.0.2.10:4701 --tls-dir tls --name netops
"""

from __future__ import annotations

import argparse
import asyncio

from dvswitch.client import EventsLost, Supervisor, TlsFiles


async def main(address: str, kinds: list[str], tls: TlsFiles | None) -> None:
    """Until it is interrupted."""
    async with Supervisor(address, tls) as vsm:
        while True:
            try:
                async for event in vsm.events(kinds):
                    print(event.sequence, event.kind, event.object, event.what, event.text, flush=True)
            except EventsLost as lost:
                print(f"! {lost}", flush=True)  # a program would look at the state here: show(), veths()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("kinds", nargs="*")
    parser.add_argument("--tls-dir")
    parser.add_argument("--name", default="operator")
    given = parser.parse_args()
    files = TlsFiles.in_directory(given.tls_dir, given.name) if given.tls_dir else None
    asyncio.run(main(given.address, given.kinds, files))
