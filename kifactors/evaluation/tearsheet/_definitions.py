"""How each figure is made, in words, and where that comes from."""

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["DEFINITIONS", "SETTINGS"]

DEFINITIONS: Mapping[str, str] = MappingProxyType(
    {
        "Forward return": (
            "Price h sessions after the entry, over the price at the entry, less 1. The entry is the {entry} of the first "
            "session strictly after the score date."
        ),
        "Information coefficient (IC)": (
            "Correlation of values and forward returns among the names of one date; rank IC is that of their ranks "
            "(Spearman). ICIR is its mean over its standard deviation. Exposed names are those with an exposure above {above}."
        ),
        "t": (
            "Mean through time over its Newey-West standard error: products of deviations up to a lag are added with "
            "weights that fall in a line to zero, as neighbouring dates share days. Newey and West (1987), Econometrica "
            "55(3); (1994), Review of Economic Studies 61(4). p counts what overlapping returns still hide, so it is larger "
            "than a normal table says."
        ),
        "t, dates apart": (
            "Plain t of only those dates whose returns share no day, from the first date on. Fewer dates, no overlap to correct "
            "for."
        ),
        "Interval": (
            "Stationary bootstrap: stretches of dates of random length are drawn anew {draws} times. Politis and Romano (1994), JASA "
            "89(428); length by Politis and White (2004), Econometric Reviews 23(1). An interval that includes 0 cannot "
            "be told from zero."
        ),
        "Quantile": (
            "Names of a date, cut at percentiles of their known values; 1 is the lowest. Nobody is left out for a return "
            "that is missing later. Each date counts alike in a mean, however many names it has."
        ),
        "Spread": "Mean return of the highest less the lowest quantile; or of exposed less unexposed names.",
        "What is held": (
            "From the entry of one score date to that of the next; weights drift in between. A year's figures are those "
            "of a period times the periods of a year, volatility times their square root. Sharpe: one over the other, no "
            "cash rate. Drawdown: how far below the highest so far, seen at score dates."
        ),
        "Turnover": (
            "Half of all weights bought and sold at a score date, drift included; a spread's is the sum of both legs. Where "
            "nobody is held there is cash: to sell everything is 0.5, and to buy it again."
        ),
        "Break-even cost": (
            "Mean return of a period, 0 in cash, over twice the mean turnover: the cost of a bought or sold dollar that leaves nothing."
        ),
        "Factor return": (
            "On each date returns are regressed on the value, beside the market and the industries, size and styles that the "
            "universe has: the coefficient is what a unit earned. t as in Fama and MacBeth (1973), JPE 81(3), with Newey-West."
        ),
        "Rank autocorrelation": (
            "Correlation of the ranks of one date and the next, among names known on both. The half-life is the days until "
            "half of a lead in rank is gone, if each step keeps that share."
        ),
        "What is asked of a new factor": (
            "A t above 3, as hundreds were tried: Harvey, Liu and Zhu (2016), RFS 29(1). kifactors.evaluation.Trials counts what "
            "you tried, and corrects for it."
        ),
    }
)
SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "column": "column", "horizons": "horizons, sessions", "quantiles": "quantiles",
        "overlap": "dates that overlap, shortest horizon", "exposed_above": "exposed above",
        "entry": "entry", "by": "groups", "weightings": "weights", "confidence": "confidence", "draws": "bootstrap draws",
        "seed": "seed", "first": "first score date", "last": "last score date", "assets": "scored assets",
        "sessions_first": "first session", "sessions_last": "last session", "source": "source of prices",
        "definition": "definition",
    }
)  # fmt: skip
