"""The pictures, one method each; all return matplotlib axes."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kifactors.evaluation._evaluation import Evaluation
from kifactors.evaluation.tearsheet import _draw_ic, _draw_names, _draw_portfolios

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Plots"]


@dataclass(frozen=True, slots=True)
class Plots:
    """Pictures of an evaluation, one method each (extra ``report``).

    Each takes axes to draw on, or makes them on a figure of their own: ``plots.ic().figure.savefig("ic.svg")``. No
    window, backend or setting of matplotlib is touched. Where there is nothing to draw a sentence says why.

    Parameters
    ----------
    evaluation : Evaluation
    """

    evaluation: Evaluation

    def ic(self, ax: "Axes | None" = None, *, horizon: int | None = None) -> "Axes":
        """Draw the rank information coefficient of each date and its rolling mean.

        Parameters
        ----------
        ax : Axes, optional
        horizon : int, optional
            In sessions; by default the one nearest to a month (21).

        Notes
        -----
        The mean is that of as many dates as a year has, at most half of all.
        """
        return _draw_ic.draw_ic(self.evaluation, ax, horizon)

    def ic_by_horizon(self, ax: "Axes | None" = None) -> "Axes":
        """Draw mean rank coefficients and their intervals by horizon; hollow where there is no interval."""
        return _draw_ic.draw_by_horizon(self.evaluation, ax)

    def ic_decay(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the mean rank coefficient with the return of each month alone; hollow where there is no interval."""
        return _draw_ic.draw_decay(self.evaluation, ax)

    def quantiles(self, ax: "Axes | None" = None, *, weighting: str = "equal") -> "Axes":
        """Draw the mean forward return of each quantile and horizon, the mean of the dates' means."""
        return _draw_portfolios.draw_quantiles(self.evaluation, ax, weighting)

    def cumulative(self, ax: "Axes | None" = None, *, weighting: str = "equal") -> "Axes":
        """Draw what both sides of the spread and the spread earned, held from score date to score date.

        The sides are the highest and the lowest quantile, and exposed and unexposed names where the column is the exposure.
        """
        return _draw_portfolios.draw_cumulative(self.evaluation, ax, weighting)

    def drawdown(self, ax: "Axes | None" = None, *, weighting: str = "equal") -> "Axes":
        """Draw how far each of these is below its peak."""
        return _draw_portfolios.draw_drawdown(self.evaluation, ax, weighting)

    def turnover(self, ax: "Axes | None" = None, *, weighting: str = "equal") -> "Axes":
        """Draw the one-way turnover of each score date; that of the spread is the sum of both legs."""
        return _draw_portfolios.draw_turnover(self.evaluation, ax, weighting)

    def exposed_count(self, ax: "Axes | None" = None) -> "Axes":
        """Draw how many names are known and how many exposed on each date, and the mean coverage."""
        return _draw_names.draw_exposed(self.evaluation, ax)

    def factor_returns(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the sum of the factor's returns, each for a unit of exposure, beside the market and other styles."""
        return _draw_portfolios.draw_factor(self.evaluation, ax)

    def autocorrelation(self, ax: "Axes | None" = None) -> "Axes":
        """Draw how each ranking resembles the one before."""
        return _draw_names.draw_autocorrelation(self.evaluation, ax)

    def members(self, ax: "Axes | None" = None) -> "Axes":
        """Draw who is in on the last score date, coloured by role."""
        return _draw_names.draw_members(self.evaluation, ax)

    def dropped(self, ax: "Axes | None" = None, *, horizon: int | None = None) -> "Axes":
        """Draw why scored rows have no return over a horizon, by default the one nearest to a month."""
        return _draw_names.draw_dropped(self.evaluation, ax, horizon)
