"""Outside services other than social networks, one per file."""
