"""Accounts: connected in a browser, and kept connected."""
