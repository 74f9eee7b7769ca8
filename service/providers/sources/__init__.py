"""Feeds and pages that people write from."""
