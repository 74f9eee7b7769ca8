"""who asked for a dead job, and indexes for what failed, waits or runs"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

UNSUCCESSFUL = sa.text("state <> 'succeeded'")


def upgrade() -> None:
    """Apply the change. Until now no job had a user as its actor, so none has to be filled in."""
    op.add_column("dead_jobs", sa.Column("actor", sa.Text(), nullable=True))
    op.drop_index("ix_job_runs_unsuccessful", "job_runs")
    op.create_index(
        "ix_job_runs_unsuccessful", "job_runs", ["finished_at"], postgresql_where=UNSUCCESSFUL
    )
    op.create_index(
        "ix_durable_jobs_due",
        "durable_jobs",
        ["due_at", "id"],
        postgresql_where=sa.text("state IN ('queued', 'running', 'retrying')"),
    )
    op.create_index(
        "ix_durable_jobs_failed",
        "durable_jobs",
        ["finished_at", "id"],
        postgresql_where=sa.text("state = 'failed'"),
    )
    op.create_index(
        "ix_durable_jobs_running",
        "durable_jobs",
        ["started_at", "id"],
        postgresql_where=sa.text("state = 'running'"),
    )


def downgrade() -> None:
    """Take the change back."""
    op.drop_index("ix_durable_jobs_running", "durable_jobs")
    op.drop_index("ix_durable_jobs_failed", "durable_jobs")
    op.drop_index("ix_durable_jobs_due", "durable_jobs")
    op.drop_index("ix_job_runs_unsuccessful", "job_runs")
    op.create_index(
        "ix_job_runs_unsuccessful",
        "job_runs",
        ["state", "finished_at"],
        postgresql_where=UNSUCCESSFUL,
    )
    op.drop_column("dead_jobs", "actor")
