"""Generic tools: no domain word in here."""
