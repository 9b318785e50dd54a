"""The command `dvs-libvirt-install`: puts the `ovs-vsctl` that libvirtd is to find into a directory of its own.

    dvs-libvirt-install [DIRECTORY]        /usr/libexec/dvswitch unless said

It is a line of shell that starts the compiled client (src/vsctl.c), which answers while Python would still be starting
and leaves to the Python program (vem/libvirt/vsctl.py) what it does not know; where the client was not built, the
Python program serves alone.
"""

from __future__ import annotations

import os
import shlex
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path

from dvswitch.errors import DvsError, InvalidValue, NotFound, StorageError
from vem.datapath.compile import CLIENT, OUTPUT

DIRECTORY = Path("/usr/libexec/dvswitch")
NAME = "ovs-vsctl"
PROGRAM = "dvs-ovs-vsctl"
_TEXT = """\
#!/bin/sh
# Written by dvs-libvirt-install: what libvirtd finds as ovs-vsctl.
test -x {client} && exec {client} {python} "$@"
exec {python} "$@"
"""


def write(directory: Path, python: Path, client: Path = OUTPUT / CLIENT) -> Path:
    """Put it there, in the place of an older one; ``python``: the program that does everything.  StorageError."""
    path = directory / NAME
    words = {"client": shlex.quote(str(client)), "python": shlex.quote(str(python))}
    try:
        directory.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=directory)
        with os.fdopen(handle, "w") as file:
            file.write(_TEXT.format(**words))
        os.chmod(temporary, 0o755)
        os.replace(temporary, path)
    except OSError as error:
        raise StorageError(f"file {path}", f"can't be written: {error.strerror}") from error
    return path


def python_program() -> Path:
    """Where `pip install` put it: beside this command, or where scripts usually go.  NotFound."""
    places = (Path(sys.argv[0]).absolute().parent, Path(sysconfig.get_path("scripts")))
    for place in places:
        if os.access(place / PROGRAM, os.X_OK):
            return place / PROGRAM
    raise NotFound(f"program {PROGRAM}", f"is not in {places[1]}", "install dvswitch with pip")


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    words = sys.argv[1:] if argv is None else list(argv)
    try:
        if len(words) > 1 or any(word.startswith("-") for word in words):
            raise InvalidValue(" ".join(words), "is no directory", "say 'dvs-libvirt-install [DIRECTORY]'")
        path = write(Path(words[0] if words else DIRECTORY).absolute(), python_program())
    except DvsError as error:
        print(f"dvs-libvirt-install: {error}", file=sys.stderr)
        return 1
    built = os.access(OUTPUT / CLIENT, os.X_OK)
    print(f"{path}: {'the compiled client' if built else 'Python alone, for want of the compiled client'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
