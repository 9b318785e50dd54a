"""An agent in miniature, to be killed: holds a kernel engine with guests plugged in, and says so.

python -m tests.kernel.holder NAME ROOT METHOD NETNS LPORT...
"""

from __future__ import annotations

import signal
import sys

from tests.rows.world import access, vnic, world
from vem.datapath.apply import apply_image
from vem.datapath.engine import Plug
from vem.datapath.image import Image
from vem.datapath.kernel import KernelEngine

VLAN = 100


def image(*lports: int) -> Image:
    """All guests in one VLAN."""
    return world(*(vnic(lport, access(VLAN)) for lport in lports))


def main() -> None:
    """Set up, print the incarnation, wait for the end."""
    name, root, method, netns, *numbers = sys.argv[1:]
    lports = [int(number) for number in numbers]
    engine = KernelEngine.open(name, root, method="clsact" if method == "clsact" else None)
    for lport in lports:
        engine.plug(lport, Plug("veth", f"vm{lport}", netns))
    apply_image(engine, Image(), image(*lports))
    print(engine.incarnation, flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
