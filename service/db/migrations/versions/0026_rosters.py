"""duty rosters"""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
# A lock is final for everybody, whatever way they come: only an unlock passes. An item's change
# holds its roster, so that a lock waits for it, and it for a lock.
GUARD = """
CREATE FUNCTION rosters_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.status = 'open'
        AND (NEW.id, NEW.owner_id, NEW.day, NEW.project, NEW.notes)
          = (OLD.id, OLD.owner_id, OLD.day, OLD.project, OLD.notes)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'roster % is locked since % by %', OLD.id, OLD.locked_at, OLD.locked_by
        USING ERRCODE = 'object_not_in_prerequisite_state';
END
$$
"""
GUARDS = """
CREATE TRIGGER rosters_guard BEFORE UPDATE OR DELETE ON rosters
FOR EACH ROW WHEN (OLD.status = 'locked') EXECUTE FUNCTION rosters_guard()
"""
ITEMS_GUARD = """
CREATE FUNCTION roster_items_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    roster rosters%ROWTYPE;
BEGIN
    FOR roster IN
        SELECT * FROM rosters WHERE id IN (OLD.roster_id, NEW.roster_id) ORDER BY id FOR SHARE
    LOOP
        IF roster.status = 'locked' THEN
            RAISE EXCEPTION 'roster % is locked since % by %',
                roster.id, roster.locked_at, roster.locked_by
                USING ERRCODE = 'object_not_in_prerequisite_state';
        END IF;
    END LOOP;
    RETURN coalesce(NEW, OLD);
END
$$
"""
GUARDS_ITEMS = """
CREATE TRIGGER roster_items_guard BEFORE INSERT OR UPDATE OR DELETE ON roster_items
FOR EACH ROW EXECUTE FUNCTION roster_items_guard()
"""


def upgrade() -> None:
    """Apply the change."""
    _create_rosters()
    _create_items()
    for statement in (GUARD, GUARDS, ITEMS_GUARD, GUARDS_ITEMS):
        op.execute(statement)


def _create_rosters() -> None:
    op.create_table(
        "rosters",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False, server_default=sa.func.now()),
        sa.Column("owner_id", sa.Uuid, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("project", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False, server_default="open"),
        sa.Column("locked_at", INSTANT),
        sa.Column("locked_by", sa.Text),
        sa.Column("notes", sa.Text, nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("id", name="pk_rosters"),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name="fk_rosters_owner_id_users"),
        sa.UniqueConstraint("day", "project", name="uq_rosters_day_project"),
        sa.CheckConstraint(
            "CASE status WHEN 'open' THEN locked_at IS NULL AND locked_by IS NULL"
            " WHEN 'locked' THEN locked_at IS NOT NULL AND locked_by IS NOT NULL"
            " ELSE false END",
            name=op.f("ck_rosters_status"),
        ),
    )
    op.create_index("ix_rosters_owner_id_id", "rosters", ["owner_id", "id"])
    is_open = sa.text("status = 'open'")
    op.create_index("ix_rosters_open_day", "rosters", ["day"], postgresql_where=is_open)


def _create_items() -> None:
    op.create_table(
        "roster_items",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False, server_default=sa.func.now()),
        sa.Column("roster_id", sa.Uuid, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("person", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("starts", sa.Time),
        sa.Column("ends", sa.Time),
        sa.Column("status", sa.Text, nullable=False, server_default="planned"),
        sa.Column("replaced_by", sa.Text),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("updated_by", sa.Text, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_roster_items"),
        sa.ForeignKeyConstraint(
            ["roster_id"],
            ["rosters.id"],
            name="fk_roster_items_roster_id_rosters",
            ondelete="CASCADE",
        ),
        sa.CheckConstraint(
            "status IN ('planned', 'present', 'absent', 'replaced')",
            name=op.f("ck_roster_items_status"),
        ),
        sa.CheckConstraint(
            "(status = 'replaced') = (replaced_by IS NOT NULL)",
            name=op.f("ck_roster_items_replaced_by"),
        ),
        sa.CheckConstraint("(starts IS NULL) = (ends IS NULL)", name=op.f("ck_roster_items_times")),
    )
    index = "ix_roster_items_roster_id_position"
    op.create_index(index, "roster_items", ["roster_id", "position"])


def downgrade() -> None:
    """Undo the change; all rosters are lost."""
    for table in ("roster_items", "rosters"):
        op.drop_table(table)
        op.execute(f"DROP FUNCTION {table}_guard()")
