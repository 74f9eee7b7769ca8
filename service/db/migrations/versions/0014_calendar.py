"""what is due on a day, and the drafts of it"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    columns = ["due_at", "post_id", "owner_id", "account_id"]
    op.create_index("ix_deliveries_calendar", "deliveries", columns)
    op.create_index(
        "ix_posts_draft_days",
        "posts",
        ["publish_at", "id"],
        postgresql_where=sa.text("drafted"),
    )


def downgrade() -> None:
    """Undo the change."""
    op.drop_index("ix_posts_draft_days", table_name="posts")
    op.drop_index("ix_deliveries_calendar", table_name="deliveries")
