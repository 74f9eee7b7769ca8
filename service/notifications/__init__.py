"""Notices: what a person must hear of, once per incident."""
