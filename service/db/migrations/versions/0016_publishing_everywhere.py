"""follow-ups, holds, removals, pauses, and tokens that end"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
NO_LIST, NO_OBJECT = sa.text("'[]'"), sa.text("'{}'")


def upgrade() -> None:
    """Apply the change."""
    for column in (
        sa.Column("kind", sa.Text, nullable=False, server_default="post"),
        sa.Column("position", sa.Integer, nullable=False, server_default="0"),
        sa.Column(
            "after_id", sa.Uuid, sa.ForeignKey("deliveries.id", ondelete="CASCADE"), nullable=True
        ),
        sa.Column("blocked", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("gap", sa.Interval, nullable=True),
        sa.Column("media", JSONB(none_as_null=True), nullable=True),
        sa.Column("options", JSONB, nullable=False, server_default=NO_OBJECT),
        sa.Column("details", JSONB, nullable=False, server_default=NO_OBJECT),
        sa.Column("began_at", INSTANT, nullable=True),
        sa.Column("hold", sa.Text, nullable=True),
        sa.Column("removed_at", INSTANT, nullable=True),
        sa.Column("removal_error", sa.Text, nullable=True),
    ):
        op.add_column("deliveries", column)
    op.drop_constraint("uq_deliveries_post_id_account_id", "deliveries")
    op.create_unique_constraint(
        "uq_deliveries_post_id_account_id_position",
        "deliveries",
        ["post_id", "account_id", "position"],
    )
    op.create_index(
        "ix_deliveries_after_id",
        "deliveries",
        ["after_id"],
        postgresql_where=sa.text("after_id IS NOT NULL"),
    )
    op.create_index(
        "ix_deliveries_media",
        "deliveries",
        ["media"],
        postgresql_using="gin",
        postgresql_ops={"media": "jsonb_path_ops"},
        postgresql_where=sa.text("media IS NOT NULL"),
    )
    _upgrade_posts()
    _upgrade_accounts()


def _upgrade_posts() -> None:
    op.add_column("posts", sa.Column("thread", JSONB, nullable=False, server_default=NO_LIST))
    op.create_index(
        "ix_posts_thread",
        "posts",
        ["thread"],
        postgresql_using="gin",
        postgresql_ops={"thread": "jsonb_path_ops"},
        postgresql_where=sa.text("thread <> '[]'"),
    )
    op.add_column("posts", sa.Column("late", sa.Text, nullable=True))


def _upgrade_accounts() -> None:
    for column in (
        sa.Column("token_expires_at", INSTANT, nullable=True),
        sa.Column("refresh_claim", sa.Uuid, nullable=True),
        sa.Column("refresh_claimed_until", INSTANT, nullable=True),
        sa.Column("limited_until", INSTANT, nullable=True),
    ):
        op.add_column("accounts", column)
    op.create_table(
        "platform_pauses",
        sa.Column("platform", sa.Text, primary_key=True),
        sa.Column("until", INSTANT, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )


def downgrade() -> None:
    """Undo the change; follow-ups are lost with the columns that say what they are."""
    op.drop_table("platform_pauses")
    for name in ("limited_until", "refresh_claimed_until", "refresh_claim", "token_expires_at"):
        op.drop_column("accounts", name)
    op.drop_column("posts", "late")
    op.drop_index("ix_posts_thread", table_name="posts")
    op.drop_column("posts", "thread")
    op.execute("DELETE FROM deliveries WHERE position > 0")
    op.drop_index("ix_deliveries_after_id", table_name="deliveries")
    op.drop_index("ix_deliveries_media", table_name="deliveries")
    op.drop_constraint("uq_deliveries_post_id_account_id_position", "deliveries")
    op.create_unique_constraint(
        "uq_deliveries_post_id_account_id", "deliveries", ["post_id", "account_id"]
    )
    for name in (
        "removal_error",
        "removed_at",
        "hold",
        "began_at",
        "details",
        "options",
        "media",
        "gap",
        "blocked",
        "after_id",
        "position",
        "kind",
    ):
        op.drop_column("deliveries", name)
