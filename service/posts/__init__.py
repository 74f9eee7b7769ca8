"""Posts, their deliveries to accounts, and batches."""
