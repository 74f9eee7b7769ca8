"""Who may do what: users, API keys, scopes, and replies remembered for a repeated request."""
