"""A community: members, what they post, and what is counted of it."""
