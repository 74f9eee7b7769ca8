"""Every domain's jobs: whoever imports this can name any job."""

from service.access import jobs as access
from service.accounts import jobs as accounts
from service.calls import jobs as calls
from service.community import jobs as community
from service.emails import jobs as emails
from service.measures import jobs as measures
from service.media import jobs as media
from service.monitoring import jobs as monitoring
from service.newsletters import jobs as newsletters
from service.notifications import jobs as notifications
from service.planning import jobs as planning
from service.posts import jobs as posts
from service.rosters import jobs as rosters
from service.webhooks import jobs as webhooks

MODULES = (
    *(access, accounts, calls, community, emails, measures, media, monitoring),
    *(newsletters, notifications, planning, posts, rosters, webhooks),
)
"""Imported so that their jobs are declared."""
