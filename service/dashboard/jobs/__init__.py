"""What pages of jobs are made of."""
