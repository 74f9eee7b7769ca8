"""Periodic rules as rows: the code's own and those that people make, each tick fired once."""
