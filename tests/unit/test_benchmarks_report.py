"""What the page of a benchmark says."""

from benchmarks.engine.goals import Verdict, judge
from benchmarks.engine.report import markdown
from benchmarks.engine.statistics import Summary, summarise
from benchmarks.engine.systems import ARQ, BARE, OURS

CONDITIONS = {
    "date": "2026-01-01T00:00:00+00:00",
    "cores": 2,
    "processor": "a processor",
    "system": "Linux",
    "python": "3.11.7",
    "server": "valkey 9.1.2",
    "load_before": 0.1,
    "rounds": 3,
    "short": False,
    "systems": {OURS: {"configuration": "as it comes", "versions": ["almanac 0.1.0"]}},
}


def _figures(**values: float) -> dict[str, Summary]:
    return {name: summarise([value]) for name, value in values.items()}


def _verdict(label: str, table: dict[str, dict[str, Summary]]) -> Verdict:
    (found,) = [verdict for verdict in judge(table) if verdict.label == label]
    return found


def test_ratios_are_against_arq_the_best_peer_and_the_bare_loop() -> None:
    table = {
        OURS: _figures(noop_per_s=40_000),
        ARQ: _figures(noop_per_s=2_000),
        BARE: _figures(noop_per_s=60_000),
        "ardiq": _figures(noop_per_s=20_000),
        "saq": _figures(noop_per_s=3_000),
    }
    assert _verdict("no-op jobs, against tuned arq", table) == Verdict(
        "no-op jobs, against tuned arq", "≥ 15 x", "20 x (40,000 against 2,000)", kept=True
    )
    assert _verdict("no-op jobs, against the fastest peer", table) == Verdict(
        "no-op jobs, against the fastest peer",
        "≥ 2.5 x",
        "2 x (40,000 against 20,000, ardiq)",
        kept=False,
    )
    assert _verdict("no-op jobs, against a bare loop", table).kept is False


def test_the_best_pick_up_is_the_lowest() -> None:
    table = {
        OURS: _figures(pickup_p50_ms=0.8),
        "saq": _figures(pickup_p50_ms=1.5),
        "huey": _figures(pickup_p50_ms=1.0),
    }
    assert _verdict("pick-up p50, against the best peer", table).measured == (
        "0.8 x (0.8 against 1, huey)"
    )
    assert _verdict("pick-up p50", table).kept is True


def test_an_early_job_breaks_the_promise() -> None:
    assert _verdict("earliest deferred job", {OURS: _figures(earliest_ms=-0.001)}).kept is False


def test_what_was_not_measured_is_not_judged() -> None:
    verdicts = judge({OURS: _figures(noop_per_s=40_000)})
    assert {verdict.kept for verdict in verdicts} == {None}
    assert {verdict.measured for verdict in verdicts} == {"not measured"}


def test_the_page_shows_medians_with_their_spread() -> None:
    table = {OURS: {"noop_per_s": Summary(40_000, 39_000, 41_000, 3)}, "saq": _figures(rss_mib=53)}
    page = markdown(CONDITIONS, table, judge(table), ["io, saq: it broke"])
    assert "2 cores (a processor), Linux, Python 3.11.7, valkey 9.1.2; full form, 3 rounds" in page
    assert "| almanac | 40,000 (39,000-41,000) | - |" in page
    assert "| saq | - |" in page
    assert "| 53 / - |" in page
    assert "| almanac | as it comes | almanac 0.1.0 |" in page
    assert page.endswith("## Failed\n\n- io, saq: it broke\n")


def test_backlogs_have_a_table_of_their_own() -> None:
    figures = _figures(job_us_of_1000=25.0, job_us_among_1000000_future=26.0, flat_spread_percent=4)
    page = markdown(CONDITIONS, {OURS: figures}, [], [])
    assert "| µs per job, backlog | of 1000 | among 1000000 future |" in page
    assert "| almanac | 25 | 26 |" in page
