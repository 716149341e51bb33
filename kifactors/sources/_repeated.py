"""One fact said several times: the same value, a rounder one, or a contradiction."""

__all__ = ["settle"]

# Two values rounded to the same figure differ by no more than their halves, and the last bit of a float.
LAST_BIT = 1e-12


def settle(said: list[tuple[float, str | None]]) -> tuple[float, str | None] | None:
    """Return the value and decimals of a fact that is said several times; None: they disagree.

    Examples
    --------
    26.0 billion to the million, and 26 billion to the billion, are one fact; 27 billion is another.

    >>> settle([(26_044e6, "-6"), (26e9, "-9")])
    (26044000000.0, '-6')
    >>> settle([(26_044e6, "-6"), (27e9, "-9")])
    """
    finest = max((decimals for _, decimals in said), key=_places)
    values = {value for value, _ in said}
    if len(values) == 1:
        return said[0][0], finest
    best = {value for value, decimals in said if decimals == finest}
    if len(best) > 1 or any(decimals is None for _, decimals in said):
        return None
    value = best.pop()
    near = all(
        abs(other - value) <= (_half(decimals) + _half(finest)) * (1 + LAST_BIT) + abs(value) * LAST_BIT
        for other, decimals in said
    )
    return (value, finest) if near else None


def _places(decimals: str | None) -> float:
    if decimals is None:
        return float("-inf")
    return float("inf") if decimals == "INF" else int(decimals)


def _half(decimals: str | None) -> float:
    """Half a unit of the last place that is said to be right."""
    return 0.0 if decimals in (None, "INF") else float(f"0.5e{-int(decimals)}")
