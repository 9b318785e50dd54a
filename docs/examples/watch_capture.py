"""A script without asyncio: says what a module is, then shows frames there as they come, until so many or Ctrl-C.

python docs/examples/watch_capture.py unix:/var/lib/dvswitch/vsm/operator.sock 3 20 [--point VnicRx ...]
"""

from __future__ import annotations

import sys

from dvswitch.client import BlockingSupervisor, rows


def main(address: str, slot: str, count: str, *options: str) -> None:
    """Show that many frames."""
    with BlockingSupervisor(address) as vsm:
        for module in rows(vsm.show(f"show module {slot}"), "modinfo"):
            print(f"module {module['modinf']} is {module['status']}")
        left = int(count)
        capture = vsm.live(" ".join(("module vem", slot, "execute capture", *options)))
        for text in capture:
            for line in text.splitlines()[:left]:
                print(line, flush=True)
                left -= 1
            if not left:
                break
        capture.close()  # ends the capture on the host
        print("done", flush=True)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(130)
