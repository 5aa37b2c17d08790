"""Dates: every written form, partial and default dates, and that nothing makes the parser raise."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matcher.agency import dates

TODAY = date(2025, 11, 23)
REASONS = {
    "",
    dates.UNREADABLE,
    dates.IMPOSSIBLE,
    dates.FUTURE,
    dates.TOO_OLD,
    dates.DEFAULT,
    dates.NO_SUCH_YEAR,
    dates.EXCHANGED,
    dates.NOT_WHOLE,
    dates.BEFORE_1970,
}


def read(text: str, today: date = TODAY) -> str:
    parts = dates.birth_date(text, today)
    return "/".join(piece or "-" for piece in (parts.year, parts.month, parts.day))


@pytest.mark.parametrize(
    "text",
    [
        "1985-03-07",
        "1985/3/7",
        "1985.03.07",
        "07/03/1985",
        "7/3/1985",
        "07-03-1985",
        "7.3.85",
        " 07 03 1985 ",
        "7 March 1985",
        "7 Mar 1985",
        "07-MAR-85",
        "7mar1985",
        "7th of March, 1985",
        "March 7 1985",
        "March 7th, 1985",
        "1985-Mar-07",
        "19850307",
        "07031985",
        "19850307T101500",
        "198503071015",
        "1985-03-07T00:00:00",
        "1985-03-07T23:59:59.123Z",
        "1985-03-07 00:00:00.000000+01:00",
        "07/03/1985 00:00",
        "07/03/1985 12:00:00 AM",
        "٠٧/٠٣/١٩٨٥",
    ],
)
def test_whole_date_in_any_form(text: str) -> None:
    assert read(text) == "1985/03/07"
    assert dates.birth_date(text, TODAY).reason == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "-/-/-"),
        ("1985", "1985/-/-"),
        ("1985.0", "1985/-/-"),
        ("1985-03", "1985/03/-"),
        ("03/1985", "1985/03/-"),
        ("Mar 1985", "1985/03/-"),
        ("Sept 1985", "1985/09/-"),
        ("1985-00-00", "1985/-/-"),
        ("19850000", "1985/-/-"),
        ("19850300", "1985/03/-"),
        ("1985-03-00", "1985/03/-"),
        ("??/03/1985", "1985/03/-"),
        ("--/--/1985", "1985/-/-"),
        ("XX/XX/1985", "1985/-/-"),
        ("NK/03/1985", "1985/03/-"),
        ("07/03/????", "-/03/07"),
        ("29/02/????", "-/02/29"),
        ("00/00/0000", "-/-/-"),
    ],
)
def test_partial_date(text: str, expected: str) -> None:
    assert read(text) == expected
    assert dates.birth_date(text, TODAY).reason == ""


@pytest.mark.parametrize(
    ("text", "expected", "reason"),
    [
        ("1900-01-01", "-/-/-", dates.DEFAULT),
        ("01/01/1901", "-/-/-", dates.DEFAULT),
        ("1970-01-01T00:00:00Z", "-/-/-", dates.DEFAULT),
        ("30/12/1899", "-/-/-", dates.DEFAULT),
        ("9999-12-31", "-/-/-", dates.DEFAULT),
        ("31/12/9999", "-/-/-", dates.DEFAULT),
        ("1900", "-/-/-", dates.DEFAULT),
        ("01/01/1985", "1985/-/-", dates.DEFAULT),
        ("31/02/1985", "1985/02/-", dates.IMPOSSIBLE),
        ("29/02/1985", "1985/02/-", dates.IMPOSSIBLE),
        ("31 April 1985", "1985/04/-", dates.IMPOSSIBLE),
        ("32/01/1985", "1985/01/-", dates.IMPOSSIBLE),
        ("13/13/1985", "1985/-/-", dates.IMPOSSIBLE),
        ("1985-13-13", "1985/-/-", dates.IMPOSSIBLE),
        ("1985-13-07", "1985/07/13", dates.EXCHANGED),
        ("03/25/1985", "1985/03/25", dates.EXCHANGED),
        ("24/11/2025", "-/11/24", dates.NO_SUCH_YEAR),
        ("1450-09-23", "-/09/23", dates.NO_SUCH_YEAR),
        ("0085-03-07", "-/03/07", dates.NO_SUCH_YEAR),
        ("07/03/1058", "-/03/07", dates.NO_SUCH_YEAR),
        ("2094-30-02", "-/-/-", dates.FUTURE),
        ("0001-01-01", "-/-/-", dates.TOO_OLD),
        ("01/01/2058", "-/-/-", dates.FUTURE),
        ("2099-12-31", "-/-/-", dates.FUTURE),
        ("1858-11-17", "-/-/-", dates.DEFAULT),
        ("2079-06-06", "-/-/-", dates.DEFAULT),
        ("2025-12", "-/-/-", dates.FUTURE),
        ("2031", "-/-/-", dates.FUTURE),
        ("1879-12-31", "-/-/-", dates.TOO_OLD),
        ("0085-03", "-/-/-", dates.TOO_OLD),
        ("yesterday", "-/-/-", dates.UNREADABLE),
        ("7 Foo 1985", "-/-/-", dates.UNREADABLE),
        ("31113", "-/-/-", dates.UNREADABLE),
        ("07/03-1985", "-/-/-", dates.UNREADABLE),
        ("1985-03-07 " + "0" * 100, "-/-/-", dates.UNREADABLE),
    ],
)
def test_flagged_date(text: str, expected: str, reason: str) -> None:
    assert read(text) == expected
    assert dates.birth_date(text, TODAY).reason == reason


@pytest.mark.parametrize(
    ("text", "year"),
    [("02/03/25", "2025"), ("23/11/25", "2025"), ("24/11/25", "1925"), ("02/03/26", "1926"), ("02/03/00", "2000")],
)
def test_two_digit_year_is_the_latest_not_in_the_future(text: str, year: str) -> None:
    assert dates.birth_date(text, TODAY).year == year


@given(st.dates(date(1902, 1, 2), TODAY))
def test_every_day_survives_every_whole_form(day: date) -> None:
    if (day.month, day.day) == (1, 1):
        return
    expected = f"{day:%Y/%m/%d}"
    for form in ("%Y-%m-%d", "%d/%m/%Y", "%Y%m%d", "%d%m%Y", "%d %B %Y", "%d-%b-%Y", "%B %d, %Y"):
        assert read(day.strftime(form)) == expected


@given(st.dates(TODAY - timedelta(days=36000), TODAY))
def test_two_digit_years_are_never_in_the_future(day: date) -> None:
    parts = dates.birth_date(day.strftime("%d/%m/%y"), TODAY)
    assert parts.year == "" or 0 <= TODAY.year - int(parts.year) <= 100


@given(st.text() | st.from_regex(r"[0-9?/. \-a-zA-Z:]{0,20}", fullmatch=True))
def test_no_text_raises_and_pieces_have_their_format(text: str) -> None:
    parts = dates.birth_date(text, TODAY)
    assert parts.reason in REASONS
    assert parts.year == "" or (len(parts.year) == 4 and 1880 <= int(parts.year) <= TODAY.year)
    assert parts.month == "" or (len(parts.month) == 2 and 1 <= int(parts.month) <= 12)
    assert parts.day == "" or (len(parts.day) == 2 and 1 <= int(parts.day) <= 31)
    if parts.year and parts.month and parts.day:
        whole = f"{parts.year}-{parts.month}-{parts.day}"
        assert date.fromisoformat(whole) <= TODAY
        again = dates.birth_date(whole, TODAY)
        assert (again.year, again.month, again.day) == (parts.year, parts.month, parts.day)
    days, reason = dates.observed_day(text, TODAY)
    assert reason in REASONS
    assert days == -1 or 0 < days <= (TODAY - date(1970, 1, 1)).days


@pytest.mark.parametrize(
    ("text", "days", "reason"),
    [
        ("", -1, ""),
        ("   ", -1, ""),
        ("1970-01-02", 1, ""),
        ("01/01/2024", 19723, ""),
        ("23/11/2025 09:30", 20415, ""),
        ("24/11/2025", -1, dates.FUTURE),
        ("1970-01-01", -1, dates.BEFORE_1970),
        ("1969-12-31", -1, dates.BEFORE_1970),
        ("9999-12-31", -1, dates.DEFAULT),
        ("2024-03", -1, dates.NOT_WHOLE),
        ("31/02/2024", -1, dates.IMPOSSIBLE),
        ("soon", -1, dates.UNREADABLE),
        ("03/25/2024", 19807, dates.EXCHANGED),
    ],
)
def test_observed_day(text: str, days: int, reason: str) -> None:
    assert dates.observed_day(text, TODAY) == (days, reason)


def test_a_parsed_date_shows_nothing() -> None:
    assert "1985" not in repr(dates.birth_date("1985-03-07", TODAY))
