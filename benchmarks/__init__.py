"""Measurements: each prints its conditions and its figures; none is a test."""
