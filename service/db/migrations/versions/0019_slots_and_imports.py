"""queue slots, recurring posts, imports"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
LIVE = sa.text("ended_at IS NULL AND NOT paused")


def _document(name: str) -> sa.Column[object]:
    return sa.Column(name, JSONB(none_as_null=True), nullable=False)


def upgrade() -> None:
    """Apply the change."""
    op.create_table(
        "slot_plans",
        sa.Column(
            "account_id",
            sa.Uuid,
            sa.ForeignKey("accounts.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("zone", sa.Text, nullable=False),
        _document("slots"),
    )
    op.create_table(
        "recurrences",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("created_at", INSTANT, nullable=False, server_default=sa.func.now()),
        sa.Column("owner_id", sa.Uuid, sa.ForeignKey("users.id"), nullable=False),
        sa.Column("post_id", sa.Uuid, sa.ForeignKey("posts.id", ondelete="SET NULL")),
        _document("content"),
        _document("rhythm"),
        sa.Column("zone", sa.Text, nullable=False),
        sa.Column("until", INSTANT),
        sa.Column("times", sa.Integer),
        sa.Column("made", sa.Integer, nullable=False, server_default="0"),
        sa.Column("paused", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("problem", sa.Text),
        sa.Column("next_at", INSTANT),
        sa.Column("create_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT),
    )
    op.create_index("ix_recurrences_owner_id_id", "recurrences", ["owner_id", "id"])
    op.create_index("ix_recurrences_create_at", "recurrences", ["create_at"], postgresql_where=LIVE)
    op.create_table(
        "occurrences",
        sa.Column(
            "recurrence_id",
            sa.Uuid,
            sa.ForeignKey("recurrences.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("occurs_at", INSTANT, primary_key=True),
        sa.Column("post_id", sa.Uuid, sa.ForeignKey("posts.id", ondelete="SET NULL")),
        sa.Column("withdrawn", sa.Boolean, nullable=False, server_default=sa.false()),
    )
    op.create_index("ix_occurrences_post_id", "occurrences", ["post_id"])
    op.create_table(
        "imported_posts",
        sa.Column("owner_id", sa.Uuid, sa.ForeignKey("users.id"), primary_key=True),
        sa.Column("import_key", sa.Text, primary_key=True),
        sa.Column(
            "post_id", sa.Uuid, sa.ForeignKey("posts.id", ondelete="SET NULL"), nullable=True
        ),
    )
    op.create_index("ix_imported_posts_post_id", "imported_posts", ["post_id"])
    op.create_index("ix_deliveries_account_times", "deliveries", ["account_id", "due_at"])


def downgrade() -> None:
    """Undo the change; posts stay, what they came from is forgotten."""
    op.drop_index("ix_deliveries_account_times", table_name="deliveries")
    for name in ("imported_posts", "occurrences", "recurrences", "slot_plans"):
        op.drop_table(name)
