"""Webhooks: signed requests that tell of jobs and workflows that ended."""
