"""What pages of workflows are made of."""
