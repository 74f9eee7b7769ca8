"""Providers of mail: what goes over the wire, and what each answer means."""
