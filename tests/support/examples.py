"""How many random examples a property gets: all of them in `make test`, some in `make test-fast`.

`make test-fast` says DVS_TESTS=fast, which is for a quick look between two edits.
"""

from __future__ import annotations

import os

FAST = os.environ.get("DVS_TESTS") == "fast"
SHARE = 10
LEAST = 5


def many(number: int) -> int:
    """That many, or a share of them."""
    return max(LEAST, number // SHARE) if FAST else number
