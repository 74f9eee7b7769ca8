"""what single users are told, and when they last logged in"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def _user() -> sa.ForeignKey:
    return sa.ForeignKey("users.id", ondelete="CASCADE")


def upgrade() -> None:
    """Apply the change."""
    op.add_column("users", sa.Column("last_login_at", INSTANT))
    # Else whoever is logged in now, and was made long ago, would be logged out.
    op.execute(
        "UPDATE users SET last_login_at = latest.at FROM"
        " (SELECT user_id, max(created_at) AS at FROM sessions GROUP BY user_id) AS latest"
        " WHERE latest.user_id = users.id"
    )
    op.create_table(
        "notification_settings",
        sa.Column("user_id", sa.Uuid, _user(), primary_key=True),
        sa.Column("email", sa.Text),
        sa.Column("mail", sa.Text, nullable=False),
        sa.CheckConstraint(
            "mail = 'off' OR email IS NOT NULL", op.f("ck_notification_settings_email")
        ),
    )
    op.create_table(
        "user_notifications",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("created_at", INSTANT, nullable=False, server_default=sa.func.now()),
        sa.Column("user_id", sa.Uuid, _user(), nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("key", sa.Text),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("link", sa.Text),
        sa.Column("mail_state", sa.Text, nullable=False),
        sa.Column("read_at", INSTANT),
        sa.UniqueConstraint("user_id", "key", name="uq_user_notifications_user_id_key"),
    )
    op.create_index("ix_user_notifications_user_id_id", "user_notifications", ["user_id", "id"])
    for name, column, where in (
        ("unread", "user_id", "read_at IS NULL"),
        ("read_at", "read_at", "read_at IS NOT NULL"),
        ("digest", "user_id", "mail_state = 'digest'"),
    ):
        op.create_index(
            f"ix_user_notifications_{name}",
            "user_notifications",
            [column],
            postgresql_where=sa.text(where),
        )


def downgrade() -> None:
    """Undo the change; notifications of users are lost."""
    op.drop_table("user_notifications")
    op.drop_table("notification_settings")
    op.drop_column("users", "last_login_at")
