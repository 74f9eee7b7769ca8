"""Connected platform accounts: where posts go."""
