"""how often schedules have run"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change; runs of earlier versions are not counted."""
    op.add_column(
        "schedules", sa.Column("run_count", sa.BigInteger(), server_default="0", nullable=False)
    )


def downgrade() -> None:
    """Undo the change."""
    op.drop_column("schedules", "run_count")
