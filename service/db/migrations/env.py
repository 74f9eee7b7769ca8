"""Alembic's environment: runs on the connection that `service.db.migrate` hands over."""

from alembic import context

from service.access import models as access
from service.accounts import models as accounts
from service.community import models as community
from service.db import outbox
from service.db.base import Base
from service.emails import models as emails
from service.measures import models as measures
from service.media import models as media
from service.monitoring import models as monitoring
from service.newsletters import models as newsletters
from service.notifications import models as notifications
from service.planning import models as planning
from service.posts import models as posts
from service.rosters import models as rosters
from service.schedules import models as schedules
from service.webhooks import models as webhooks
from service.workflows import models as workflows

TABLES = (
    *(access, accounts, media, monitoring, outbox, posts, notifications, webhooks, schedules),
    *(workflows, planning, measures, emails, newsletters, community, rosters),
)
"""Imported so that their tables are known to autogenerate."""

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=Base.metadata, compare_type=True)
# Joins the transaction that holds the advisory lock; its owner commits.
with context.begin_transaction():
    context.run_migrations()
