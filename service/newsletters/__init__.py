"""Newsletters: issues written, approved, and sent once to each reader."""
