"""Planning: the weekly times of accounts, and posts that come again and again."""
