"""Workflows while workers are killed and servers go away."""
