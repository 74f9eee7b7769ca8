"""how posts and accounts do over time"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
KINDS = {"delivery": "deliveries", "account": "accounts"}


def upgrade() -> None:
    """Apply the change."""
    for kind, table in KINDS.items():
        _create(kind, table)
    op.add_column("account_measuring", sa.Column("planned_to", INSTANT, nullable=False))


def _create(kind: str, table: str) -> None:
    name = f"{kind}_id"

    def subject() -> sa.Column[object]:
        key = sa.ForeignKey(f"{table}.id", ondelete="CASCADE")
        return sa.Column(name, sa.Uuid, key, primary_key=True)

    op.create_table(
        f"{kind}_measures",
        subject(),
        sa.Column("at", INSTANT, primary_key=True),
        sa.Column("figures", JSONB(none_as_null=True), nullable=False),
    )
    # Rows come in the order of time: a few pages of index tell where the old ones are.
    op.create_index(f"ix_{kind}_measures_at", f"{kind}_measures", ["at"], postgresql_using="brin")
    op.create_table(
        f"{kind}_measuring",
        subject(),
        sa.Column("next_at", INSTANT),
        sa.Column("claim", sa.Uuid),
        sa.Column("measured_at", INSTANT),
        sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
        sa.Column("error", sa.Text),
        sa.Column("missing_since", INSTANT),
    )
    op.create_index(
        f"ix_{kind}_measuring_next_at",
        f"{kind}_measuring",
        ["next_at"],
        postgresql_where=sa.text("next_at IS NOT NULL"),
    )


def downgrade() -> None:
    """Undo the change; the figures are lost."""
    for kind in KINDS:
        op.drop_table(f"{kind}_measuring")
        op.drop_table(f"{kind}_measures")
