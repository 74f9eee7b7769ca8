"""What pages of the community are made of."""
