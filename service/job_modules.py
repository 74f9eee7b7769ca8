"""Every domain's jobs: whoever imports this can name any job."""

from service.monitoring import jobs as monitoring
from service.notifications import jobs as notifications
from service.posts import jobs as posts
from service.webhooks import jobs as webhooks

MODULES = (monitoring, notifications, posts, webhooks)
"""Imported so that their jobs are declared."""
