"""mails, and whom nothing is mailed to"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
NOW = sa.func.now()


def upgrade() -> None:
    """Apply the change."""
    _create_emails()
    op.create_table(
        "suppressions",
        *_row(),
        sa.Column("address", sa.Text, nullable=False, unique=True),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False, server_default=""),
        sa.Column("by", sa.Text, nullable=False, server_default=""),
    )
    op.create_table(
        "bounces",
        *_row(),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("code", sa.Integer, nullable=False),
        sa.Column("hard", sa.Boolean, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
    )
    op.create_index("ix_bounces_address_at", "bounces", ["address", "at"])
    _create_events()
    op.create_table(
        "mail_pace",
        sa.Column("id", sa.Integer, primary_key=True, server_default=sa.text("1")),
        sa.Column("next_at", INSTANT, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("sent", sa.Integer, nullable=False),
        sa.CheckConstraint("id = 1", name="one_row"),
    )


def _row() -> tuple[sa.Column[object], ...]:
    return (
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("created_at", INSTANT, nullable=False, server_default=NOW),
    )


def _create_emails() -> None:
    op.create_table(
        "emails",
        *_row(),
        sa.Column("owner_id", sa.Uuid, sa.ForeignKey("users.id")),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False, unique=True),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False, server_default=""),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("html", sa.Text, nullable=False, server_default=""),
        sa.Column("text", sa.Text, nullable=False, server_default=""),
        sa.Column("headers", JSONB(none_as_null=True), nullable=False, server_default="{}"),
        sa.Column("state", sa.Text, nullable=False, server_default="queued"),
        sa.Column("version", sa.Integer, nullable=False, server_default="1"),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("error", sa.Text),
        sa.Column("provider", sa.Text),
        sa.Column("provider_id", sa.Text),
        sa.Column("token", sa.Uuid),
        sa.Column("claimed_until", INSTANT),
        sa.Column("sent_at", INSTANT),
    )
    op.create_index("ix_emails_owner_id_id", "emails", ["owner_id", "id"])
    op.create_index("ix_emails_address_id", "emails", ["address", "id"])
    op.create_index("ix_emails_state_id", "emails", ["state", "id"])
    kept = sa.text("html <> '' OR text <> ''")
    op.create_index("ix_emails_kept", "emails", ["created_at"], postgresql_where=kept)


def _create_events() -> None:
    op.create_table(
        "mail_events",
        *_row(),
        sa.Column("event_id", sa.Text, nullable=False, unique=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("subject_kind", sa.Text),
        sa.Column("subject_id", sa.Uuid),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("facts", JSONB(none_as_null=True), nullable=False),
    )
    op.create_index("ix_mail_events_subject_id", "mail_events", ["subject_id"])
    op.create_index(
        "ix_mail_events_created_at", "mail_events", ["created_at"], postgresql_using="brin"
    )


def downgrade() -> None:
    """Undo the change; mails and suppressions are lost."""
    for table in ("mail_pace", "mail_events", "bounces", "suppressions", "emails"):
        op.drop_table(table)
