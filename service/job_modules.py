"""Every domain's jobs: whoever imports this can name any job."""

from service.accounts import jobs as accounts
from service.measures import jobs as measures
from service.media import jobs as media
from service.monitoring import jobs as monitoring
from service.notifications import jobs as notifications
from service.planning import jobs as planning
from service.posts import jobs as posts
from service.webhooks import jobs as webhooks

MODULES = (accounts, measures, media, monitoring, notifications, planning, posts, webhooks)
"""Imported so that their jobs are declared."""
