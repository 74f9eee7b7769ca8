"""connecting accounts in a browser, and tokens that are renewed before they end"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Apply the change."""
    for column in (
        sa.Column("connected_at", INSTANT, nullable=False, server_default=sa.func.now()),
        sa.Column("refresh_after", INSTANT, nullable=True),
        sa.Column("refresh_error", sa.Text, nullable=True),
    ):
        op.add_column("accounts", column)
    op.create_index(
        "ix_accounts_token_expires_at",
        "accounts",
        ["token_expires_at"],
        postgresql_where=sa.text("state = 'active' AND token_expires_at IS NOT NULL"),
    )
    op.create_table(
        "authorizations",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("created_at", INSTANT, nullable=False, server_default=sa.func.now()),
        sa.Column("owner_id", sa.Uuid, sa.ForeignKey("users.id"), nullable=False),
        sa.Column(
            "account_id", sa.Uuid, sa.ForeignKey("accounts.id", ondelete="CASCADE"), nullable=True
        ),
        sa.Column("platform", sa.Text, nullable=False),
        sa.Column("server", sa.Text, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("secrets", sa.LargeBinary, nullable=False),
        sa.Column("taken_at", INSTANT, nullable=True),
        sa.Column("grants", sa.LargeBinary, nullable=True),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.UniqueConstraint("digest", name="uq_authorizations_digest"),
    )
    op.create_index("ix_authorizations_owner_id", "authorizations", ["owner_id"])


def downgrade() -> None:
    """Undo the change."""
    op.drop_table("authorizations")
    op.drop_index("ix_accounts_token_expires_at", table_name="accounts")
    for name in ("refresh_error", "refresh_after", "connected_at"):
        op.drop_column("accounts", name)
