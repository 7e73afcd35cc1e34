#!/usr/bin/env python3
"""Writes vectors.tsv: what python-dateutil and zoneinfo say about 22,000 random series.

    python3 -m pip install python-dateutil==2.9.0.post0
    python3 generate.py > vectors.tsv

Seeded, so the same versions write the same file. The vectors are committed, so that whoever only runs the tests needs no Python.

A line is: start, zone, lines (joined by `|`), first and last moment of the window, the slots in it (the first in full, of each further one
the distance to the one before). Moments are seconds since 1970 UTC, or days since 1970-01-01 in an all-day series.

What is asked of dateutil, and what is done here beside it:
- It expands naive wall-clock times, and only single rules. The set arithmetic (several RRULEs, EXRULE, RDATE, EXDATE) is Python's own.
- It takes DTSTART for an occurrence only where the rule says so, as we do. Without any RRULE, DTSTART is one.
- A wall-clock time becomes an instant through zoneinfo with fold=0, which reads a skipped time with the offset before the gap and takes the
  first of a repeated one (RFC 5545 section 3.3.5). Only the start itself keeps its own instant.
- UNTIL is compared as an instant here; dateutil gets a later one. COUNT is dateutil's.
- It looks for the next occurrence until the year 9999, which takes it minutes where there is none; it is told that time ends after the window.
- It reads BYDAY=MO,2TU as "both at once", where RFC 5545 means "either"; such mixtures are not generated (Rust tests have them by hand).
- It takes the length of the wrong year to number the days before a year's first week, and does not see that the first days of week -52
  or -53 may lie in the December before; weeks 52, 53, -52 and -53 are not generated (a Rust test compares weeks with ISO 8601).
- It lets BYSETPOS count only from DTSTART on in the first week of a weekly rule, but in the whole first month and year of others. Here it
  counts in whole weeks: dateutil starts on the first day of the week, and COUNT is applied here.
- zoneinfo knows the clocks' changes for ever, other databases until 2100: windows beyond 2080 are only in zones without changes.
"""

import datetime as datetime_module
import itertools
import random
import sys
import types
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from dateutil import rrule as du

SEED = 5545
CASES = 22_000
DAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
UTC = timezone.utc
CHANGING = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"]
STEADY = ["Asia/Kolkata", "UTC", "+05:30", "-05:00", "-09:30"]
# Wall-clock starts shortly before the clocks change (or, in Samoa, before the day that did not exist).
EDGES = {
    "Europe/Berlin": [datetime(2026, 3, 27, 2, 30), datetime(2026, 10, 22, 2, 30), datetime(2027, 3, 1, 2, 0), datetime(2025, 10, 24, 3, 0)],
    "America/New_York": [datetime(2026, 3, 6, 2, 30), datetime(2026, 10, 30, 1, 30), datetime(2026, 3, 1, 3, 0), datetime(2027, 11, 1, 1, 59, 59)],
    "Australia/Lord_Howe": [datetime(2026, 10, 1, 2, 15), datetime(2026, 4, 2, 1, 45), datetime(2026, 4, 1, 2, 0), datetime(2026, 9, 20, 2, 29)],
    "Pacific/Apia": [datetime(2011, 12, 27, 12, 0), datetime(2011, 12, 20, 0, 0), datetime(2010, 9, 24, 0, 30), datetime(2012, 3, 30, 3, 30)],
}

r = random.Random(SEED)
# The module that dateutil takes its last year from.
du.datetime = types.SimpleNamespace(**vars(datetime_module))


def zone_of(name):
    if name[0] in "+-":
        hours, minutes = int(name[1:3]), int(name[4:])
        return timezone((-1 if name[0] == "-" else 1) * timedelta(hours=hours, minutes=minutes))
    return UTC if name == "UTC" else ZoneInfo(name)


def chance(p):
    return r.random() < p


def some(values, most):
    return r.sample(list(values), r.randint(1, min(most, len(values))))


def random_start(zone_name):
    if zone_name in EDGES and chance(0.4):
        return r.choice(EDGES[zone_name])
    year = r.choice([1971, 1999, 2000, 2004, 2012, 2019, 2020, 2023, 2024, 2025, 2026, 2027, 2028, 2036])
    if zone_name == "UTC" and chance(0.2):
        year = r.choice([1901, 1904, 1960, 2095, 2100])
    day = r.choice([r.randint(1, 28), 29, 30, 31])
    month = r.randint(1, 12)
    while True:
        try:
            moment = datetime(year, month, day)
            break
        except ValueError:
            day -= 1
    return moment + timedelta(seconds=r.choice([0, 30 * 60 * r.randint(0, 47), r.randint(0, 86399)]))


def random_rule(all_day):
    """Parts of one rule, in a dictionary from name to text or list."""
    parts = {"FREQ": r.choices(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"], [25, 30, 25, 20])[0]}
    frequency = parts["FREQ"]
    if chance(0.5):
        parts["INTERVAL"] = r.choice([1, 2, 2, 3, 4, 5, 6, 7, 10, 12, 13, 26, 30] if frequency != "YEARLY" else [1, 2, 3, 4, 5])
    if chance(0.4):
        parts["WKST"] = r.choice(DAYS)
    if frequency == "DAILY":
        if chance(0.3):
            parts["BYDAY"] = some(DAYS, 5)
        if chance(0.15):
            parts["BYMONTH"] = some(range(1, 13), 6)
        if chance(0.15):
            parts["BYMONTHDAY"] = some([*range(1, 29), *range(-28, 0)], 20)
    elif frequency == "WEEKLY":
        if chance(0.75):
            parts["BYDAY"] = some(DAYS, 5)
        if chance(0.1):
            parts["BYMONTH"] = some(range(1, 13), 6)
    elif frequency == "MONTHLY":
        kind = r.random()
        if kind < 0.35:
            parts["BYDAY"] = [f"{r.choice([1, 2, 3, 4, 5, -1, -2, -5])}{day}" for day in some(DAYS, 3)]
        elif kind < 0.5:
            parts["BYDAY"] = some(DAYS, 5)
        if kind > 0.45 and chance(0.7):
            parts["BYMONTHDAY"] = some([*range(1, 32), *range(-31, 0)], 5)
        if chance(0.15):
            parts["BYMONTH"] = some(range(1, 13), 6)
    else:
        kind = r.random()
        if kind < 0.2:
            parts["BYMONTH"] = some(range(1, 13), 3)
            parts["BYDAY"] = [f"{r.choice([1, 2, 3, 4, -1, -2])}{day}" for day in some(DAYS, 2)]
        elif kind < 0.35:
            parts["BYDAY"] = [f"{r.choice([1, 2, 10, 20, 52, 53, -1, -2, -30])}{day}" for day in some(DAYS, 2)]
        elif kind < 0.5:
            parts["BYWEEKNO"] = some([1, 2, 10, 20, 30, 51, -1, -2, -40], 3)
            if chance(0.7):
                parts["BYDAY"] = some(DAYS, 3)
        elif kind < 0.65:
            parts["BYYEARDAY"] = some([1, 2, 59, 60, 100, 200, 365, 366, -1, -2, -306, -365, -366], 4)
            if chance(0.2):
                parts["BYDAY"] = some(DAYS, 5)
        elif kind < 0.8:
            parts["BYMONTH"] = some(range(1, 13), 4)
            if chance(0.5):
                parts["BYMONTHDAY"] = some([*range(1, 29), -1, -2, -28], 4)
            if chance(0.3):
                parts["BYDAY"] = some(DAYS, 4)
        elif kind < 0.9:
            parts["BYMONTHDAY"] = some([*range(1, 32), -1, -31], 3)
    if not all_day:
        if chance(0.08):
            parts["BYHOUR"] = some([*range(24), 1, 2, 3], 3)
        if chance(0.08):
            parts["BYMINUTE"] = some(range(0, 60, 15), 2)
        if chance(0.03):
            parts["BYSECOND"] = some(range(60), 2)
    if set(parts) & {"BYDAY", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYHOUR"} and chance(0.15):
        parts["BYSETPOS"] = some([1, 2, 3, -1, -2, -3, 5, -10, 12], 3)
    return parts


def text_of(parts):
    def value(v):
        return ",".join(map(str, v)) if isinstance(v, list) else str(v)

    items = [f"{name}={value(v)}" for name, v in parts.items() if name != "FREQ"]
    if chance(0.5):
        r.shuffle(items)
    text = ";".join([f"FREQ={parts['FREQ']}", *items])
    return text.lower() if chance(0.02) else text


def dateutil_rule(parts, start, last):
    """Naive occurrences as dateutil sees them, up to `last`."""

    def weekday(text):
        day = getattr(du, text[-2:])
        return day(int(text[:-2])) if len(text) > 2 else day

    names = {"BYMONTH": "bymonth", "BYMONTHDAY": "bymonthday", "BYYEARDAY": "byyearday", "BYWEEKNO": "byweekno",
             "BYHOUR": "byhour", "BYMINUTE": "byminute", "BYSECOND": "bysecond", "BYSETPOS": "bysetpos"}
    options = {names[name]: v for name, v in parts.items() if name in names}
    if "BYDAY" in parts:
        options["byweekday"] = [weekday(text) for text in parts["BYDAY"]]
    if "WKST" in parts:
        options["wkst"] = getattr(du, parts["WKST"])
    begin, count = start, parts.get("COUNT") if "UNTIL" not in parts else None
    if parts["FREQ"] == "WEEKLY" and "BYSETPOS" in parts:
        options.setdefault("byweekday", [start.weekday()])
        begin -= timedelta(days=(start.weekday() - DAYS.index(parts.get("WKST", "MO"))) % 7)
    elif count is not None:
        options["count"] = count
    rule = du.rrule(getattr(du, parts["FREQ"]), dtstart=begin, interval=parts.get("INTERVAL", 1), **options)
    du.datetime.MAXYEAR = last.year
    occurrences = (at for at in rule if at >= start)
    for at in itertools.islice(occurrences, count):
        if at > last:
            return
        yield at


class Series:
    def __init__(self, zone_name, start, all_day):
        self.zone, self.start, self.all_day = zone_of(zone_name), start, all_day
        # The start is written with an offset; the second of a repeated time is written with the second offset.
        fold = 1 if not all_day and chance(0.3) else 0
        self.start_at = start.replace(tzinfo=self.zone, fold=fold)
        if self.start_at.astimezone(UTC).astimezone(self.zone).replace(tzinfo=None) != start:
            # A skipped time cannot be written down: what the wall shows is the time after the gap.
            self.start = self.start_at.astimezone(UTC).astimezone(self.zone).replace(tzinfo=None)
            self.start_at = self.start.replace(tzinfo=self.zone)

    def slot(self, clock):
        if self.all_day:
            return (clock.date() - date(1970, 1, 1)).days
        at = self.start_at if clock == self.start else clock.replace(tzinfo=self.zone)
        return int(at.timestamp())

    def date_slot(self, clock):
        """Of a listed wall-clock time."""
        if self.all_day:
            return (clock.date() - date(1970, 1, 1)).days
        return int(clock.replace(tzinfo=self.zone).timestamp())

    def clock(self, slot):
        if self.all_day:
            return datetime(1970, 1, 1) + timedelta(days=slot)
        return datetime.fromtimestamp(slot, UTC).astimezone(self.zone).replace(tzinfo=None)


def random_until(series, clock):
    """UNTIL in any of its forms, and the last slot that it allows."""
    form = r.choice(["date", "utc", "floating"])
    if form == "date":
        text = f"{clock:%Y%m%d}"
        if series.all_day:
            return text, series.date_slot(clock)
        next_day = datetime(clock.year, clock.month, clock.day) + timedelta(days=1)
        return text, series.date_slot(next_day) - 1
    if form == "floating":
        return f"{clock:%Y%m%dT%H%M%S}", series.date_slot(clock)
    at = clock.replace(tzinfo=series.zone).astimezone(UTC)
    text = f"{at:%Y%m%dT%H%M%SZ}"
    if series.all_day:
        return text, series.date_slot(at.astimezone(series.zone).replace(tzinfo=None))
    return text, int(at.timestamp())


def date_line(series, name, clocks):
    """RDATE or EXDATE in one of its forms, the slots that it names, and the days that it takes as a whole."""
    slots = {series.date_slot(clock) for clock in clocks}
    form = r.choice(["utc", "floating", "zoned", "date", "period"])
    other = r.choice(["Europe/Berlin", "America/New_York"])
    if form == "zoned" and max(clocks).year > 2080:
        form = "utc"
    if series.all_day:
        if form in ("utc", "zoned", "period"):
            form = "date"
    elif form == "date":
        days = {clock.date() for clock in clocks}
        line = f"{name};VALUE=DATE:" + ",".join(f"{day:%Y%m%d}" for day in sorted(days))
        return line, {series.date_slot(datetime.combine(day, series.start.time())) for day in days}, days
    utc = [datetime.fromtimestamp(slot, UTC) for slot in sorted(slots)] if not series.all_day else []
    if form == "utc":
        return f"{name}:" + ",".join(f"{at:%Y%m%dT%H%M%SZ}" for at in utc), slots, set()
    if form == "period":
        return f"{name};VALUE=PERIOD:" + ",".join(f"{at:%Y%m%dT%H%M%SZ}/PT1H" for at in utc), slots, set()
    if form == "zoned":
        there = [at.astimezone(ZoneInfo(other)) for at in utc]
        again = {int(at.replace(fold=0).timestamp()) for at in there}
        return f"{name};TZID={other}:" + ",".join(f"{at:%Y%m%dT%H%M%S}" for at in there), again, set()
    if form == "date":
        return f"{name};VALUE=DATE:" + ",".join(f"{clock:%Y%m%d}" for clock in clocks), slots, set()
    return f"{name}:" + ",".join(f"{clock:%Y%m%dT%H%M%S}" for clock in clocks), slots, set()


SPAN = {"DAILY": 1, "WEEKLY": 7, "MONTHLY": 31, "YEARLY": 366}


def case():
    zone_name = r.choice(CHANGING + STEADY)
    all_day = chance(0.25)
    start = random_start(zone_name)
    if all_day:
        start = datetime(start.year, start.month, start.day)
    series = Series(zone_name, start, all_day)
    start = series.start

    rules = [random_rule(all_day) for _ in range(2 if chance(0.07) else 1)]
    ex_rules = [random_rule(all_day)] if chance(0.06) else []
    step = min(SPAN[rule["FREQ"]] * rule.get("INTERVAL", 1) for rule in rules)
    lines, untils = [], []
    for index, rule in enumerate(rules + ex_rules):
        until = None
        ending = r.random()
        if ending < 0.2:
            rule["COUNT"] = r.choice([1, 2, 3, 5, 10, 30, 100])
        elif ending < 0.45:
            clock = start + timedelta(days=r.randint(0, 30) * SPAN[rule["FREQ"]])
            if chance(0.7) or all_day:
                clock = next(iter(dateutil_rule(rule, clock, clock + timedelta(days=800))), clock)
            rule["UNTIL"], until = random_until(series, clock)
            if chance(0.1):
                rule["COUNT"] = 7
        untils.append(until)
        text = text_of(rule)
        name = "EXRULE:" if index >= len(rules) else "RRULE:" if chance(0.95) else ""
        lines.append(name + text)

    # The window: from the start, over the end, on a change of the clocks, or far away.
    far = r.random()
    if far < 0.55:
        begin = start + timedelta(days=r.randint(-3, 12) * step)
    elif far < 0.9:
        begin = start + timedelta(days=r.randint(0, 1200))
    elif zone_name in CHANGING:
        begin = datetime(r.randint(2029, 2050), r.choice([3, 4, 10, 11]), 1)
    elif rules[0]["FREQ"] in ("MONTHLY", "YEARLY") and chance(0.1):
        begin = datetime(r.choice([2200, 2399, 2400, 2900]), r.randint(1, 12), 1)
    else:
        begin = datetime(2060, r.randint(1, 12), 1)
    # Slots before 1900 do not exist.
    begin = max(begin, datetime(1900, 1, 10))
    end = begin + timedelta(days=step * r.randint(1, 8), seconds=0 if all_day else r.randint(0, 86399))
    low, high = series.date_slot(begin), series.date_slot(end)

    def of(rule, until):
        clocks = dateutil_rule(rule, start, end + timedelta(days=3))
        slots = {series.slot(clock) for clock in clocks if clock >= begin - timedelta(days=3)}
        return slots if until is None else {slot for slot in slots if slot <= until}

    slots = set()
    for rule, until in zip(rules, untils):
        slots |= of(rule, until)
    if chance(0.1):
        clocks = [begin + timedelta(days=r.randint(-5, 60), minutes=r.choice([0, 30, 600])) for _ in range(r.randint(1, 4))]
        line, more, _ = date_line(series, "RDATE", clocks)
        lines.append(line)
        slots |= more
    for rule, until in zip(ex_rules, untils[len(rules):]):
        slots -= of(rule, until)
    if chance(0.15):
        known = sorted(slot for slot in slots if low <= slot <= high)
        clocks = [series.clock(slot) for slot in (r.sample(known, min(len(known), 3)) if known else [])]
        clocks.append(begin + timedelta(days=r.randint(0, 20)))
        line, gone, days = date_line(series, "EXDATE", clocks)
        lines.append(line)
        slots = {slot for slot in slots - gone if series.clock(slot).date() not in days}
    if chance(0.1):
        r.shuffle(lines)

    written = f"{start:%Y-%m-%d}" if all_day else series.start_at.isoformat()
    if zone_name == "UTC" and not all_day and chance(0.5):
        written = f"{start:%Y-%m-%dT%H:%M:%SZ}"
    inside = sorted(slot for slot in slots if low <= slot <= high)
    told = " ".join(str(slot - before) for slot, before in zip(inside, [0, *inside]))
    return "\t".join([written, zone_name, "|".join(lines), str(low), str(high), told]), len(inside)


def main():
    written = 0
    while written < CASES:
        line, slots = case()
        # Long answers prove little more than short ones, and empty ones little at all.
        if slots > 60 or (slots == 0 and chance(0.8)):
            continue
        sys.stdout.write(line + "\n")
        written += 1


main()
