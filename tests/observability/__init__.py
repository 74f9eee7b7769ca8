"""What logs and traces say of requests and jobs, and what they must not say."""
