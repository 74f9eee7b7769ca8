"""what goes to an account, and which posts show a file"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.create_index(
        "ix_deliveries_account_due",
        "deliveries",
        ["account_id", "next_run_at"],
        postgresql_where=sa.text("state IN ('scheduled', 'retrying', 'waiting')"),
    )
    op.create_index(
        "ix_posts_media",
        "posts",
        ["media"],
        postgresql_using="gin",
        postgresql_ops={"media": "jsonb_path_ops"},
    )


def downgrade() -> None:
    """Undo the change."""
    op.drop_index("ix_posts_media", table_name="posts")
    op.drop_index("ix_deliveries_account_due", table_name="deliveries")
