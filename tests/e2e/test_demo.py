"""`almanac demo`: one real post, from the HTTP API to where readers find it."""

import re
from pathlib import Path

import pytest

from tests.e2e.installed import PROGRAM, Place, nothing_left, place
from tests.e2e.processes import Running, processes_of
from tests.e2e.terminal import on_terminal
from tests.servers.mastodon import MastodonServer


def steps_of(output: str) -> list[str]:
    """Return the demo's steps without their times."""
    return [re.sub(r"^ *[\d.]+ s  ", "", line) for line in output.splitlines()]


def test_the_demo_beside_a_running_installation(where: Place, installation: Running) -> None:
    """It uses what runs and leaves it running."""
    before = set(processes_of(where.home))
    shown = where.almanac("demo", "--delay", "1")
    assert (shown.returncode, shown.stderr) == (0, "")
    steps = steps_of(shown.stdout)
    assert steps[0] == "found a running installation"
    assert steps[-1] == "done"
    added = set(processes_of(where.home)) - before
    # PostgreSQL has a process for each connection, and the API may have opened one more.
    assert {Path(f"/proc/{pid}/comm").read_text() for pid in added} <= {"postgres\n"}
    assert installation.process.poll() is None


def test_the_demo_on_an_empty_home(tmp_path: Path) -> None:
    """`make demo`: from nothing to a post read back from the feed, and nothing is left running."""
    alone = place(tmp_path)
    shown = alone.almanac("demo")
    assert (shown.returncode, shown.stderr) == (0, "")
    patterns = [
        r"PostgreSQL and Valkey are up",
        rf"API and workers are up at {alone.url}",
        r"made an API key",
        r"connected feed account demo",
        r"POST /v1/posts → scheduled for [\d:.]+ UTC",
        r"enqueued as job publish:\S+ \(deferred\)",
        r"published, \d+ ms after its due time",
        r"read back from the feed: “Hello from Almanac, scheduled for .*”",
        rf"see it with 'make up' at {alone.url}/feeds/demo#\S+",
        r"done",
    ]
    steps = steps_of(shown.stdout)
    assert len(steps) == len(patterns), shown.stdout
    assert all(re.fullmatch(p, s) for p, s in zip(patterns, steps, strict=True)), shown.stdout
    assert nothing_left(alone.home)


def test_the_demo_on_mastodon(where: Place, installation: Running) -> None:
    """G001: the same on a Mastodon, which then has the post; with a wrong token it says so."""
    with MastodonServer() as mastodon:
        options = ["--platform", "mastodon", "--url", mastodon.url, "--delay", "1"]
        shown = where.almanac("demo", *options, "--token", mastodon.token)
        assert (shown.returncode, shown.stderr) == (0, "")
        (post,) = mastodon.posts
        assert mastodon.source(post["id"]).startswith("Hello from Almanac, scheduled for ")
        assert f"it is at {post['url']}" in steps_of(shown.stdout)

        refused = where.almanac("demo", *options, "--token", "mistaken")
        assert refused.returncode == 2
        assert refused.stderr.count("\n") == 1
        assert refused.stderr.startswith("Error: /v1/accounts answered 422: credentials: Mastodon")
        assert "mistaken" not in refused.stderr
        assert len(mastodon.posts) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--platform", "myspace"],
            "Error: --platform must be one of feed, mastodon, bluesky, webhook",
        ),
        (["--platform", "mastodon"], "Error: --platform mastodon needs --url"),
        (
            ["--platform", "mastodon", "--url", "http://127.0.0.1:9"],
            "Error: --platform mastodon needs --token",
        ),
        (["--platform", "webhook"], "Error: --platform webhook needs --url"),
    ],
    ids=["a wrong platform", "no url", "no token", "a webhook without url"],
)
def test_a_mistake_in_the_demo_is_one_line(
    tmp_path: Path, options: list[str], message: str
) -> None:
    """Exit code 2, one line, and nothing was started or made."""
    alone = place(tmp_path)
    refused = alone.almanac("demo", *options, seconds=20)
    assert (refused.returncode, refused.stdout, refused.stderr) == (2, "", message + "\n")
    assert not alone.home.exists()


def test_ctrl_c_stops_the_demo(tmp_path: Path) -> None:
    """Long before the post is due: nothing is left running, and no traceback is shown."""
    alone = place(tmp_path)
    command = [str(PROGRAM), "demo", "--delay", "600"]
    with on_terminal(command, alone.environment, tmp_path) as terminal:
        terminal.wait_for("enqueued as job")
        terminal.press_ctrl_c()
        assert terminal.process.wait(20) != 0
        assert "Traceback" not in terminal.text
        assert nothing_left(alone.home)
