"""The menu: which pages there are, and the scope that one needs to see each."""

from dataclasses import dataclass

from service.access.caller import Caller, Scope


@dataclass(frozen=True, slots=True)
class Link:
    """An entry of the menu."""

    path: str
    title: str
    scope: Scope | None = None
    """None: for everybody who is logged in."""
    key: str = ""
    """Pressed after `g`, it leads here."""


@dataclass(frozen=True, slots=True)
class Group:
    """Entries that belong together."""

    title: str
    links: tuple[Link, ...]


MENU = (
    Group(
        "Publish",
        (
            Link("/calendar", "Calendar", Scope.POSTS_READ, "c"),
            Link("/posts", "Posts", Scope.POSTS_READ, "p"),
            Link("/posts/new", "Compose", Scope.POSTS_WRITE, "n"),
            Link("/accounts", "Accounts", Scope.POSTS_READ, "a"),
            Link("/media", "Media", Scope.CONTENT_READ, "m"),
        ),
    ),
    Group(
        "Write",
        (
            Link("/newsletters", "Newsletters", Scope.CONTENT_READ, "b"),
            Link("/subscribers", "Subscribers", Scope.CONTENT_READ, "r"),
            Link("/emails", "Mail", Scope.CONTENT_READ, "x"),
        ),
    ),
    Group(
        "Community",
        (
            Link("/community", "Figures", Scope.CONTENT_READ, "f"),
            Link("/community/feed", "Feed", Scope.CONTENT_READ, "v"),
            Link("/members", "Members", Scope.CONTENT_READ, "z"),
            Link("/rosters", "Rosters", Scope.CONTENT_READ, "1"),
        ),
    ),
    Group(
        "Run",
        (
            Link("/", "Overview", None, "o"),
            Link("/queues", "Queues", Scope.JOBS_READ, "q"),
            Link("/jobs", "Jobs", Scope.JOBS_READ, "j"),
            Link("/dead", "Dead jobs", Scope.JOBS_READ, "d"),
            Link("/workflows", "Workflows", Scope.JOBS_READ, "w"),
            Link("/schedules", "Schedules", Scope.JOBS_READ, "s"),
            Link("/workers", "Workers", Scope.JOBS_READ, "k"),
        ),
    ),
    Group(
        "Look after",
        (
            Link("/alerts", "Alerts", Scope.JOBS_READ, "l"),
            Link("/notifications", "Notifications", None, "i"),
            Link("/webhooks", "Webhooks", Scope.JOBS_READ, "h"),
            Link("/keys", "API keys", Scope.SETTINGS_WRITE, "y"),
            Link("/users", "Users", Scope.ADMIN, "u"),
            Link("/audit", "Audit log", Scope.ADMIN, "t"),
            Link("/profile", "Profile", None, "e"),
        ),
    ),
)


def menu_for(caller: Caller) -> list[Group]:
    """Return what of the menu a caller may see."""
    groups = (Group(g.title, tuple(link for link in g.links if _may(caller, link))) for g in MENU)
    return [group for group in groups if group.links]


def _may(caller: Caller, link: Link) -> bool:
    return link.scope is None or caller.may(link.scope)


def current(path: str) -> str:
    """Return the path of the entry that a page belongs to: the longest that begins it."""
    links = [link.path for group in MENU for link in group.links]
    if path.startswith("/issues/"):
        return "/newsletters"
    matching = [link for link in links if path == link or path.startswith(f"{link}/")]
    return max(matching, key=len, default="/" if path == "/" else "")
