"""The guest that end-to-end tests boot: a distribution kernel and a busybox initramfs, built once and kept in a cache.

The kernel comes out of the distribution's package (Debian: the cloud kernel; Ubuntu: the virtual one), which is only
downloaded and unpacked, never installed.  `python -m tests.vm.guest_image` builds it by hand.
"""

from __future__ import annotations

import fcntl
import gzip
import lzma
import os
import re
import shutil
import stat
import struct
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.vm.cpio import DIRECTORY, FILE, PROGRAM, SYMLINK, Archive

KERNEL_METAPACKAGES = ("linux-image-cloud-amd64", "linux-image-virtual")
MODULES = ("virtio_pci", "virtio_net", "virtio_console")
EXTRA_MODULES = ("tun", "veth", "sch_ingress", "cls_bpf", "bridge", "bonding")
"""Not loaded at boot; for tests that bring them into the guest (`extra_modules`)."""
ROOTFS = Path(__file__).parent / "rootfs"
DIRECTORIES = ("dev", "proc", "sys", "bin", "sbin", "lib", "etc", "tmp", "www", "root")
DOWNLOAD_TIMEOUT = 300
FORM = "-".join(("4", *EXTRA_MODULES))
"""Changes whenever what is built changes, so that an old cache is not used."""


class GuestUnavailable(Exception):
    """The guest cannot be built here; the text says why and what to do."""


@dataclass(frozen=True)
class GuestImage:
    kernel: Path
    initrd: Path
    version: str


def guest_image(cache: Path | None = None) -> GuestImage:
    """The image, built if the cache holds none.  Raises GuestUnavailable."""
    home = (cache or _default_cache()) / f"guest-{FORM}"
    home.mkdir(parents=True, exist_ok=True)
    with _locked(home / "lock"):
        if not (home / "version").exists():
            _build(home)
    return GuestImage(home / "kernel", home / "initrd.cpio", (home / "version").read_text().strip())


def extra_modules(image: GuestImage) -> dict[str, bytes]:
    """File name -> content of EXTRA_MODULES and what they need, in loading order; what is built in is absent."""
    home = image.kernel.parent / "modules"
    return {name: (home / name).read_bytes() for name in (home / "order").read_text().split()}


def _default_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dvswitch"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build(home: Path) -> None:
    busybox = shutil.which("busybox")
    if not busybox:
        raise GuestUnavailable("no busybox here: install busybox-static")
    with tempfile.TemporaryDirectory(dir=home) as scratch:
        tree = _unpacked_kernel(Path(scratch))
        packed = next((tree / "boot").glob("vmlinuz-*"))
        version = packed.name.removeprefix("vmlinuz-")
        (home / "kernel").write_bytes(_uncompressed(packed.read_bytes()))
        (home / "initrd.cpio").write_bytes(_initrd(Path(busybox), _module_files(tree, version, MODULES)))
        _keep_modules(home / "modules", _module_files(tree, version, EXTRA_MODULES))
    (home / "version").write_text(version)


# ---- the kernel package


def _unpacked_kernel(scratch: Path) -> Path:
    package = _kernel_package()
    _checked("apt-get", "download", package, cwd=scratch)
    tree = scratch / "tree"
    _checked("dpkg-deb", "-x", str(next(scratch.glob("*.deb"))), str(tree), cwd=scratch)
    _add_module_package(package, scratch, tree)
    return tree


def _kernel_package() -> str:
    if not shutil.which("apt-cache"):
        raise GuestUnavailable("no kernel for the guest: apt-cache is not here (Debian and Ubuntu only)")
    for metapackage in KERNEL_METAPACKAGES:
        shown = subprocess.run(["apt-cache", "depends", metapackage], capture_output=True, text=True).stdout
        if found := re.search(r"Depends: (linux-image-\d\S+)", shown):
            return found[1]
    raise GuestUnavailable(
        f"no kernel for the guest: apt knows none of {', '.join(KERNEL_METAPACKAGES)}; apt-get update?"
    )


def _add_module_package(package: str, scratch: Path, tree: Path) -> None:
    """Ubuntu keeps the modules of a kernel in a package of their own."""
    modules = package.replace("linux-image-", "linux-modules-", 1)
    shown = subprocess.run(["apt-cache", "show", modules], capture_output=True, text=True)
    if shown.returncode == 0 and shown.stdout:
        _checked("apt-get", "download", modules, cwd=scratch)
        _checked("dpkg-deb", "-x", str(next(scratch.glob("linux-modules-*.deb"))), str(tree), cwd=scratch)


def _checked(*argv: str, cwd: Path) -> None:
    done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, timeout=DOWNLOAD_TIMEOUT)
    if done.returncode:
        raise GuestUnavailable(f"no kernel for the guest: {' '.join(argv)}: {done.stderr.strip()}")


def _uncompressed(image: bytes) -> bytes:
    """The ELF within a bzImage, which boots half a second sooner; the bzImage itself when it cannot be unpacked."""
    setup_sectors = image[0x1F1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (setup_sectors + 1) * 512 + offset
    elf = _unpacked_by_magic(image[start : start + length])
    return elf if elf.startswith(b"\x7fELF") else image


def _unpacked_by_magic(payload: bytes) -> bytes:
    if payload.startswith(b"\x02\x21\x4c\x18"):
        return _through("lz4", payload)
    if payload.startswith(b"\x28\xb5\x2f\xfd"):
        return _through("zstd", payload)
    if payload.startswith(b"\xfd7zXZ"):
        return lzma.LZMADecompressor().decompress(payload)
    return b""


def _through(tool: str, data: bytes) -> bytes:
    if not shutil.which(tool):
        return b""
    return subprocess.run([tool, "-d", "-c"], input=data, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout


# ---- the initramfs


def _module_files(tree: Path, version: str, names: Sequence[str]) -> dict[str, bytes]:
    """File name -> content of these modules and what they need, in loading order; what is built in is absent."""
    roots = [tree / "lib/modules" / version, tree / "usr/lib/modules" / version]
    files = {_module_name(path): path for root in roots for path in root.rglob("*.ko*")}
    ordered: dict[str, bytes] = {}
    for name in names:
        _with_dependencies(name, files, ordered)
    return ordered


def _keep_modules(home: Path, modules: dict[str, bytes]) -> None:
    home.mkdir(exist_ok=True)
    for name, content in modules.items():
        (home / name).write_bytes(content)
    (home / "order").write_text("\n".join(modules))


def _module_name(path: Path) -> str:
    return path.name.split(".ko")[0].replace("-", "_")


def _with_dependencies(name: str, files: dict[str, Path], ordered: dict[str, bytes]) -> None:
    path = files.get(name.replace("-", "_"))
    if path is None or f"{_module_name(path)}.ko" in ordered:
        return
    content = _module_content(path)
    depends = re.search(rb"(?:^|\0)depends=([^\0]*)", content)
    for needed in depends[1].decode().split(",") if depends else ():
        _with_dependencies(needed, files, ordered)
    ordered[f"{_module_name(path)}.ko"] = content


def _module_content(path: Path) -> bytes:
    data = path.read_bytes()
    match path.suffix:
        case ".xz":
            return lzma.decompress(data)
        case ".gz":
            return gzip.decompress(data)
        case ".zst":
            return _through("zstd", data)
    return data


def _initrd(busybox: Path, modules: dict[str, bytes]) -> bytes:
    archive = Archive()
    for name in DIRECTORIES:
        archive.add(name, mode=DIRECTORY)
    archive.add("dev/console", mode=stat.S_IFCHR | 0o600, device=(5, 1))
    _add_busybox(archive, busybox)
    for name, content in modules.items():
        archive.add(f"lib/{name}", content, FILE)
    archive.add("lib/order", "\n".join(modules).encode(), FILE)
    for script in ("init", "agent"):
        archive.add(script, (ROOTFS / script).read_bytes(), PROGRAM)
    return archive.finish()


def _add_busybox(archive: Archive, busybox: Path) -> None:
    archive.add("bin/busybox", busybox.read_bytes())
    listed = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout
    for applet in listed.split():
        if applet != "busybox":
            archive.add(f"bin/{applet}", b"busybox", SYMLINK)


if __name__ == "__main__":
    print(guest_image())
