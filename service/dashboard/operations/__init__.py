"""What pages say of queues, workers and the installation."""
