"""Calls of any HTTP API, as jobs."""
