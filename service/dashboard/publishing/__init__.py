"""What the composer and the pages of posts and accounts are made of."""
