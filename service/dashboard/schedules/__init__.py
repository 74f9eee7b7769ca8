"""What pages of schedules are made of."""
