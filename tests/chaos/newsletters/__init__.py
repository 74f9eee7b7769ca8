"""Newsletters on their way while mail servers refuse and workers die."""
