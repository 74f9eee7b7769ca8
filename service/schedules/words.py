"""A cron line in plain words: `*/15 9-17 * * mon-fri` is "Weekdays every 15 minutes from 09:00 …".

What is told are the values that a line names, not how it writes them: two lines that fire at the
same times by the same rule read the same.
"""

from collections.abc import Collection, Sequence
from typing import TypeAlias

from cronsim import CronSim

from service.kit.crontab import ANY_START, crontab

MOST_TIMES = 6
"""Times of a day that are listed one by one."""
MOST_MINUTES = 9
"""Minutes of an hour that are listed one by one."""
DAYS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
NTH = {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth", CronSim.LAST: "last"}
WORKING, WEEKEND = {0, 1, 2, 3, 4}, {5, 6}

Weekday: TypeAlias = int | tuple[int, int]
"""A day of the week, or which one of the month it is."""


def words(line: str, stride: int = 1) -> str:
    """Return a cron line in words.

    Args:
        line: five fields.
        stride: only every so many times of the line is a tick.

    Raises ValueError for a line that is malformed or can never fire.
    """
    parsed = CronSim(crontab(line, "UTC").line, ANY_START)
    day = _day(parsed)
    time = _time(sorted(parsed.minutes), sorted(parsed.hours))
    text = f"{day} {time}" if day else time
    if not day and time.startswith("at "):
        text = f"every day {time}"
    if len(parsed.months) < 12:
        months = _listed([MONTHS[month - 1] for month in sorted(parsed.months)])
        if day.startswith("on the ") and day.endswith(" of the month"):
            text = text.replace("of the month", f"of {months}")
        else:
            text = f"{text}, in {months}"
    if stride > 1:
        text = f"{text}; only every {_ordinal(stride)} time"
    return text[0].upper() + text[1:]


def _time(minutes: Sequence[int], hours: Sequence[int]) -> str:
    """Say when on a day: `at 08:00`, `every 5 minutes`, `every hour from 09:00 to 17:00`."""
    whole, every = len(hours) == 24, _every(hours, 24)
    spread = whole or _is_range(hours) or (every and len(minutes) > 1)
    if not spread and len(minutes) * len(hours) <= MOST_TIMES:
        times = [f"{hour:02}:{minute:02}" for hour in hours for minute in minutes]
        return f"at {_listed(times)}"
    if len(hours) == 1 and len(minutes) <= MOST_TIMES and not _every(minutes, 60):
        return f"at {_listed([f'{hours[0]:02}:{minute:02}' for minute in minutes])}"
    often = _often(minutes)
    if whole:
        return often
    if every:
        hourly = f"every {every} hours"
        if len(minutes) > 1:
            return f"{often}, in every {_ordinal(every)} hour from 00:00"
        return hourly if minutes[0] == 0 else f"{hourly} at :{minutes[0]:02}"
    if _is_range(hours) or len(hours) == 1:
        first, last = f"{hours[0]:02}:{minutes[0]:02}", f"{hours[-1]:02}:{minutes[-1]:02}"
        often = "every hour" if len(minutes) == 1 else often
        return f"{often} from {first} to {last}"
    return f"{often}, in the hours {_listed([f'{hour:02}' for hour in hours])}"


def _often(minutes: Sequence[int]) -> str:
    """Say how often within an hour."""
    if len(minutes) == 60:
        return "every minute"
    if step := _every(minutes, 60):
        return f"every {step} minutes"
    if minutes == [0]:
        return "every hour"
    if _is_range(minutes):
        return f"every minute from :{minutes[0]:02} to :{minutes[-1]:02} of the hour"
    if len(minutes) > MOST_MINUTES:
        return f"{len(minutes)} times an hour"
    return f"every hour at {_listed([f':{minute:02}' for minute in minutes])}"


def _day(parsed: CronSim) -> str:
    """Say on which days; nothing for every day."""
    weekdays = {_from_monday(day) for day in parsed.weekdays}
    all_days, all_weekdays = len(parsed.days) == 31, weekdays == WORKING | WEEKEND
    if parsed.day_and:
        if all_days:
            return "" if all_weekdays else _weekdays(weekdays)
        if all_weekdays:
            return f"on {_dates(parsed.days)}"
        return f"{_weekdays(weekdays)}, if that is {_dates(parsed.days)},"
    if all_days or all_weekdays:
        return ""
    return f"on {_dates(parsed.days)}, and {_weekdays(weekdays)},"


def _from_monday(day: Weekday) -> Weekday:
    """Return a day with Monday as 0; cron's Sunday is 0 and 7."""
    return (day - 1) % 7 if isinstance(day, int) else ((day[0] - 1) % 7, day[1])


def _weekdays(days: Collection[Weekday]) -> str:
    plain = {day for day in days if isinstance(day, int)}
    special = sorted(day for day in days if not isinstance(day, int))
    found = [f"the {NTH[nth]} {DAYS[day].removesuffix('s')} of the month" for day, nth in special]
    if plain == WORKING:
        named = ["weekdays"]
    elif plain == WEEKEND:
        named = ["weekends"]
    elif len(plain) == 6:
        (missing,) = (WORKING | WEEKEND) - plain
        named = [f"every day but {DAYS[missing]}"]
    elif _is_range(ordered := sorted(plain)):
        named = [f"{DAYS[ordered[0]]} to {DAYS[ordered[-1]]}"]
    else:
        named = [DAYS[day] for day in ordered]
    text = _listed([*named, *found])
    return f"on {text}" if text.startswith("the ") else text


def _dates(days: Collection[int]) -> str:
    """Say which days of a month: `the 1st and 15th of the month`."""
    plain = sorted(day for day in days if day > 0)
    ends = [(CronSim.LAST, "last day"), (CronSim.LAST_WEEKDAY, "last weekday")]
    last = [name for value, name in ends if value in days]
    if len(plain) > 3 and plain == list(range(1, 32, step := plain[1] - plain[0])) and step > 1:
        return f"every {_ordinal(step)} day of the month from the 1st"
    if _is_range(plain):
        named = [f"{_ordinal(plain[0])} to {_ordinal(plain[-1])}"]
    else:
        named = [_ordinal(day) for day in plain]
    return f"the {_listed([*named, *last])} of the month"


def _every(values: Sequence[int], whole: int) -> int:
    """Return the step of values that repeat evenly from 0 through the whole; else 0."""
    step = whole // len(values)
    return step if 1 < step < whole and list(values) == list(range(0, whole, step)) else 0


def _is_range(values: Sequence[int]) -> bool:
    return len(values) > 2 and values[-1] - values[0] == len(values) - 1


def _ordinal(number: int) -> str:
    teen = 10 <= number % 100 <= 20
    ending = "th" if teen else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _listed(names: Sequence[str]) -> str:
    """Return `a`, `a and b` or `a, b and c`."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
