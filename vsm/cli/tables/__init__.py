"""The command table, one file per subject.

A file defines rows (vsm.cli.command.Command) and their handlers; vsm/cli/registry.py puts them together.  The order of
rows within a mode is the order of lines in the running configuration.
"""
