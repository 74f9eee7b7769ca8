"""workflows"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

BUSY = sa.text("state = 'running' OR undo_state = 'running'")


def upgrade() -> None:
    """Apply the change."""
    op.add_column(
        "durable_jobs",
        sa.Column("progress", sa.Integer(), server_default=sa.text("0"), nullable=False),
    )
    op.add_column("durable_jobs", sa.Column("progress_text", sa.Text(), nullable=True))
    op.add_column("durable_jobs", sa.Column("log", sa.ARRAY(sa.Text()), nullable=True))
    op.create_table(
        "workflows",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("root_id", sa.Uuid(), nullable=False),
        sa.Column("parent_step", sa.Uuid(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("remaining", sa.Integer(), nullable=False),
        sa.Column("cancelling", sa.Boolean(), nullable=False),
        sa.Column("undo_on_failure", sa.Boolean(), nullable=False),
        sa.Column("input", sa.JSON(), nullable=True),
        sa.Column("outcome", sa.JSON(), nullable=True),
        sa.Column("output", sa.JSON(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("headers", sa.JSON(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["users.id"], name=op.f("fk_workflows_owner_id_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workflows")),
    )
    op.create_index(op.f("ix_workflows_owner_id"), "workflows", ["owner_id"])
    op.create_index(op.f("ix_workflows_root_id"), "workflows", ["root_id"])
    op.create_index("ix_workflows_name_id", "workflows", ["name", "id"])
    op.create_index("ix_workflows_parent_step", "workflows", ["parent_step"])
    op.create_table(
        "workflow_steps",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workflow_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("job", sa.Text(), nullable=True),
        sa.Column("nested", sa.JSON(), nullable=True),
        sa.Column("arguments", sa.JSON(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=True),
        sa.Column("lane", sa.Text(), nullable=True),
        sa.Column("limits", sa.JSON(), nullable=True),
        sa.Column("after", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("followers", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("missing", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("progress", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("result", sa.JSON(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("undo", sa.JSON(), nullable=True),
        sa.Column("undo_state", sa.Text(), nullable=True),
        sa.Column("undo_attempt", sa.Integer(), nullable=False),
        sa.Column("undo_error", sa.Text(), nullable=True),
        sa.Column("undo_started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("undo_finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["workflow_id"],
            ["workflows.id"],
            name=op.f("fk_workflow_steps_workflow_id_workflows"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workflow_steps")),
        sa.UniqueConstraint("workflow_id", "key", name=op.f("uq_workflow_steps_workflow_id_key")),
    )
    op.create_index("ix_workflow_steps_busy", "workflow_steps", ["id"], postgresql_where=BUSY)


def downgrade() -> None:
    """Undo the change."""
    op.drop_table("workflow_steps")
    op.drop_table("workflows")
    for column in ("log", "progress_text", "progress"):
        op.drop_column("durable_jobs", column)
