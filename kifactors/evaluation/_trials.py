"""`Trials`: every variant that was tried, and what is left of the best when all are counted."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from kifactors.atomic import written
from kifactors.errors import DataError
from kifactors.evaluation._evaluation import Evaluation
from kifactors.evaluation._hac import hac_mean, least_lag
from kifactors.evaluation._multiple import HARVEY_LIU_ZHU, adjusted_p
from kifactors.evaluation._sharpe import deflated_sharpe, sharpe_of

__all__ = ["Trials"]

FORMAT = 1
TABLE = {
    "trial": pl.String, "n": pl.Int64, "mean": pl.Float64, "t": pl.Float64, "p": pl.Float64, "p_holm": pl.Float64,
    "p_benjamini_yekutieli": pl.Float64, "sharpe": pl.Float64, "deflated_sharpe": pl.Float64,
    "passes_harvey_liu_zhu": pl.Boolean,
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
    ...     trials.add(f"variant {k}", series)
    >>> best = trials.table().row(0, named=True)
    >>> best["p"] < 0.05 < best["p_holm"]
    True
    """

    untold: int = 0
    _trials: dict[str, dict[str, Any]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if isinstance(self.untold, bool) or not isinstance(self.untold, int) or self.untold < 0:
            raise DataError(f"untold is {self.untold!r}; expected a whole number of at least 0.")

    def __len__(self) -> int:
        return len(self._trials) + self.untold

    def add(
        self, name: str, values: ArrayLike, *, parameters: Mapping[str, Any] | None = None, overlap: int = 0
    ) -> None:
        """Add what a variant earned on each date: its spread, factor return or information coefficient.

        Parameters
        ----------
        name : str
            What it is; adding the same again changes nothing.
        values : (n,) array
            In the order of time; NaN is left out.
        parameters : mapping, optional
            What makes the variant: numbers and texts, kept with it.
        overlap : int
            How many later dates share days with one: the least lag of the Newey-West t.

        Raises
        ------
        DataError
            The name stands for other values, fewer than 3 are known, or all are equal.
        """
        x = np.asarray(values, np.float64)
        sharpe, skewness, kurtosis, n = sharpe_of(x)
        test = hac_mean(x, minimum_lag=least_lag(overlap))
        entry = {
            "parameters": dict(parameters or {}),
            "n": n, "mean": test.mean, "t": test.t, "p": test.p, "lag": test.lag,
            "sharpe": sharpe, "skewness": skewness, "kurtosis": kurtosis,
        }  # fmt: skip
        entry = json.loads(json.dumps(entry, default=str))
        if self._trials.setdefault(name, entry) != entry:
            raise DataError(
                f"{name!r} is in the ledger with other results. Give the new variant its own name."
            )

    def add_evaluation(self, name: str, evaluation: Evaluation) -> None:
        """Add the spread of exposed less unexposed names, held from score date to score date."""
        spread = evaluation.strategies.filter(portfolio="exposed spread", weighting="equal")
        settings = {k: v for k, v in evaluation.settings.items() if k not in {"dates"}}
        self.add(name, spread["value"].fill_null(np.nan).to_numpy(), parameters=settings)

    def table(self) -> pl.DataFrame:
        """Return a row per trial, the largest t first, whatever its sign.

        Columns: trial, n, mean, t (Newey-West), p, p_holm and p_benjamini_yekutieli (all trials counted, the untold
        ones too), sharpe (a period), deflated_sharpe (the probability that it is above what the best of as many
        worthless trials shows; null with one trial), passes_harvey_liu_zhu (|t| above 3).
        """
        trials = self._trials
        p = np.array([np.nan if one["p"] is None else one["p"] for one in trials.values()])
        # A trial without a p is still one that was tried.
        tests = len(self)
        holm, by = (adjusted_p(p, method, tests=tests) for method in ("holm", "benjamini_yekutieli"))
        sharpes = np.array([one["sharpe"] for one in trials.values()])
        variance = float(sharpes.var(ddof=1)) if sharpes.size > 1 else math.nan
        rows = [
            (
                name, one["n"], one["mean"], one["t"], one["p"], _known(holm[k]), _known(by[k]), one["sharpe"],
                self._deflated(one, variance), None if one["t"] is None else abs(one["t"]) > HARVEY_LIU_ZHU,
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
        """Write the ledger as JSON, whole or not at all."""
        text = json.dumps(
            {"format": FORMAT, "untold": self.untold, "trials": self._trials}, indent=1, sort_keys=True
        )
        return written(path, lambda file: file.write(text.encode()), what="the trials")

    @classmethod
    def read(cls, path: str | PathLike[str]) -> "Trials":
        """Read a ledger that was saved.

        Raises
        ------
        DataError
            There is no such file, or it is no ledger.
        """
        try:
            given = json.loads(Path(path).read_text())
            if given["format"] != FORMAT:
                raise DataError(f"{path} has format {given['format']}; this release reads {FORMAT}.")
            trials = cls(untold=given["untold"])
            _check(given["trials"].values())
            trials._trials.update(given["trials"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(
                f"{path} is no ledger of trials ({error!r}). Write one with Trials().save."
            ) from error
        return trials


def _check(trials: Iterable[Mapping[str, Any]]) -> None:
    for one in trials:
        for name in ("n", "mean", "t", "p", "sharpe", "skewness", "kurtosis"):
            value = one[name]
            if isinstance(value, bool) or not isinstance(value, int | float | None):
                raise TypeError(f"{name} is {value!r}")


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
