"""Publishing to all platforms at once, while calls fail and workers die."""
