"""drafts that are approved, and the lists of posts"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.add_column("posts", sa.Column("revision", sa.Integer(), server_default="1", nullable=False))
    op.add_column(
        "posts", sa.Column("drafted", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    op.add_column("posts", sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("posts", sa.Column("review_note", sa.Text(), nullable=True))
    op.execute(
        "UPDATE posts SET drafted = true WHERE NOT EXISTS "
        "(SELECT FROM deliveries WHERE deliveries.post_id = posts.id)"
    )
    op.create_index("ix_posts_drafted", "posts", ["id"], postgresql_where=sa.text("drafted"))
    op.create_index("ix_posts_owner_id_id", "posts", ["owner_id", "id"])
    op.drop_index("ix_posts_owner_id", table_name="posts")


def downgrade() -> None:
    """Undo the change; what is a draft is cancelled, for the code before knows no drafts."""
    op.execute(
        "UPDATE deliveries SET state = 'cancelled', version = version + 1 "
        "WHERE state IN ('draft', 'approved')"
    )
    op.create_index("ix_posts_owner_id", "posts", ["owner_id"])
    op.drop_index("ix_posts_owner_id_id", table_name="posts")
    op.drop_index("ix_posts_drafted", table_name="posts")
    for column in ("review_note", "submitted_at", "drafted", "revision"):
        op.drop_column("posts", column)
