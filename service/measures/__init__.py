"""How posts and accounts do over time, as their platforms tell."""
