"""Uploaded files, kept by content hash."""
