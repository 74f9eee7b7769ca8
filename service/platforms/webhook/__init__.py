"""Webhooks: Discord, Slack, Telegram, or any URL."""
