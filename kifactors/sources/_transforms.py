"""What the formats of inline XBRL say about printed numbers, dates and yes or no. Unknown ones are not guessed."""

import re
from collections.abc import Container
from datetime import date

__all__ = ["UnreadableError", "boolean_of", "date_of", "iso_date", "number_of"]

# http://www.xbrl.org/inlineXBRL/transformation/2020-02-12 and its like, and the one of the SEC.
REGISTRIES = (
    "http://www.xbrl.org/inlineXBRL/transformation/",
    "http://www.sec.gov/inlineXBRL/transformation/",
)
# No printed number is longer; a longer one costs time and says nothing.
LONGEST_NUMBER = 1_000

SPACES = "\u0020\u00a0\u2007\u2009\u202f"
DASHES = "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212"
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
FULL_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
    "november", "december",
)  # fmt: skip


class UnreadableError(ValueError):
    """Something does not say what it should; `reason` is counted, `detail` an example of it."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason, self.detail = reason, detail


def _grouped(group: str, point: str) -> re.Pattern[str]:
    """Digits in threes, as the registries before 2020 require."""
    return re.compile(rf"(?:\d{{1,3}}(?:[{group}]?\d{{3}})*)?(?:[{point}]\d+)?", re.ASCII)


def _free(group: str, point: str) -> re.Pattern[str]:
    """Digits with separators anywhere, as the registries since 2020 allow (lakh and crore)."""
    return re.compile(rf"(?:\d[\d{group}]*)?(?:[{point}][\d{SPACES}]+)?", re.ASCII)


# Name of a format: the shape of its text and the decimal point in it.
NUMBERS: dict[str, tuple[re.Pattern[str], str]] = {
    "": (re.compile(r"\d*(?:\.\d*)?", re.ASCII), "."),
    "numcommadot": (_grouped(",", "."), "."),
    "numdotcomma": (_grouped(".", ","), ","),
    "numspacedot": (_grouped(SPACES, "."), "."),
    "numspacecomma": (_grouped(SPACES, ","), ","),
    "numdotdecimal": (_grouped("," + SPACES, "."), "."),
    "numcommadecimal": (_grouped("." + SPACES, ","), ","),
    "numdotdecimalin": (_free("," + SPACES, "."), "."),
    "num-dot-decimal": (_free(",'\u2018\u2019" + SPACES, "."), "."),
    "num-comma-decimal": (_free(".'\u2018\u2019" + SPACES, ","), ","),
    "num-dot-decimal-apos": (_free(",'\u2018\u2019" + SPACES, "."), "."),
    "num-comma-decimal-apos": (_free(".'\u2018\u2019" + SPACES, ","), ","),
}  # fmt: skip
DASH_IS_ZERO = ("zerodash", "numdash")

MONTH_DAY_YEAR = re.compile(r"(?P<m>\d{1,2})[-./ ]+(?P<d>\d{1,2})[-./ ]+(?P<y>\d{4}|\d{2})")
DAY_MONTH_YEAR = re.compile(r"(?P<d>\d{1,2})[-./ ]+(?P<m>\d{1,2})[-./ ]+(?P<y>\d{4}|\d{2})")
YEAR_MONTH_DAY = re.compile(r"(?P<y>\d{4}|\d{2})[-./ ]+(?P<m>\d{1,2})[-./ ]+(?P<d>\d{1,2})")
NAME_DAY_YEAR = re.compile(r"(?P<m>[A-Za-z]+)\.?[ -]*(?P<d>\d{1,2})(?:st|nd|rd|th)?[, -]+(?P<y>\d{4}|\d{2})")
DAY_NAME_YEAR = re.compile(
    r"(?P<d>\d{1,2})(?:st|nd|rd|th)?\.?[ -]*(?P<m>[A-Za-z]+)\.?[, -]+(?P<y>\d{4}|\d{2})"
)
DATES: dict[str, re.Pattern[str]] = {
    "date-month-day-year": MONTH_DAY_YEAR,
    "datemonthdayyear": MONTH_DAY_YEAR,
    "dateslashus": MONTH_DAY_YEAR,
    "datedotus": MONTH_DAY_YEAR,
    "date-day-month-year": DAY_MONTH_YEAR,
    "datedaymonthyear": DAY_MONTH_YEAR,
    "dateslasheu": DAY_MONTH_YEAR,
    "datedoteu": DAY_MONTH_YEAR,
    "date-year-month-day": YEAR_MONTH_DAY,
    "dateyearmonthday": YEAR_MONTH_DAY,
    "date-monthname-day-year-en": NAME_DAY_YEAR,
    "datemonthdayyearen": NAME_DAY_YEAR,
    "datelongus": NAME_DAY_YEAR,
    "dateshortus": NAME_DAY_YEAR,
    "date-day-monthname-year-en": DAY_NAME_YEAR,
    "datedaymonthyearen": DAY_NAME_YEAR,
    "datelonguk": DAY_NAME_YEAR,
    "dateshortuk": DAY_NAME_YEAR,
}
TRUE = ("fixed-true", "booleantrue")
FALSE = ("fixed-false", "booleanfalse")
BALLOT = {"\u2610": False, "\u2611": True, "\u2612": True}


def number_of(text: str, form: str, *, uri: str = "", scale: str = "0") -> float:
    """Return the number a text shows under a format, times ten to the scale; never negative.

    Examples
    --------
    >>> number_of("26,044", "num-dot-decimal", uri="http://www.xbrl.org/inlineXBRL/transformation/2020-02-12", scale="6")
    26044000000.0
    """
    _known(form, uri, (*NUMBERS, *DASH_IS_ZERO, "fixed-zero"))
    text = text.strip()
    if form == "fixed-zero":
        return 0.0
    if form in DASH_IS_ZERO:
        if len(text) == 1 and text in DASHES:
            return 0.0
        raise UnreadableError("not what its format says")
    if len(text) > LONGEST_NUMBER or not re.fullmatch(r"-?\d{1,4}", scale):
        raise UnreadableError("not a finite number")
    shape, point = NUMBERS[form]
    if not (shape.fullmatch(text) and re.search(r"\d", text)):
        raise UnreadableError("not what its format says")
    whole, _, part = text.partition(point)
    whole, part = (re.sub(r"\D", "", digits) for digits in (whole, part))
    # Text times ten to the scale is rounded once: 0.1 in percent is 0.001 and no neighbour of it.
    value = float(f"0{whole}.{part}0e{scale}")
    if value == float("inf"):
        raise UnreadableError("not a finite number")
    return value


def date_of(text: str, form: str, *, uri: str = "") -> date:
    """Return the day a text shows under a format; without one it is an ISO date.

    Examples
    --------
    >>> uri = "http://www.xbrl.org/inlineXBRL/transformation/2015-02-26"
    >>> date_of("July 28, 2024", "datemonthdayyearen", uri=uri)
    datetime.date(2024, 7, 28)
    """
    text = re.sub(r"\s+", " ", text).strip()
    if not form:
        return iso_date(text)
    _known(form, uri, DATES)
    found = DATES[form].fullmatch(text)
    if not found:
        raise UnreadableError("not what its format says")
    year, month = int(found["y"]), found["m"]
    try:
        # The registries put years of two digits into this century.
        return date(year + 2000 if len(found["y"]) == 2 else year, _month(month), int(found["d"]))
    except ValueError as error:
        raise UnreadableError("no day of the calendar") from error


def boolean_of(text: str, form: str, *, uri: str = "") -> bool:
    """Return yes or no; without a format the text says true or false."""
    text = text.strip()
    said: dict[str, bool] = {"true": True, "1": True, "false": False, "0": False}
    if form:
        _known(form, uri, (*TRUE, *FALSE, "boolballotbox"))
        if form != "boolballotbox":
            return form in TRUE
        said = BALLOT
    if text not in said:
        raise UnreadableError("neither true nor false")
    return said[text]


def iso_date(text: str) -> date:
    """Return the day of an ISO text, and of nothing else."""
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise UnreadableError("not a date")
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise UnreadableError("no day of the calendar") from error


def _known(form: str, uri: str, names: Container[str]) -> None:
    if form and not (uri.startswith(REGISTRIES) and form in names):
        raise UnreadableError("unknown format", form)


def _month(text: str) -> int:
    if text.isdigit():
        return int(text)
    for names in (MONTHS, FULL_MONTHS):
        if text.lower() in names:
            return names.index(text.lower()) + 1
    if text.lower() == "sept":
        return 9
    raise ValueError(text)
