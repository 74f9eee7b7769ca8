"""What Instagram, Facebook and Threads share: Meta's Graph API."""
