"""What ran: the records of finished jobs."""
