"""videos, and media as platforms take it"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def _measures() -> list[sa.Column[object]]:
    return [
        sa.Column("width", sa.Integer, nullable=True),
        sa.Column("height", sa.Integer, nullable=True),
        sa.Column("seconds", sa.Float, nullable=True),
        sa.Column("frame_rate", sa.Float, nullable=True),
        sa.Column("video_codec", sa.Text, nullable=True),
        sa.Column("audio_codec", sa.Text, nullable=True),
    ]


def upgrade() -> None:
    """Apply the change."""
    for column in _measures():
        op.add_column("media", column)
    op.create_index("ix_media_sha256", "media", ["sha256"])
    op.create_table(
        "media_variants",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("created_at", INSTANT, server_default=sa.func.now(), nullable=False),
        sa.Column("source_sha256", sa.Text, nullable=False),
        sa.Column("source_type", sa.Text, nullable=False),
        sa.Column("source_seconds", sa.Float, nullable=True),
        sa.Column("plan_key", sa.Text, nullable=False),
        sa.Column("plan", JSONB(none_as_null=True), nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("error", sa.Text, nullable=True),
        sa.Column("claimed_until", INSTANT, nullable=True),
        sa.Column("made_at", INSTANT, nullable=True),
        sa.Column("used_at", INSTANT, server_default=sa.func.now(), nullable=False),
        sa.Column("sha256", sa.Text, nullable=True),
        sa.Column("content_type", sa.Text, nullable=True),
        sa.Column("size", sa.BigInteger, nullable=True),
        *_measures(),
        sa.PrimaryKeyConstraint("id", name="pk_media_variants"),
        sa.UniqueConstraint(
            "source_sha256", "plan_key", name="uq_media_variants_source_sha256_plan_key"
        ),
    )
    op.create_index("ix_media_variants_sha256", "media_variants", ["sha256"])
    op.create_index("ix_media_variants_used_at", "media_variants", ["used_at"])


def downgrade() -> None:
    """Undo the change; the files of variants stay in the media folder."""
    op.drop_table("media_variants")
    op.drop_index("ix_media_sha256", table_name="media")
    for name in ("audio_codec", "video_codec", "frame_rate", "seconds", "height", "width"):
        op.drop_column("media", name)
