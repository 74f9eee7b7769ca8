"""Mails to single persons, and whom nothing is mailed to any more."""
