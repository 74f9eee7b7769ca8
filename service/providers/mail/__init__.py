"""Mail servers and mail services: how a mail leaves, and what became of it."""
