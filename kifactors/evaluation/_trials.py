"""`Trials`: every variant that was tried, and what is left of the best when all are counted."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from kifactors.atomic import written
from kifactors.errors import DataError
from kifactors.evaluation._evaluation import Evaluation
from kifactors.evaluation._hac import hac_mean
from kifactors.evaluation._lock import locked
from kifactors.evaluation._multiple import HARVEY_LIU_ZHU, adjusted_p
from kifactors.evaluation._options import number, whole
from kifactors.evaluation._sharpe import deflated_sharpe, sharpe_of
from kifactors.evaluation._student import two_sided_p
from kifactors.evaluation._summary import SPREADS, sessions, spread_for

__all__ = ["Trials"]

FORMAT = 1
HURDLE = math.erfc(HARVEY_LIU_ZHU / math.sqrt(2.0))
# Numbers that differ by less than 1e-12 of their size count as equal, here as everywhere, and have no t.
LARGEST_T = 1e12
NUMBERS = ("n", "mean", "t", "p", "sharpe", "skewness", "kurtosis")
TABLE = {
    "trial": pl.String, "n": pl.Int64, "mean": pl.Float64, "t": pl.Float64, "p": pl.Float64, "p_holm": pl.Float64,
    "p_by": pl.Float64, "sharpe": pl.Float64, "deflated_sharpe": pl.Float64, "passes_harvey_liu_zhu": pl.Boolean,
}  # fmt: skip


@dataclass(slots=True)
class Trials:
    """A ledger of all variants of a factor that were looked at, to be saved beside the research.

    Parameters
    ----------
    untold : int
        Variants that were tried and are not in the ledger. They count as worthless tests.

    Examples
    --------
    Twenty series of noise: the best looks significant by itself, and not when all twenty count.

    >>> trials = kf.evaluation.Trials()
    >>> noise = np.random.default_rng(4).standard_normal((20, 120))
    >>> for k, series in enumerate(noise):
    ...     trials.add(f"variant {k}", series, parameters={"half_life": k})
    >>> best = trials.table().row(0, named=True)
    >>> best["p"] < 0.05 < best["p_holm"], best["passes_harvey_liu_zhu"]
    (True, False)
    """

    untold: int = 0
    _trials: dict[str, dict[str, Any]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if isinstance(self.untold, bool) or not isinstance(self.untold, int) or self.untold < 0:
            raise DataError(f"untold is {self.untold!r}; expected a whole number of at least 0.")

    def __len__(self) -> int:
        return len(self._trials) + self.untold

    def __contains__(self, name: object) -> bool:
        return name in self._trials

    def __getitem__(self, name: str) -> Mapping[str, Any]:
        """Return what is known of a trial: parameters, n, mean, t, p, lag, sharpe, skewness, kurtosis, values."""
        if name not in self._trials:
            raise DataError(f"there is no trial {name!r}; there are {', '.join(self._trials) or 'none'}.")
        return MappingProxyType(self._trials[name])

    def add(
        self,
        name: str,
        values: ArrayLike | None = None,
        *,
        t: float | None = None,
        n: int | None = None,
        parameters: Mapping[str, Any] | None = None,
        overlap: int = 0,
    ) -> None:
        """Add what a variant earned on each date, or only its t.

        Parameters
        ----------
        name : str
            What it is; adding the same again changes nothing.
        values : (n,) array, optional
            Its spread, factor return or information coefficient, in the order of time; NaN is left out. The ledger
            keeps their moments and a SHA-256 of them.
        t, n : float, int, optional
            Instead of values: the t of a mean, and of how many numbers. The Sharpe ratio is then t / sqrt(n), and
            returns count as normal.
        parameters : mapping, optional
            What makes the variant: a definition's fingerprint, numbers and texts, kept with it.
        overlap : int
            How many later dates share days with one: the least lag of the Newey-West t. Sharpe ratios, also the
            deflated, take returns as independent: of returns that overlap they say too much.

        Raises
        ------
        DataError
            The name stands for something else already, fewer than 3 values are known or all are equal, neither or both of
            values and t are given, t is no finite number or beyond 1e12, n no whole number, or a parameter has a name
            that is no text.
        """
        if not name or not isinstance(name, str):
            raise DataError(f"a trial is named {name!r}; expected a text.")
        if (values is None) == (t is None) or (t is None) != (n is None):
            raise DataError(f"trial {name!r} needs values, or both t and n.")
        overlap = whole("overlap", overlap, least=0)
        if parameters is not None and not isinstance(parameters, Mapping):
            raise DataError(f"parameters of trial {name!r} are {parameters!r}; expected a mapping.")
        found = _measured(values, overlap) if values is not None else _told(name, t, n)
        entry = {"parameters": dict(parameters or {}), **found}
        try:
            _take(self._trials, name, json.loads(json.dumps(entry, default=str, allow_nan=False)))
        except TypeError as error:
            raise DataError(
                f"parameters of trial {name!r} are not what a ledger keeps ({error}): their names are texts."
            ) from error
        except ValueError as error:
            if isinstance(error, DataError):
                raise
            raise DataError(
                f"parameters of trial {name!r} hold a number that is not finite. Write it as a text."
            ) from error

    def add_evaluation(self, name: str, evaluation: Evaluation) -> None:
        """Add what an evaluated column earned, equally weighted, over the shortest horizon that was evaluated.

        Parameters
        ----------
        name : str
            What it is.
        evaluation : Evaluation
            Its settings, column, quantiles, horizons, entry and by among them, are the parameters of the trial. The
            same series with other settings is one more trial, under a name of its own.

        Raises
        ------
        DataError
            As for `add`: fewer than 3 dates have both sides of the spread, say.

        Notes
        -----
        The series is that of the highest less the lowest quantile of the column; of exposed less unexposed names only
        where the column is the exposure. Of horizons that reach beyond the next dates only every so many dates count
        that no two share a day, as Sharpe ratios take them as independent.
        """
        settings = evaluation.settings
        horizon = min(settings["horizons"])
        spread = spread_for(settings["column"])
        values = evaluation.spreads.filter(horizon=horizon, spread=spread, weighting="equal").sort("date")[
            "value"
        ]
        parameters = {key: str(value) for key, value in settings.items() if key != "dates"}
        parameters["series"] = f"{SPREADS[spread]}, {sessions(horizon)}"
        apart = values.gather_every(settings["overlap"] + 1)
        self.add(name, apart.fill_null(np.nan).to_numpy(), parameters=parameters)

    def table(self) -> pl.DataFrame:
        """Return a row per trial, the largest t of either sign first.

        Returns
        -------
        polars.DataFrame
            trial, n, mean, t (Newey-West), p, p_holm and p_by (Benjamini-Yekutieli; all trials counted, the untold
            ones and those without p too), sharpe (a period), deflated_sharpe (the probability that it is above what the
            best of as many worthless trials shows, with the variance of the ratios that are told; null with one trial
            told), passes_harvey_liu_zhu (p no larger than that of a normal t of 3, 0.0027: their threshold, which a t of
            returns that overlap, or of few, does not pass as easily as it looks).
        """
        trials = self._trials
        p = np.array([np.nan if one["p"] is None else one["p"] for one in trials.values()])
        # A trial without a p is still one that was tried.
        holm, by = (adjusted_p(p, method, tests=len(self)) for method in ("holm", "benjamini_yekutieli"))
        sharpes = np.array([one["sharpe"] for one in trials.values()])
        variance = float(sharpes.var(ddof=1)) if sharpes.size > 1 else math.nan
        rows = [
            (
                name, one["n"], one["mean"], one["t"], one["p"], _known(holm[k]), _known(by[k]), one["sharpe"],
                self._deflated(one, variance), None if one["p"] is None else one["p"] <= HURDLE,
            )
            for k, (name, one) in enumerate(trials.items())
        ]  # fmt: skip
        frame = pl.DataFrame(rows, schema=TABLE, orient="row")
        return frame.sort(pl.col("t").abs(), "trial", descending=[True, False], nulls_last=True)

    def _deflated(self, one: Mapping[str, Any], variance: float) -> float | None:
        if math.isnan(variance):
            return None
        return deflated_sharpe(
            one["sharpe"], one["n"], trials=len(self), variance=variance, skewness=one["skewness"],
            kurtosis=one["kurtosis"],
        )  # fmt: skip

    def save(self, path: str | PathLike[str]) -> Path:
        """Write the ledger as readable JSON, whole or not at all; trials that the file has already are kept.

        So a ledger only grows: what another run wrote in the meantime is taken over, and of untold trials the larger
        number counts.

        Raises
        ------
        DataError
            The file is no ledger, has a trial of the same name with other results, or is being written by another.
        """
        path = Path(path)
        with locked(path):
            untold, trials = _load(path) if path.exists() else (0, {})
            for name, entry in self._trials.items():
                _take(trials, name, entry)
            # The order of the file, then what is new.
            self.untold, self._trials = max(untold, self.untold), trials
            ledger = {"format": FORMAT, "untold": self.untold, "trials": trials}
            text = json.dumps(ledger, indent=1, allow_nan=False)
            return written(path, lambda file: file.write(text.encode()), what="the trials")

    @classmethod
    def read(cls, path: str | PathLike[str]) -> "Trials":
        """Read a ledger that was saved.

        Raises
        ------
        DataError
            There is no such file, or it is no ledger.
        """
        untold, trials = _load(path)
        return cls(untold, trials)


def _take(trials: dict[str, dict[str, Any]], name: str, entry: dict[str, Any]) -> None:
    if trials.setdefault(name, entry) != entry:
        raise DataError(
            f"{name!r} is in the ledger with other results or parameters. Give the new variant its own name."
        )


def _load(path: str | PathLike[str]) -> tuple[int, dict[str, dict[str, Any]]]:
    try:
        given = json.loads(Path(path).read_text(encoding="utf-8"))
        if given["format"] != FORMAT:
            raise DataError(f"{path} has format {given['format']}; this release reads {FORMAT}.")
        untold, trials = Trials(given["untold"]).untold, dict(given["trials"])
        for entry in trials.values():
            _check(entry)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(
            f"{path} is no ledger of trials ({error!r}). Write one with Trials().save."
        ) from error
    return untold, trials


def _measured(values: ArrayLike, overlap: int) -> dict[str, Any]:
    x = np.asarray(values, np.float64)
    moments = sharpe_of(x)
    test = hac_mean(x, minimum_lag=overlap)
    return {
        "n": moments.n, "mean": test.mean, "t": test.t, "p": test.p, "lag": test.lag,
        "sharpe": moments.sharpe, "skewness": moments.skewness, "kurtosis": moments.kurtosis,
        "values": hashlib.sha256(x[~np.isnan(x)].astype("<f8").tobytes()).hexdigest(),
    }  # fmt: skip


def _told(name: str, t: float | None, n: int | None) -> dict[str, Any]:
    n, t = whole("n", n, least=3), number("t", t)
    if abs(t) > LARGEST_T:
        raise DataError(f"trial {name!r} has t={t:g}; one beyond {LARGEST_T:g} is rounding, not a finding.")
    return {
        "n": n, "mean": None, "t": t, "p": two_sided_p(t, n - 1.0), "lag": None,
        "sharpe": t / math.sqrt(n), "skewness": 0.0, "kurtosis": 3.0, "values": None,
    }  # fmt: skip


def _check(one: Mapping[str, Any]) -> None:
    for name in NUMBERS:
        value = one[name]
        optional = name in {"mean", "t", "p"}
        if isinstance(value, bool) or not (isinstance(value, int | float) or (optional and value is None)):
            raise TypeError(f"{name} is {value!r}")


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
