"""Programs at NICs' ingress, by tcx links (Linux 6.6 and later) or clsact filters; the rest of libbpf is in libbpf.py.

Calls concern NICs of the calling thread's network namespace.  kernel_attach.py decides which way, and when.
"""

from __future__ import annotations

import contextlib
import struct
from typing import Any

from vem.datapath.engine import EngineError
from vem.datapath.libbpf import Program, library

_TCX_INGRESS = 46  # enum bpf_attach_type; libbpf 1.1 has no name for it, but passes the number on
_TC_INGRESS, _TC_HANDLE, _TC_PRIORITY, _TC_REPLACE = 1, 1, 1, 1


def tcx_attach(program: Program, ifindex: int) -> int:
    """A link (file descriptor) of the program at the NIC's ingress; needs Linux 6.6."""
    library_ = library()
    link = library_.lib.bpf_link_create(program.fd, ifindex, _TCX_INGRESS, library_.ffi.NULL)
    return library_.check(link, f"ifindex {ifindex}", "attaching (tcx)")


def tcx_swap(link: int, program: Program) -> None:
    """Replace the link's program; no frame meets neither.  EngineError when the NIC is gone."""
    library_ = library()
    library_.check(library_.lib.bpf_link_update(link, program.fd, library_.ffi.NULL), "link", "swapping the program")


def tcx_detach(link: int) -> None:
    """Take effect at once, whoever else holds the link; a link whose NIC is gone is no error."""
    with contextlib.suppress(EngineError):
        library_ = library()
        library_.check(library_.lib.bpf_link_detach(link), "link", "detaching")


def tcx_ifindex(link: int) -> int:
    """The NIC of a link; 0 when it is gone."""
    library_ = library()
    info = library_.ffi.new("__u32[64]")
    library_.check(library_.lib.bpf_obj_get_info_by_fd(link, info, library_.ffi.new("__u32 *", 256)), "link", "asking")
    return int(struct.unpack_from("I", library_.ffi.buffer(info), 16)[0])


def _hook(ifindex: int, *, both: bool = False) -> Any:
    ffi = library().ffi
    hook = ffi.new("struct bpf_tc_hook *")
    hook.sz, hook.ifindex = ffi.sizeof("struct bpf_tc_hook"), ifindex
    hook.attach_point = 3 if both else _TC_INGRESS  # ingress | egress stands for the qdisc
    return hook


def _filter(program: Program | None = None) -> Any:
    ffi = library().ffi
    options = ffi.new("struct bpf_tc_opts *")
    options.sz, options.handle, options.priority = ffi.sizeof("struct bpf_tc_opts"), _TC_HANDLE, _TC_PRIORITY
    if program:
        options.prog_fd, options.flags = program.fd, _TC_REPLACE
    return options


def clsact_create(ifindex: int) -> bool:
    """Give the NIC a clsact qdisc; False when it has one."""
    library_ = library()
    result = library_.lib.bpf_tc_hook_create(_hook(ifindex))
    if result == -17:  # EEXIST
        return False
    library_.check(result, f"ifindex {ifindex}", "adding clsact")
    return True


def clsact_destroy(ifindex: int) -> None:
    """Take the clsact qdisc away, with all its filters; none there is no error."""
    library().lib.bpf_tc_hook_destroy(_hook(ifindex, both=True))


def clsact_attach(program: Program, ifindex: int) -> None:
    """Put the program at the NIC's ingress, or in place of what clsact_attach put there; no frame meets neither."""
    library_ = library()
    result = library_.lib.bpf_tc_attach(_hook(ifindex), _filter(program))
    library_.check(result, f"ifindex {ifindex}", "attaching (clsact)")


def clsact_attached(ifindex: int) -> bool:
    """Whether our filter is there."""
    return bool(library().lib.bpf_tc_query(_hook(ifindex), _filter()) == 0)


def clsact_detach(ifindex: int) -> None:
    """Undo clsact_attach; nothing there is no error."""
    library().lib.bpf_tc_detach(_hook(ifindex), _filter())
