"""Options of a caller: whole numbers, numbers and lists of names, or an error that says which is none."""

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kifactors.errors import DataError

__all__ = ["different", "names_of", "number", "series", "whole"]


def whole(name: str, given: object, *, least: int) -> int:
    """Return a whole number.

    Raises
    ------
    DataError
        It is none, or smaller than the least.

    Examples
    --------
    >>> whole("quantiles", np.int64(5), least=2)
    5
    >>> whole("draws", 10.5, least=0)
    Traceback (most recent call last):
        ...
    kifactors.errors.DataError: draws is 10.5; expected a whole number of at least 0.
    """
    if isinstance(given, bool) or not isinstance(given, int | np.integer) or int(given) < least:
        raise DataError(f"{name} is {given!r}; expected a whole number of at least {least}.")
    return int(given)


def number(name: str, given: object) -> float:
    """Return a finite number.

    Raises
    ------
    DataError
        It is none, infinite or NaN.

    Examples
    --------
    >>> number("exposed_above", "a")
    Traceback (most recent call last):
        ...
    kifactors.errors.DataError: exposed_above is 'a'; expected a finite number.
    """
    kinds = int | float | np.integer | np.floating
    if isinstance(given, bool) or not isinstance(given, kinds) or not math.isfinite(given):
        raise DataError(f"{name} is {given!r}; expected a finite number.")
    return float(given)


def names_of(name: str, given: Iterable[str], what: str, *, fewest: int = 1) -> list[str]:
    """Return a list of texts.

    Raises
    ------
    DataError
        It is a single text, holds something else than texts, or too few of them.

    Examples
    --------
    >>> names_of("styles", "mom", "columns")
    Traceback (most recent call last):
        ...
    kifactors.errors.DataError: styles is 'mom'; expected a list of columns, ['mom'] say.
    """
    if isinstance(given, str):
        raise DataError(f"{name} is {given!r}; expected a list of {what}, [{given!r}] say.")
    found = list(given) if isinstance(given, Iterable) else []
    whole_list = isinstance(given, Iterable) and all(isinstance(one, str) for one in found)
    if not whole_list or len(found) < fewest:
        raise DataError(f"{name} is {given!r}; expected a list of {what}.")
    return found


def different(name: str, given: Iterable[str]) -> list[str]:
    """Return a list of different columns, which may be empty.

    Raises
    ------
    DataError
        It is no list of texts, or names one twice.

    Examples
    --------
    >>> different("styles", ("momentum", "value"))
    ['momentum', 'value']
    """
    found = names_of(name, given, "columns", fewest=0)
    twice = [one for place, one in enumerate(found) if one in found[:place]]
    if twice:
        raise DataError(f"{name} name {twice[0]!r} twice. Name it once.")
    return found


def series(given: ArrayLike) -> NDArray[np.float64]:
    """Return values as an array of one dimension, NaN where unknown.

    Raises
    ------
    DataError
        They are no numbers, no single series, or one is infinite.

    Examples
    --------
    >>> series([1, None, 2.5]).tolist()
    [1.0, nan, 2.5]
    """
    try:
        found = np.asarray(given, np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"values must be one series of finite numbers, NaN where unknown; numpy says: {error}."
        ) from error
    if found.ndim != 1 or np.isinf(found).any():
        raise DataError("values must be one series of finite numbers, NaN where unknown.")
    return found
