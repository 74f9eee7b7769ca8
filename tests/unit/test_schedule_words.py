"""Cron lines in plain words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.kit.crontab import crontab
from service.schedules.words import words

FIELDS = (
    st.sampled_from(["*", "0", "*/5", "*/7", "30", "0,30", "5,20,41", "1-10", "1-59/2"]),
    st.sampled_from(["*", "8", "*/2", "*/6", "8,20", "9-17", "1,5,9,13,17,21,23", "0-23/5"]),
    st.sampled_from(["*", "1", "1,15", "L", "LW", "*/2", "1-7", "13,L", "1-31", "31"]),
    st.sampled_from(["*", "6", "1,7", "*/3", "2-12"]),
    st.sampled_from(
        ["*", "mon-fri", "sat,sun", "1", "7", "mon#1", "5L", "1-6", "mon,wed#2", "0-6"]
    ),
)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("* * * * *", "Every minute"),
        ("*/5 * * * *", "Every 5 minutes"),
        ("0 * * * *", "Every hour"),
        ("30 * * * *", "Every hour at :30"),
        ("5,20 * * * *", "Every hour at :05 and :20"),
        ("1-10 * * * *", "Every minute from :01 to :10 of the hour"),
        ("1-59/2 * * * *", "30 times an hour"),
        ("0 */2 * * *", "Every 2 hours"),
        ("15 */2 * * *", "Every 2 hours at :15"),
        ("*/15 */2 * * *", "Every 15 minutes, in every 2nd hour from 00:00"),
        ("0 8 * * *", "Every day at 08:00"),
        ("0 8,20 * * *", "Every day at 08:00 and 20:00"),
        ("0 8 * * mon-fri", "Weekdays at 08:00"),
        ("*/15 9-17 * * mon-fri", "Weekdays every 15 minutes from 09:00 to 17:45"),
        ("30 9-17 * * *", "Every hour from 09:30 to 17:30"),
        ("0 9 * * sat,sun", "Weekends at 09:00"),
        ("0 9 * * 1,3,5", "Mondays, Wednesdays and Fridays at 09:00"),
        ("0 9 * * 0", "Sundays at 09:00"),
        ("0 9 * * 7", "Sundays at 09:00"),
        ("0 9 * * tue-sat", "Tuesdays to Saturdays at 09:00"),
        ("0 9 * * 1-6", "Every day but Sundays at 09:00"),
        ("0 9 * * mon#1", "On the first Monday of the month at 09:00"),
        ("0 9 * * 5L", "On the last Friday of the month at 09:00"),
        ("0 9 1,15 * *", "On the 1st and 15th of the month at 09:00"),
        ("0 0 L * *", "On the last day of the month at 00:00"),
        ("0 0 29 2 *", "On the 29th of February at 00:00"),
        ("0 0 1 1,7 *", "On the 1st of January and July at 00:00"),
        ("0 9 * 6 *", "Every day at 09:00, in June"),
        ("0 0 */2 * *", "On every 2nd day of the month from the 1st at 00:00"),
        # Either of the two, and both where one begins with a star.
        ("0 0 13 * fri", "On the 13th of the month, and Fridays, at 00:00"),
        ("0 9 1-31 * mon", "Every day at 09:00"),
        (
            "0 0 */2 * mon",
            "Mondays, if that is every 2nd day of the month from the 1st, at 00:00",
        ),
    ],
)
def test_what_a_line_says(line: str, said: str) -> None:
    assert words(line) == said


def test_reduced_schedules_say_so() -> None:
    assert words("0 8 * * *", 5) == "Every day at 08:00; only every 5th time"


@pytest.mark.parametrize("line", ["", "* * * *", "61 * * * *", "0 0 30 2 *", "x" * 500])
def test_what_is_no_line_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="cron line"):
        words(line)


@given(st.tuples(*FIELDS).map(" ".join))
def test_every_line_has_words_of_its_own_values(line: str) -> None:
    """Whatever fires has words: short enough for a list, and the same however they are written."""
    try:
        crontab(line, "UTC")
    except ValueError:
        return
    said = words(line)
    assert not said[0].islower()
    assert 0 < len(said) <= 400
    assert words(line.upper()) == said
