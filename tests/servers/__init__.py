"""Servers that tests publish to: each starts on a free port of 127.0.0.1 and shows what it got."""
