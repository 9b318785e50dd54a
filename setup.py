"""Builds what pyproject.toml can't say: the user engine's library, and where clang is the kernel engine's object.

The work is done by vem/datapath/compile.py.  A missing compiler never fails an installation: one line says what is
missing and what that costs.
"""

import sys
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.build_py import build_py

try:
    from setuptools.command.bdist_wheel import bdist_wheel
except ImportError:  # setuptools before 70.1
    from wheel.bdist_wheel import bdist_wheel

sys.path.insert(0, str(Path(__file__).parent))
from vem.datapath import compile as native


class BuildWithNative(build_py):
    """Compile into vem/datapath/build first, so that package data finds the artifacts there."""

    def run(self) -> None:
        for result in native.build_all(force=True):
            print(f"dvswitch: {result}", file=sys.stderr)
        super().run()


class PlatformWheel(bdist_wheel):
    """The artifacts depend on the machine, not on the Python version."""

    def get_tag(self) -> tuple[str, str, str]:
        return ("py3", "none", super().get_tag()[2])


class NativeDistribution(Distribution):
    """Not pure Python: installs under platlib."""

    def has_ext_modules(self) -> bool:
        return True


setup(cmdclass={"build_py": BuildWithNative, "bdist_wheel": PlatformWheel}, distclass=NativeDistribution)
