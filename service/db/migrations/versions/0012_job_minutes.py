"""minutes of jobs, for charts"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

COUNTS = ("succeeded", "failed", "cancelled", "retrying")
HISTOGRAMS = ("waits", "durations")


def upgrade() -> None:
    """Apply the change; charts begin with the runs that are recorded from now on."""
    op.create_table(
        "job_minutes",
        sa.Column("minute", sa.DateTime(timezone=True), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in COUNTS),
        *(sa.Column(name, sa.ARRAY(sa.Integer()), nullable=False) for name in HISTOGRAMS),
        sa.PrimaryKeyConstraint("minute", "queue", name=op.f("pk_job_minutes")),
    )


def downgrade() -> None:
    """Undo the change; what the table held is lost."""
    op.drop_table("job_minutes")
