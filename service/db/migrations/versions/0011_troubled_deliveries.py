"""deliveries that wait for a person, counted on every page"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.create_index(
        "ix_deliveries_troubled",
        "deliveries",
        ["due_at"],
        postgresql_where=sa.text("state IN ('failed', 'unconfirmed', 'held')"),
    )


def downgrade() -> None:
    """Undo the change."""
    op.drop_index("ix_deliveries_troubled", table_name="deliveries")
