"""newsletters, subscribers, issues and their deliveries"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
COMES = sa.text("status = 'active' AND subscription_status = 'active'")
AT_WORK = sa.text("state IN ('writing', 'scheduled', 'sending')")
OPEN = sa.text("state IN ('waiting', 'retrying', 'claimed', 'sending')")


def _row() -> tuple[sa.Column[object], ...]:
    return (
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("created_at", INSTANT, nullable=False, server_default=sa.func.now()),
    )


def _owner() -> sa.Column[object]:
    return sa.Column("owner_id", sa.Uuid, sa.ForeignKey("users.id"), nullable=False)


def _of(name: str, target: str, action: str = "CASCADE") -> sa.Column[object]:
    key = sa.ForeignKey(f"{target}.id", ondelete=action)
    return sa.Column(name, sa.Uuid, key, nullable=action != "CASCADE")


def _text(name: str, default: str = "") -> sa.Column[object]:
    return sa.Column(name, sa.Text, nullable=False, server_default=default)


def _words(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.ARRAY(sa.Text), nullable=False, server_default="{}")


def _flag(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.Boolean, nullable=False, server_default=sa.false())


def upgrade() -> None:
    """Apply the change."""
    _newsletters()
    _subscribers()
    _issues()
    _deliveries()
    _links()


def _newsletters() -> None:
    op.create_table(
        "newsletters",
        *_row(),
        _owner(),
        sa.Column("slug", sa.Text, nullable=False, unique=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("topic", sa.Text, nullable=False),
        _text("description"),
        _text("style", "concise"),
        _text("status", "active"),
        _text("subscription_status", "active"),
        _text("frequency", "manual"),
        _text("send_time", "09:00"),
        sa.Column("zone", sa.Text, nullable=False),
        sa.Column("month_day", sa.Integer),
        _flag("automatic"),
        _flag("needs_approval"),
        _text("sender_name"),
        _text("sender_address"),
        _text("reply_to"),
        _text("unsubscribe_address"),
        _text("postal_address"),
        _flag("count_opens"),
        _flag("count_clicks"),
        _flag("public"),
        _words("sources"),
        _words("tags"),
        sa.Column("last_sent_at", INSTANT),
        sa.Column("next_due_at", INSTANT),
    )
    op.create_index("ix_newsletters_owner_id_id", "newsletters", ["owner_id", "id"])
    op.create_index(
        "ix_newsletters_next_due_at", "newsletters", ["next_due_at"], postgresql_where=COMES
    )


def _subscribers() -> None:
    op.create_table(
        "subscribers",
        *_row(),
        _owner(),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        _text("name"),
        _text("state", "pending"),
        sa.Column("confirmed_at", INSTANT),
        _text("consent"),
        sa.Column("attributes", JSONB(none_as_null=True), nullable=False, server_default="{}"),
        _words("tags"),
        sa.UniqueConstraint("owner_id", "key"),
    )
    op.create_index("ix_subscribers_owner_id_id", "subscribers", ["owner_id", "id"])
    op.create_index("ix_subscribers_key", "subscribers", ["key"])
    op.create_table(
        "subscriptions",
        *_row(),
        _of("newsletter_id", "newsletters"),
        _of("subscriber_id", "subscribers"),
        _text("state", "pending"),
        sa.Column("round", sa.Integer, nullable=False, server_default="1"),
        sa.Column("asked_at", INSTANT),
        sa.Column("confirmed_at", INSTANT),
        sa.Column("unsubscribed_at", INSTANT),
        sa.UniqueConstraint("newsletter_id", "subscriber_id"),
    )
    op.create_index("ix_subscriptions_subscriber_id", "subscriptions", ["subscriber_id"])
    op.create_index("ix_subscriptions_newsletter_id_id", "subscriptions", ["newsletter_id", "id"])


def _issues() -> None:
    op.create_table(
        "issues",
        *_row(),
        _owner(),
        _of("newsletter_id", "newsletters"),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("period", sa.Text),
        _text("subject"),
        _text("preheader"),
        _text("content"),
        _text("made_by", "person"),
        _text("state", "draft"),
        sa.Column("job_id", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("scheduled_at", INSTANT),
        sa.Column("approved_at", INSTANT),
        sa.Column("approved_by", sa.Text),
        sa.Column("started_at", INSTANT),
        sa.Column("sent_at", INSTANT),
        _text("html"),
        _text("text"),
        sa.UniqueConstraint("newsletter_id", "period"),
        sa.UniqueConstraint("newsletter_id", "number"),
    )
    op.create_index("ix_issues_owner_id_id", "issues", ["owner_id", "id"])
    op.create_index("ix_issues_at_work", "issues", ["id"], postgresql_where=AT_WORK)


def _deliveries() -> None:
    op.create_table(
        "issue_deliveries",
        *_row(),
        _of("issue_id", "issues"),
        _of("subscriber_id", "subscribers", "SET NULL"),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        _text("name"),
        _text("state", "waiting"),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("code", sa.Integer),
        sa.Column("error", sa.Text),
        sa.Column("provider_id", sa.Text),
        sa.Column("claim_token", sa.Uuid),
        sa.Column("claimed_by", sa.Text),
        sa.Column("claimed_until", INSTANT),
        sa.Column("next_run_at", INSTANT, nullable=False),
        sa.Column("sent_at", INSTANT),
        sa.Column("delivered_at", INSTANT),
        sa.Column("complained_at", INSTANT),
        sa.Column("unsubscribed_at", INSTANT),
        sa.Column("opened_at", INSTANT),
        sa.Column("opens", sa.Integer, nullable=False, server_default="0"),
        sa.UniqueConstraint("issue_id", "subscriber_id"),
        sa.UniqueConstraint("issue_id", "key"),
    )
    op.create_index("ix_issue_deliveries_issue_id_id", "issue_deliveries", ["issue_id", "id"])
    op.create_index("ix_issue_deliveries_subscriber_id", "issue_deliveries", ["subscriber_id"])
    op.create_index(
        "ix_issue_deliveries_open",
        "issue_deliveries",
        ["issue_id", "next_run_at"],
        postgresql_where=OPEN,
    )


def _links() -> None:
    op.create_table(
        "issue_links",
        sa.Column(
            "issue_id", sa.Uuid, sa.ForeignKey("issues.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("url", sa.Text, nullable=False),
    )
    op.create_table(
        "issue_clicks",
        sa.Column(
            "delivery_id",
            sa.Uuid,
            sa.ForeignKey("issue_deliveries.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("issue_id", sa.Uuid, nullable=False),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("clicks", sa.Integer, nullable=False, server_default="1"),
        sa.Column("clicked_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["issue_id", "number"],
            ["issue_links.issue_id", "issue_links.number"],
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_issue_clicks_issue_id_number", "issue_clicks", ["issue_id", "number"])


def downgrade() -> None:
    """Undo the change."""
    for name in (
        *("issue_clicks", "issue_links", "issue_deliveries", "issues"),
        *("subscriptions", "subscribers", "newsletters"),
    ):
        op.drop_table(name)
