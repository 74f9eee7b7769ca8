"""Duty rosters: who is on duty each day, locked when the day is over."""
