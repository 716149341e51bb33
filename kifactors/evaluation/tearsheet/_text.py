"""Numbers as text; what is unknown says so."""

from datetime import date

__all__ = ["NO_BREAK", "count", "cut", "day", "number", "p_value", "sessions", "share", "share_range"]

MINUS, NO_BREAK = "\u2212", "\u00a0"
LEAST_P = 0.001


def number(value: float | None, *, digits: int = 3, sign: bool = False) -> str:
    """Write a number, or that it is unknown.

    Examples
    --------
    >>> number(-0.5, digits=2), number(0.25, sign=True), number(None)
    ('−0.50', '+0.250', 'unknown')
    """
    if value is None:
        return "unknown"
    text = f"{value:+,.{digits}f}" if sign else f"{value:,.{digits}f}"
    return text.replace("-", MINUS)


def share(value: float | None, *, digits: int = 1, sign: bool = False) -> str:
    """Write a fraction as per cent, or that it is unknown; a break does not part it from its unit."""
    return "unknown" if value is None else f"{number(100.0 * value, digits=digits, sign=sign)}{NO_BREAK}%"


def share_range(low: float | None, high: float | None) -> str:
    """Write an interval of fractions."""
    return f"{share(low, sign=True)} to {share(high, sign=True)}"


def p_value(p: float | None) -> str:
    """Write a p value without calling it nothing.

    Examples
    --------
    >>> [p_value(p).replace(NO_BREAK, " ") for p in (0.0, 0.0421, None)]
    ['p under 0.001', 'p = 0.042', 'p unknown']
    """
    if p is None:
        return "p unknown"
    text = f"p under {LEAST_P}" if p < LEAST_P else f"p = {p:.3f}"
    return text.replace(" ", NO_BREAK)


def sessions(horizon: int) -> str:
    """Return a horizon in words."""
    return "1 session" if horizon == 1 else f"{horizon} sessions"


def count(n: int, one: str, many: str | None = None) -> str:
    """Return how many of what, in the right number.

    Examples
    --------
    >>> count(1, "date"), count(1200, "date"), count(0, "company", "companies")
    ('1 date', '1,200 dates', '0 companies')
    """
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def cut(name: str, longest: int) -> str:
    """Return a name, without its end where it would leave no room for anything else."""
    return name if len(name) <= longest else name[: longest - 1] + "…"


def day(value: date) -> str:
    """Return a date as in a text, without a leading zero."""
    return f"{value.day} {value:%B %Y}"
