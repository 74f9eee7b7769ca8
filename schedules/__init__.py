"""Periodic rules as data, one module per domain."""
