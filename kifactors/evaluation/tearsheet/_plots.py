"""The pictures, one method each; all return matplotlib axes."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from kifactors.evaluation._evaluation import Evaluation
from kifactors.evaluation.tearsheet._canvas import COLOURS, WHOLE_LINE, new_axes, nothing, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Plots"]

BLUE, ORANGE, GREEN, PINK, YELLOW, SKY, GREY = COLOURS
NAMES = {"universe": ("all known names", BLUE), "exposed": ("exposed names", ORANGE)}
ROLES = {
    "pioneer": BLUE,
    "tool_supplier": GREEN,
    "both": PINK,
    "index_only": SKY,
    "none": GREY,
    "unknown": GREY,
}
MOST_BARS = 25
ROLLING = 12


@dataclass(frozen=True, slots=True)
class Plots:
    """Pictures of an evaluation; each takes axes to draw on, or makes them.

    Parameters
    ----------
    evaluation : Evaluation
    """

    evaluation: Evaluation

    def ic(self, ax: "Axes | None" = None, *, horizon: int | None = None) -> "Axes":
        """Draw the rank coefficient of each date and its mean over twelve dates."""
        with styled():
            ax = new_axes(ax, width=WHOLE_LINE)
            h = self._main(horizon)
            frame = self.evaluation.ic.filter(pl.col("group").is_null(), pl.col("horizon") == h)
            drawn = False
            for names, (label, colour) in NAMES.items():
                one = frame.filter(pl.col("names") == names).sort("date").drop_nulls("spearman")
                if one.is_empty():
                    continue
                drawn = True
                days, values = one["date"].to_list(), one["spearman"].to_numpy()
                ax.plot(days, values, ".", color=colour, alpha=0.35, markersize=4)
                mean = one["spearman"].rolling_mean(ROLLING, min_samples=min(ROLLING, one.height)).to_list()
                ax.plot(days, mean, color=colour, label=label)
            if not drawn:
                return nothing(ax, "No date has three names with a value and a return.")
            ax.axhline(0.0, color=GREY, linewidth=0.8)
            _dates(ax)
            ax.set_ylabel("rank IC")
            ax.set_title(f"Rank IC with the return over {sessions(h)}; lines: mean of {ROLLING} dates")
            ax.legend(loc="best", fontsize=8)
            return ax

    def ic_by_horizon(self, ax: "Axes | None" = None) -> "Axes":
        """Draw mean rank coefficients and their intervals by horizon."""
        frame = self.evaluation.ic_summary.filter(method="spearman")
        horizons = list(self.evaluation.settings["horizons"])
        with styled():
            ax = new_axes(ax)
            if frame["mean"].null_count() == frame.height:
                return nothing(ax, "No date has three names with a value and a return.")
            for shift, (names, (label, colour)) in zip((-0.08, 0.08), NAMES.items(), strict=True):
                one = frame.filter(names=names).sort("horizon").drop_nulls("mean")
                place = [horizons.index(h) + shift for h in one["horizon"]]
                _points(ax, place, one, colour, label)
            ax.axhline(0.0, color=GREY, linewidth=0.8)
            ax.set_xticks(range(len(horizons)), [sessions(h) for h in horizons])
            ax.set_ylabel("mean rank IC")
            ax.set_title(f"Mean rank IC and {self._confidence()} intervals")
            ax.legend(loc="best", fontsize=8)
            return ax

    def ic_decay(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the mean rank coefficient with the return of each month alone."""
        frame = self.evaluation.decay.filter(method="spearman")
        with styled():
            ax = new_axes(ax)
            if frame["mean"].null_count() == frame.height:
                return nothing(ax, "No date has three names with a value and a return.")
            for shift, (names, (label, colour)) in zip((-0.12, 0.12), NAMES.items(), strict=True):
                one = frame.filter(names=names).sort("month").drop_nulls("mean")
                _points(ax, [m + shift for m in one["month"]], one, colour, label)
            ax.axhline(0.0, color=GREY, linewidth=0.8)
            ax.set_xticks(range(1, 13))
            ax.set_xlabel("month after the entry, 21 sessions each")
            ax.set_ylabel("mean rank IC")
            ax.set_title("How long it lasts: rank IC with each month alone")
            ax.legend(loc="best", fontsize=8)
            return ax

    def quantiles(self, ax: "Axes | None" = None, *, weighting: str = "equal") -> "Axes":
        """Draw the mean forward return of each quantile, the mean of the dates' means."""
        labels = [str(k) for k in range(1, int(self.evaluation.settings["quantiles"]) + 1)]
        frame = self.evaluation.portfolio_summary.filter(
            pl.col("portfolio").is_in(labels), pl.col("weighting") == weighting
        )
        horizons = list(self.evaluation.settings["horizons"])
        with styled():
            ax = new_axes(ax)
            if frame["mean_of_means"].null_count() == frame.height:
                return nothing(ax, "No date has as many known names as there are quantiles.")
            width = 0.8 / len(horizons)
            for k, h in enumerate(horizons):
                one = (
                    frame.filter(horizon=h).with_columns(pl.col("portfolio").cast(pl.Int64)).sort("portfolio")
                )
                heights = [np.nan if x is None else 100.0 * x for x in one["mean_of_means"]]
                place = np.arange(len(labels)) + (k - (len(horizons) - 1) / 2) * width
                ax.bar(place, heights, width * 0.9, color=COLOURS[k % len(COLOURS)], label=sessions(h))
            ax.axhline(0.0, color=GREY, linewidth=0.8)
            ax.set_xticks(range(len(labels)), [f"{x}\n{_end(x, labels)}".strip() for x in labels])
            ax.set_ylabel("mean return, %")
            ax.set_title("Mean forward return by quantile of the value")
            ax.legend(loc="best", fontsize=8, ncols=2)
            return ax

    def cumulative(self, ax: "Axes | None" = None, *, weighting: str = "equal") -> "Axes":
        """Draw what exposed and unexposed names and their spread earned, held from score date to score date."""
        wanted = (("exposed", ORANGE), ("unexposed", GREY), ("exposed spread", BLUE))
        return self._through_time(
            ax, "cumulative", wanted, weighting, "growth, %", "Held from score date to score date"
        )

    def drawdown(self, ax: "Axes | None" = None, *, weighting: str = "equal") -> "Axes":
        """Draw how far each is below its peak."""
        wanted = (("exposed", ORANGE), ("exposed spread", BLUE))
        return self._through_time(ax, "drawdown", wanted, weighting, "below the peak, %", "Drawdown")

    def turnover(self, ax: "Axes | None" = None, *, weighting: str = "equal") -> "Axes":
        """Draw the one-way turnover of each score date."""
        wanted = (("exposed", ORANGE), ("exposed spread", BLUE))
        return self._through_time(
            ax, "turnover", wanted, weighting, "one-way, %", "Turnover at each score date"
        )

    def exposed_count(self, ax: "Axes | None" = None) -> "Axes":
        """Draw how many names are known and how many exposed on each date."""
        frame = self.evaluation.stability.sort("date")
        with styled():
            ax = new_axes(ax)
            if frame["n"].sum() == 0:
                return nothing(ax, "Nobody's value is known on any date.")
            days = frame["date"].to_list()
            ax.step(days, frame["n"].to_list(), color=GREY, where="post", label="value known")
            ax.step(days, frame["exposed"].to_list(), color=ORANGE, where="post", label="exposed")
            ax.set_ylim(bottom=0)
            _dates(ax)
            ax.set_ylabel("names")
            ax.set_title("How many names stand behind a figure")
            ax.legend(loc="best", fontsize=8)
            return ax

    def factor_returns(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the sum of the factor's returns, each for an exposure of 1."""
        column = self.evaluation.settings["column"]
        frame = (
            self.evaluation.factor_returns.filter(pl.col("factor") == column).drop_nulls("value").sort("date")
        )
        with styled():
            ax = new_axes(ax, width=WHOLE_LINE)
            if frame.is_empty():
                return nothing(ax, "No period has enough names for a regression.")
            ax.plot(frame["exit"].to_list(), (100.0 * frame["value"].cum_sum()).to_list(), color=BLUE)
            ax.axhline(0.0, color=GREY, linewidth=0.8)
            _dates(ax)
            ax.set_ylabel("sum, %")
            row = self.evaluation.factor_summary.filter(pl.col("factor") == column).row(0, named=True)
            t = "" if row["t_fm"] is None else f", t = {row['t_fm']:.2f}"
            ax.set_title(f"Factor return of a unit of {column}, {row['periods']} periods{t}")
            return ax

    def autocorrelation(self, ax: "Axes | None" = None) -> "Axes":
        """Draw how each ranking resembles the one before."""
        frame = self.evaluation.stability.sort("date").drop_nulls("rank_autocorrelation")
        with styled():
            ax = new_axes(ax)
            if frame.is_empty():
                return nothing(ax, "No two dates in a row have three known names that differ.")
            ax.plot(frame["date"].to_list(), frame["rank_autocorrelation"].to_list(), color=GREEN)
            ax.set_ylim(top=1.02)
            _dates(ax)
            ax.set_ylabel("correlation of ranks")
            ax.set_title("How each ranking resembles the one before")
            return ax

    def members(self, ax: "Axes | None" = None) -> "Axes":
        """Draw who is in on the last date."""
        frame = self.evaluation.members.head(MOST_BARS)
        with styled():
            ax = new_axes(ax, height=max(1.6, 0.24 * frame.height + 0.7))
            if frame.is_empty():
                return nothing(ax, "Nobody is exposed on the last date.")
            names = frame.select(pl.coalesce("ticker", "asset_id")).to_series().to_list()
            place = list(range(frame.height))
            values = [np.nan if x is None else x for x in frame["value"]]
            roles = [role or "unknown" for role in frame["role"]]
            ax.barh(place, values, color=[ROLES.get(role, GREY) for role in roles])
            ax.set_yticks(place, [_plain(name) for name in names])
            ax.invert_yaxis()
            ax.grid(axis="y", visible=False)
            ax.grid(axis="x", visible=True)
            ax.set_xlabel(str(self.evaluation.settings["column"]))
            ax.set_title(f"Who is in on {self.evaluation.settings['last']}")
            from matplotlib.patches import Patch

            seen = [role for role in ROLES if role in roles]
            handles = [Patch(color=ROLES[role], label=role.replace("_", " ")) for role in seen]
            ax.legend(handles=handles, loc="lower right", fontsize=8)
            return ax

    def dropped(self, ax: "Axes | None" = None) -> "Axes":
        """Draw why scored rows have no return."""
        frame = self.evaluation.dropped_counts.with_columns(
            over=pl.when(pl.col("horizon").is_null()).then(pl.lit("to next date")).otherwise(
                pl.col("horizon").cast(pl.String))
        )  # fmt: skip
        with styled():
            reasons = frame["reason"].unique(maintain_order=True).to_list()
            ax = new_axes(ax, height=max(1.6, 0.45 * len(reasons) + 1.0), width=WHOLE_LINE)
            if frame.is_empty():
                return nothing(ax, "Every scored row has a return at every horizon.")
            overs = frame["over"].unique(maintain_order=True).to_list()
            height = 0.8 / len(overs)
            for k, over in enumerate(overs):
                rows = dict(frame.filter(over=over).select("reason", "rows").rows())
                place = np.arange(len(reasons)) + (k - (len(overs) - 1) / 2) * height
                ax.barh(place, [rows.get(r, 0) for r in reasons], height * 0.9, color=COLOURS[k % len(COLOURS)],
                        label=over if over == "to next date" else sessions(int(over)))  # fmt: skip
            ax.set_yticks(range(len(reasons)), reasons)
            ax.invert_yaxis()
            ax.set_xlabel("rows")
            ax.set_title("Rows without a return, and why")
            ax.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=len(overs), fontsize=8)
            return ax

    def _through_time(
        self,
        ax: "Axes | None",
        column: str,
        wanted: tuple[tuple[str, str], ...],
        weighting: str,
        unit: str,
        title: str,
    ) -> "Axes":
        frame = self.evaluation.strategies.filter(weighting=weighting).sort("date")
        # All begin together, when there is somebody on both sides of the spread.
        begin = frame.filter(portfolio="exposed spread").drop_nulls("value")["date"].min()
        with styled():
            ax = new_axes(ax)
            if begin is None:
                return nothing(ax, "No period has exposed and unexposed names with a return.")
            for portfolio, colour in wanted:
                one = frame.filter(pl.col("portfolio") == portfolio, pl.col("date") >= begin)
                growth = (1.0 + one["value"].fill_null(0.0)).cum_prod()
                drawn = {
                    "cumulative": growth - 1.0,
                    "drawdown": growth / growth.cum_max().clip(1.0) - 1.0,
                    "turnover": one["turnover"],
                }[column]
                days, values = one["exit" if column != "turnover" else "date"].to_list(), drawn.to_list()
                known = [k for k, value in enumerate(values) if value is not None]
                ax.plot(
                    [days[k] for k in known],
                    [100.0 * values[k] for k in known],
                    color=colour,
                    label=portfolio,
                )
            ax.axhline(0.0, color=GREY, linewidth=0.8)
            _dates(ax)
            ax.set_ylabel(unit)
            ax.set_title(f"{title}, {weighting} weights")
            ax.legend(loc="best", fontsize=8)
            return ax

    def _main(self, horizon: int | None) -> int:
        horizons = self.evaluation.settings["horizons"]
        return min(horizons, key=lambda h: abs(h - 21)) if horizon is None else horizon

    def _confidence(self) -> str:
        return f"{100.0 * self.evaluation.settings['confidence']:g} %"


def _dates(ax: "Axes") -> None:
    """Write a few dates, each with no more than it needs."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=3, maxticks=7)  # type: ignore[no-untyped-call]
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]


def _points(ax: "Axes", place: list[float], rows: pl.DataFrame, colour: str, label: str) -> None:
    """Draw means with their intervals; one without an interval as an empty point."""
    if rows.is_empty():
        return
    sure = [low is not None for low in rows["low"]]
    means = rows["mean"].to_list()
    for known in (True, False):
        which = [k for k, is_sure in enumerate(sure) if is_sure == known]
        if not which:
            continue
        x, y = [place[k] for k in which], [means[k] for k in which]
        options: dict[str, Any] = {"color": colour, "markersize": 5, "label": label}
        if known:
            errors = [[means[k] - rows["low"][k] for k in which], [rows["high"][k] - means[k] for k in which]]
            ax.errorbar(x, y, np.maximum(errors, 0.0), fmt="o", capsize=2, **options)
            label = "_" + label
        else:
            ax.plot(x, y, "o", markerfacecolor="none", **options)


def sessions(horizon: int) -> str:
    """Return a horizon in words."""
    return "1 session" if horizon == 1 else f"{horizon} sessions"


def _end(label: str, labels: list[str]) -> str:
    return "lowest" if label == labels[0] else "highest" if label == labels[-1] else ""


def _plain(name: str) -> str:
    """Keep a name from being read as mathematics."""
    return name.replace("$", r"\$")
