"""Packet rows: description, rules, tables, frame in, fate, frames out, counters; the same rows run on every engine.

row.py says what a row is, rows_*.py hold them, backend.py what an engine must offer to run them, and test_rows.py runs
them.
"""
