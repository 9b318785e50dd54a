"""The few parts of libbpf that the kernel engine needs, over cffi without a compiler (libbpf.so.1: 1.1 and later).

Bytes in, bytes out: maps know nothing of what is in them.  Failures are EngineErrors that carry the system's reason and
what libbpf logged last.  Nothing here knows about switches; kernel_maps.py and kernel_attach.py do; tc.py attaches.
"""

from __future__ import annotations

import collections
import functools
import mmap
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import structlog
from cffi import FFI

from vem.datapath.engine import EngineError

_log = structlog.get_logger(__name__)

NOEXIST = 1
"""Flag of Map.update: only if the key is not there yet."""

_MAP_TYPE_ARRAY, _MAP_TYPE_PERCPU_HASH, _MAP_TYPE_PERCPU_ARRAY = 2, 5, 6
_BATCH = 4096
_WORD, _CONSTANT = 4, ".rodata.features"
_LOG_LINES = 6
_JITED_LENGTH = 4  # word of struct bpf_prog_info
_LOG_NOISE = ("processed ", "-- ", "verification time", "stack depth", "mark_precise", "arg#")

_CDEF = """
typedef uint32_t __u32; typedef uint64_t __u64;
typedef int (*libbpf_print_fn_t)(int, const char *, void *);
libbpf_print_fn_t libbpf_set_print(libbpf_print_fn_t fn);
struct bpf_object *bpf_object__open_file(const char *path, const void *opts);
int bpf_object__load(struct bpf_object *);
void bpf_object__close(struct bpf_object *);
struct bpf_map *bpf_object__next_map(const struct bpf_object *, const struct bpf_map *);
const char *bpf_map__name(const struct bpf_map *);
int bpf_map__fd(const struct bpf_map *);
int bpf_map__set_pin_path(struct bpf_map *, const char *);
int bpf_map__reuse_fd(struct bpf_map *, int fd);
void *bpf_map__initial_value(struct bpf_map *, size_t *size);
struct bpf_program *bpf_object__next_program(const struct bpf_object *, struct bpf_program *);
const char *bpf_program__name(const struct bpf_program *);
int bpf_program__set_autoload(struct bpf_program *, bool);
struct bpf_program *bpf_object__find_program_by_name(const struct bpf_object *, const char *);
int bpf_program__fd(const struct bpf_program *);
int libbpf_num_possible_cpus(void);

int bpf_map_create(int type, const char *name, __u32 key, __u32 value, __u32 entries, const void *opts);
int bpf_map_lookup_elem(int fd, const void *key, void *value);
int bpf_map_update_elem(int fd, const void *key, const void *value, __u64 flags);
int bpf_map_delete_elem(int fd, const void *key);
int bpf_map_lookup_and_delete_elem(int fd, const void *key, void *value);
int bpf_map_get_next_key(int fd, const void *key, void *next);
int bpf_map_get_fd_by_id(__u32 id);
int bpf_map_lookup_batch(int fd, void *in, void *out, void *keys, void *values, __u32 *count, const void *opts);
int bpf_map_update_batch(int fd, const void *keys, const void *values, __u32 *count, const void *opts);
int bpf_map_delete_batch(int fd, const void *keys, __u32 *count, const void *opts);
int bpf_obj_pin(int fd, const char *path);
int bpf_obj_get(const char *path);
int bpf_obj_get_info_by_fd(int fd, void *info, __u32 *size);

int bpf_link_create(int prog, int target, int type, const void *opts);
int bpf_link_update(int link, int prog, const void *opts);
int bpf_link_detach(int link);

struct bpf_tc_hook { size_t sz; int ifindex; int attach_point; __u32 parent; };
struct bpf_tc_opts { size_t sz; int prog_fd; __u32 flags; __u32 prog_id; __u32 handle; __u32 priority; };
int bpf_tc_hook_create(struct bpf_tc_hook *);
int bpf_tc_hook_destroy(struct bpf_tc_hook *);
int bpf_tc_attach(const struct bpf_tc_hook *, struct bpf_tc_opts *);
int bpf_tc_detach(const struct bpf_tc_hook *, const struct bpf_tc_opts *);
int bpf_tc_query(const struct bpf_tc_hook *, struct bpf_tc_opts *);

struct bpf_test_run_opts {
	size_t sz; const void *data_in; void *data_out; __u32 data_size_in; __u32 data_size_out;
	const void *ctx_in; void *ctx_out; __u32 ctx_size_in; __u32 ctx_size_out;
	__u32 retval; int repeat; __u32 duration; __u32 flags; __u32 cpu; __u32 batch_size;
};
int bpf_prog_test_run_opts(int fd, struct bpf_test_run_opts *);
struct ring_buffer *ring_buffer__new(int fd, int (*take)(void *, void *, size_t), void *context, const void *opts);
void ring_buffer__free(struct ring_buffer *);
int ring_buffer__consume(struct ring_buffer *);
int ring_buffer__epoll_fd(const struct ring_buffer *);
int vsnprintf(char *, size_t, const char *, void *);
"""


class _Library:
    """libbpf.so.1, opened once; its log ends up in `lines`."""

    ffi: Any
    lib: Any

    def __init__(self) -> None:
        ffi: Any = FFI()
        ffi.cdef(_CDEF)
        self.ffi = ffi
        try:
            self.lib = ffi.dlopen("libbpf.so.1")
        except OSError as error:
            raise EngineError("kernel engine", "libbpf.so.1 is not installed", "install libbpf1") from error
        self._libc = ffi.dlopen(None)
        self.lines: collections.deque[str] = collections.deque(maxlen=_LOG_LINES)
        self._print = self.ffi.callback("int(int, const char *, void *)", self._take_line)  # kept: C holds it too
        self.lib.libbpf_set_print(self._print)
        self.cpus = int(self.lib.libbpf_num_possible_cpus())

    def _take_line(self, level: int, text: Any, arguments: Any) -> int:
        if level > 1:  # LIBBPF_DEBUG
            return 0
        buffer = self.ffi.new("char[]", 1 << 16)
        self._libc.vsnprintf(buffer, len(buffer), text, arguments)
        lines = self.ffi.string(buffer).decode(errors="replace").splitlines()
        self.lines.extend(line.strip() for line in lines[-2000:] if line.strip() and not line.startswith(_LOG_NOISE))
        return 0

    def error(self, subject: str, doing: str, number: int) -> EngineError:
        """The EngineError for a failed call; ``number`` is -errno or errno."""
        reason = os.strerror(abs(number))
        logged = " | ".join(self.lines)
        self.lines.clear()
        return EngineError(subject, f"{doing}: {reason}" + (f" ({logged})" if logged else ""))

    def check(self, result: int, subject: str, doing: str) -> int:
        """The result of a call that returns -errno on failure."""
        if result < 0:
            raise self.error(subject, doing, result)
        self.lines.clear()
        return result


@functools.cache
def library() -> _Library:
    """The one instance; EngineError if libbpf is not installed."""
    return _Library()


# --- maps --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MapInfo:
    """The head of struct bpf_map_info."""

    kind: int
    id: int
    key_size: int
    value_size: int
    entries: int


def _map_info(fd: int) -> MapInfo:
    library_ = library()
    info = library_.ffi.new("__u32[64]")
    library_.check(library_.lib.bpf_obj_get_info_by_fd(fd, info, library_.ffi.new("__u32 *", 256)), "map", "asking")
    return MapInfo(*info[0:5])


class Map:
    """A BPF map by its file descriptor.  Values of per-CPU maps are those of all CPUs in a row."""

    def __init__(self, name: str, fd: int) -> None:
        self.name = name
        self.fd = fd
        self.info = _map_info(fd)
        self._library = library()
        per_cpu = self.info.kind in (_MAP_TYPE_PERCPU_ARRAY, _MAP_TYPE_PERCPU_HASH)
        self.value_bytes = -(-self.info.value_size // 8) * 8 * self._library.cpus if per_cpu else self.info.value_size
        """What user space gives and takes per entry."""

    def _check(self, result: int, doing: str) -> int:
        return self._library.check(result, f"map {self.name}", doing)

    def get(self, key: bytes) -> bytes | None:
        """The value, or None."""
        value = self._library.ffi.new("char[]", self.value_bytes)
        result = self._library.lib.bpf_map_lookup_elem(self.fd, key, value)
        if result == -2:  # ENOENT
            return None
        self._check(result, "reading")
        return bytes(self._library.ffi.buffer(value))

    def update(self, key: bytes, value: bytes, flags: int = 0) -> None:
        """Write one entry."""
        assert len(key) == self.info.key_size and len(value) == self.value_bytes, self.name
        self._check(self._library.lib.bpf_map_update_elem(self.fd, key, value, flags), "writing")

    def delete(self, key: bytes) -> bool:
        """Remove one entry; False if it was not there."""
        result = self._library.lib.bpf_map_delete_elem(self.fd, key)
        if result != -2:
            self._check(result, "deleting")
        return bool(result == 0)

    def take(self, key: bytes) -> bytes | None:
        """Read and remove an entry at once; None if there is none."""
        value = bytearray(self.value_bytes)
        found = self._library.lib.bpf_map_lookup_and_delete_elem(self.fd, key, self._library.ffi.from_buffer(value))
        if found == -2:  # ENOENT
            return None
        self._check(found, "removing")
        return bytes(value)

    def each_key(self) -> Iterator[bytes]:
        """Every key; advisory while others change the map."""
        library_ = self._library
        key, following = library_.ffi.NULL, library_.ffi.new("char[]", self.info.key_size)
        while library_.lib.bpf_map_get_next_key(self.fd, key, following) == 0:
            found = bytes(library_.ffi.buffer(following))
            yield found
            key = found

    def items(self) -> list[tuple[bytes, bytes]]:
        """Every entry, in few system calls; advisory while others change the map (may repeat or miss some)."""
        keys, values = self.dump()
        count = len(keys) // self.info.key_size
        return list(
            zip(_chunks(keys, self.info.key_size, count), _chunks(values, self.value_bytes, count), strict=True)
        )

    def dump(self) -> tuple[bytes, bytes]:
        """All keys, one after the other, and all values, for those who read many; advisory as ``items``."""
        found: list[tuple[bytes, bytes]] = []
        size = min(_BATCH, max(self.info.entries, 1))
        ffi = self._library.ffi
        keys, values = ffi.new("char[]", size * self.info.key_size), ffi.new("char[]", size * self.value_bytes)
        token, count = ffi.new("char[64]"), ffi.new("__u32 *")
        start, more = ffi.NULL, True
        while more:
            count[0] = size
            result = self._library.lib.bpf_map_lookup_batch(self.fd, start, token, keys, values, count, ffi.NULL)
            more = result == 0
            if not more and result != -2:
                self._check(result, "reading")
            found.append(
                (ffi.buffer(keys)[: count[0] * self.info.key_size], ffi.buffer(values)[: count[0] * self.value_bytes])
            )
            start = token
        return b"".join(part for part, _ in found), b"".join(part for _, part in found)

    def update_many(self, entries: Mapping[bytes, bytes]) -> None:
        """Write entries in one system call; those before a failing one are written."""
        if entries:
            count = self._library.ffi.new("__u32 *", len(entries))
            keys, values = b"".join(entries), b"".join(entries.values())
            result = self._library.lib.bpf_map_update_batch(self.fd, keys, values, count, self._library.ffi.NULL)
            self._check(result, "writing")

    def delete_many(self, keys: Sequence[bytes]) -> None:
        """Remove entries in one system call or a few; absent ones are ignored."""
        left = list(keys)
        while left:
            count = self._library.ffi.new("__u32 *", len(left))
            result = self._library.lib.bpf_map_delete_batch(self.fd, b"".join(left), count, self._library.ffi.NULL)
            if result not in (0, -2):
                self._check(result, "deleting")
            left = [] if result == 0 else left[count[0] + 1 :]  # the one at count was absent

    def map_memory(self) -> mmap.mmap:
        """The values of a BPF_F_MMAPABLE array, shared with the kernel."""
        size = -(-self.info.entries * (-(-self.info.value_size // 8) * 8) // mmap.PAGESIZE) * mmap.PAGESIZE
        try:
            return mmap.mmap(self.fd, size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        except OSError as error:
            raise EngineError(f"map {self.name}", f"mapping: {error.strerror}") from error


_NO_MAPS: Mapping[str, Map] = MappingProxyType({})


def _chunks(data: bytes, size: int, count: int) -> list[bytes]:
    return [data[i * size : (i + 1) * size] for i in range(count)]


def new_array(name: str, value: bytes) -> int:
    """An array map of one entry, for a map of maps: its file descriptor, to be closed by the caller."""
    library_ = library()
    fd = library_.lib.bpf_map_create(_MAP_TYPE_ARRAY, name.encode(), 4, len(value), 1, library_.ffi.NULL)
    library_.check(fd, f"map {name}", "creating")
    try:
        library_.check(library_.lib.bpf_map_update_elem(fd, bytes(4), value, 0), f"map {name}", "writing")
    except EngineError:
        os.close(fd)
        raise
    return int(fd)


def array_value(map_id: int) -> bytes | None:
    """Entry 0 of the array map with that id; None when the map is gone."""
    fd = library().lib.bpf_map_get_fd_by_id(map_id)
    if fd < 0:
        return None
    try:
        return Map(f"#{map_id}", fd).get(bytes(4))
    finally:
        os.close(fd)


def open_maps(directory: Path, names: Sequence[str]) -> dict[str, Map]:
    """Pinned maps; the descriptors are the caller's (close_maps)."""
    return {name: Map(name, get_pinned(directory / name)) for name in names}


def close_maps(maps: Mapping[str, Map]) -> None:
    """Let go of what open_maps gave."""
    for opened in maps.values():
        os.close(opened.fd)


# --- programs ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TestRun:
    """Outcome of BPF_PROG_TEST_RUN."""

    __test__ = False  # not for pytest

    verdict: int
    duration: int
    """ns per run, averaged over the repetitions."""


class Program:
    """A loaded program; lives as long as its Object, or as something is attached to it."""

    def __init__(self, name: str, fd: int) -> None:
        self.name = name
        self.fd = fd

    @property
    def code_bytes(self) -> int:
        """Of machine code."""
        library_ = library()
        info = library_.ffi.new("__u32[64]")
        library_.check(
            library_.lib.bpf_obj_get_info_by_fd(self.fd, info, library_.ffi.new("__u32 *", 256)), "program", "asking"
        )
        return int(info[_JITED_LENGTH])

    def test_run(self, frame: bytes, context: bytes, repeat: int = 1) -> TestRun:
        """Run it on a frame; ``context`` is a struct __sk_buff.  EngineError if the kernel refuses the frame."""
        library_ = library()
        ffi = library_.ffi
        data, sk_buff = ffi.from_buffer(frame), ffi.from_buffer(context)
        options = ffi.new("struct bpf_test_run_opts *")
        options.sz = ffi.sizeof("struct bpf_test_run_opts")
        options.data_in, options.data_size_in = data, len(frame)
        options.ctx_in, options.ctx_size_in = sk_buff, len(context)
        options.repeat = repeat
        library_.check(library_.lib.bpf_prog_test_run_opts(self.fd, options), f"test run of {len(frame)} bytes", "run")
        return TestRun(options.retval, options.duration)


class Object:
    """A loaded .bpf.o."""

    def __init__(
        self,
        path: Path,
        pins: Path,
        shared: Sequence[str] = (),
        *,
        programs: Sequence[str] = (),
        constant: int | None = None,
        given: Mapping[str, Map] = _NO_MAPS,
    ) -> None:
        """Load it; maps named in ``shared`` are taken from the directory ``pins`` or, if absent, pinned there.

        ``programs``: only these; default: all.  ``constant``: a value for the 32-bit constant that the source has in a
        section of its own, by which the verifier prunes it.  ``given``: maps to use in place of the object's own.
        """
        self._library = library()
        self._subject = path.name
        ffi, lib = self._library.ffi, self._library.lib
        self._object = lib.bpf_object__open_file(str(path).encode(), ffi.NULL)
        if self._object == ffi.NULL:
            raise self._library.error(self._subject, "opening", ffi.errno)
        try:
            self._prepare(pins, shared, given, constant)
            self._choose(programs)
            self._check(lib.bpf_object__load(self._object), "loading")
            self.maps = {name: Map(name, lib.bpf_map__fd(handle)) for name, handle in self._map_handles()}
        except EngineError:
            self.close()
            raise

    def _prepare(self, pins: Path, shared: Sequence[str], given: Mapping[str, Map], constant: int | None) -> None:
        lib = self._library.lib
        for name, handle in self._map_handles():
            if name in shared:
                self._check(lib.bpf_map__set_pin_path(handle, str(pins / name).encode()), "naming pins")
            elif name in given:
                self._check(lib.bpf_map__reuse_fd(handle, given[name].fd), "handing over maps")
            elif name.endswith(_CONSTANT) and constant is not None:
                self._set_constant(handle, constant)

    def _set_constant(self, handle: Any, value: int) -> None:
        size = self._library.ffi.new("size_t *")
        data = self._library.lib.bpf_map__initial_value(handle, size)
        if size[0] != _WORD:
            raise EngineError(self._subject, f"has {size[0]} bytes of constants where {_WORD} were expected")
        self._library.ffi.memmove(data, value.to_bytes(_WORD, "little"), _WORD)

    def _choose(self, names: Sequence[str]) -> None:
        ffi, lib = self._library.ffi, self._library.lib
        program = lib.bpf_object__next_program(self._object, ffi.NULL)
        while program != ffi.NULL:
            wanted = not names or ffi.string(lib.bpf_program__name(program)).decode() in names
            self._check(lib.bpf_program__set_autoload(program, wanted), "choosing programs")
            program = lib.bpf_object__next_program(self._object, program)

    def _check(self, result: int, doing: str) -> None:
        self._library.check(result, self._subject, doing)

    def _map_handles(self) -> Iterator[tuple[str, Any]]:
        ffi, lib = self._library.ffi, self._library.lib
        handle = lib.bpf_object__next_map(self._object, ffi.NULL)
        while handle != ffi.NULL:
            yield ffi.string(lib.bpf_map__name(handle)).decode(), handle
            handle = lib.bpf_object__next_map(self._object, handle)

    def program(self, name: str) -> Program:
        """A program by its function's name; EngineError if there is none."""
        found = self._library.lib.bpf_object__find_program_by_name(self._object, name.encode())
        if found == self._library.ffi.NULL:
            raise EngineError(self._subject, f"has no program {name}")
        return Program(name, self._library.lib.bpf_program__fd(found))

    def close(self) -> None:
        """Let go of it; what is pinned or attached stays."""
        if self._object is not None:
            self._library.lib.bpf_object__close(self._object)
            self._object = None


# --- pinning -----------------------------------------------------------------------------------------------------


def pin(fd: int, path: Path) -> None:
    """Give a kernel object a name in bpffs."""
    library_ = library()
    library_.check(library_.lib.bpf_obj_pin(fd, str(path).encode()), str(path), "pinning")


def get_pinned(path: Path) -> int:
    """A file descriptor for a pinned object."""
    library_ = library()
    return library_.check(library_.lib.bpf_obj_get(str(path).encode()), str(path), "opening")


__all__ = ["Map", "MapInfo", "Object", "Program", "TestRun", "library"]
