"""Builds what pyproject.toml can't say: the user engine's shared library and, where clang is, the kernel engine's object."""
