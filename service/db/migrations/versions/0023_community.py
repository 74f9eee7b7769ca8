"""a community and what it posts"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

NOW, ZERO = sa.text("now()"), sa.text("0")
PUBLIC = sa.text("visibility = 'public' AND archived_at IS NULL")
RESTRICTED = sa.text("visibility <> 'public' AND archived_at IS NULL")
COUNTED = ("members", "feed_posts", "hashtags")


def upgrade() -> None:
    """Apply the change."""
    _create_members()
    _create_posts()
    _create_answers()
    _create_hashtags()
    op.create_table(
        "daily_analytics",
        sa.Column("date", sa.Date, primary_key=True),
        *(
            sa.Column(name, sa.Integer, nullable=False)
            for name in ("new_members", "active_members", "posts", "comments")
        ),
        *(sa.Column(name, sa.Integer, nullable=False) for name in ("likes", "shares", "follows")),
        sa.Column("top_posts", JSONB(none_as_null=True), nullable=False),
        _instant("generated_at"),
    )
    for table in COUNTED:
        # Room for a row's next version on its own page: a counter then rewrites no index.
        op.execute(f"ALTER TABLE {table} SET (fillfactor = 85)")


def _instant(name: str, *, default: bool = False) -> sa.Column[object]:
    at = sa.DateTime(timezone=True)
    return sa.Column(name, at, nullable=False, server_default=NOW if default else None)


def _moment(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=True)


def _count(name: str, kind: type[sa.Integer] = sa.Integer) -> sa.Column[object]:
    return sa.Column(name, kind, nullable=False, server_default=ZERO)


def _flag(name: str, default: sa.ColumnElement[bool]) -> sa.Column[object]:
    return sa.Column(name, sa.Boolean, nullable=False, server_default=default)


def _to(name: str, target: str, rule: str, *, key: bool = False) -> sa.Column[object]:
    reference = sa.ForeignKey(f"{target}.id", ondelete=rule)
    optional = rule == "SET NULL" or name == "parent_id"
    return sa.Column(name, sa.Uuid, reference, primary_key=key, nullable=optional)


def _row() -> tuple[sa.Column[object], ...]:
    owner = sa.Column("owner_id", sa.Uuid, sa.ForeignKey("users.id"), nullable=False)
    return (sa.Column("id", sa.Uuid, primary_key=True), _instant("created_at", default=True), owner)


def _create_members() -> None:
    op.create_table(
        "members",
        *_row(),
        sa.Column("email", sa.String(254), nullable=False, unique=True),
        sa.Column("username", sa.String(50), nullable=False, unique=True),
        sa.Column("display_name", sa.String(100), nullable=False),
        sa.Column(
            "folded_name",
            sa.Text,
            sa.Computed("lower(display_name)", persisted=True),
            nullable=False,
        ),
        _flag("is_active", sa.true()),
        _flag("digest_opt_out", sa.false()),
        _instant("joined_at", default=True),
        _moment("last_active_at"),
        _moment("welcomed_at"),
        _count("followers_count"),
        _count("following_count"),
        _count("posts_count"),
    )
    for name in ("username", "email", "folded_name"):
        index = f"ix_members_{name}_prefix"
        op.create_index(index, "members", [name], postgresql_ops={name: "text_pattern_ops"})
    op.create_index("ix_members_joined_at", "members", ["joined_at"])
    op.create_index("ix_members_last_active_at", "members", ["last_active_at"])
    op.create_table(
        "follows",
        _to("follower_id", "members", "CASCADE", key=True),
        _to("followed_id", "members", "CASCADE", key=True),
        _instant("created_at", default=True),
        sa.CheckConstraint("follower_id <> followed_id", name=op.f("ck_follows_other")),
    )
    op.create_index("ix_follows_followed_id", "follows", ["followed_id", "follower_id"])
    op.create_index("ix_follows_created_at", "follows", ["created_at"], postgresql_using="brin")


def _create_posts() -> None:
    op.create_table(
        "feed_posts",
        *_row(),
        _to("author_id", "members", "SET NULL"),
        sa.Column("content", sa.String(2200), nullable=False),
        sa.Column("media_ids", sa.ARRAY(sa.Uuid), nullable=False, server_default=sa.text("'{}'")),
        sa.Column("visibility", sa.Text, nullable=False, server_default=sa.text("'public'")),
        _count("likes_count"),
        _count("comments_count"),
        _count("shares_count"),
        _count("views_count", sa.BigInteger),
        sa.Column("engagement_score", sa.Numeric(18, 1), nullable=False, server_default=ZERO),
        _moment("score_updated_at"),
        _moment("archived_at"),
        _moment("edited_at"),
    )
    for order, column in (("top", "engagement_score"), ("new", "created_at")):
        op.create_index(
            f"ix_feed_posts_public_{order}", "feed_posts", [column, "id"], postgresql_where=PUBLIC
        )
        op.create_index(
            f"ix_feed_posts_restricted_{order}",
            "feed_posts",
            ["author_id", "visibility", column, "id"],
            postgresql_where=RESTRICTED,
        )
    op.create_index("ix_feed_posts_author", "feed_posts", ["author_id", "created_at", "id"])
    op.create_index("ix_feed_posts_created_at", "feed_posts", ["created_at", "id"])
    op.create_index(
        "ix_feed_posts_media_ids",
        "feed_posts",
        ["media_ids"],
        postgresql_using="gin",
        postgresql_where=sa.text("media_ids <> '{}'"),
    )


def _create_answers() -> None:
    op.create_table(
        "comments",
        *_row(),
        _to("post_id", "feed_posts", "CASCADE"),
        _to("author_id", "members", "SET NULL"),
        _to("parent_id", "comments", "CASCADE"),
        sa.Column("content", sa.String(1000), nullable=False),
        _moment("edited_at"),
    )
    op.create_index("ix_comments_post_id_id", "comments", ["post_id", "id"])
    op.create_index(
        "ix_comments_parent_id",
        "comments",
        ["parent_id"],
        postgresql_where=sa.text("parent_id IS NOT NULL"),
    )
    op.create_index("ix_comments_author_id", "comments", ["author_id"])
    op.create_index("ix_comments_created_at", "comments", ["created_at"], postgresql_using="brin")
    op.create_table(
        "reactions",
        _to("post_id", "feed_posts", "CASCADE", key=True),
        _to("member_id", "members", "CASCADE", key=True),
        sa.Column("kind", sa.Text, primary_key=True),
        _instant("created_at", default=True),
    )
    op.create_index("ix_reactions_member_id", "reactions", ["member_id"])
    op.create_index("ix_reactions_created_at", "reactions", ["created_at"], postgresql_using="brin")


def _create_hashtags() -> None:
    op.create_table(
        "hashtags",
        sa.Column("id", sa.Uuid, primary_key=True),
        _instant("created_at", default=True),
        sa.Column("name", sa.String(100), nullable=False, unique=True),
        _count("uses_count"),
        _flag("is_trending", sa.false()),
        sa.Column("trending_rank", sa.Integer),
        sa.Column("trending_uses", sa.Integer),
        _moment("trending_at"),
    )
    op.create_index(
        "ix_hashtags_trending_rank",
        "hashtags",
        ["trending_rank"],
        postgresql_where=sa.text("is_trending"),
    )
    op.create_index("ix_hashtags_uses_count_name", "hashtags", ["uses_count", "name"])
    op.create_table(
        "feed_post_hashtags",
        _to("post_id", "feed_posts", "CASCADE", key=True),
        _to("hashtag_id", "hashtags", "CASCADE", key=True),
        _instant("created_at", default=True),
    )
    for name, columns in (
        ("newest", ["hashtag_id", "created_at", "post_id"]),
        ("created_at", ["created_at", "hashtag_id"]),
    ):
        op.create_index(f"ix_feed_post_hashtags_{name}", "feed_post_hashtags", columns)


def downgrade() -> None:
    """Undo the change; the community and all it posted are lost."""
    for table in ("daily_analytics", "feed_post_hashtags", "hashtags", "reactions", "comments"):
        op.drop_table(table)
    for table in ("feed_posts", "follows", "members"):
        op.drop_table(table)
