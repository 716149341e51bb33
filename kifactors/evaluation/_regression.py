"""One cross-section: returns on market, styles and industries, by weighted least squares."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Regression", "coefficients", "decompose", "portfolios"]

Floats = NDArray[np.float64]
# Dispersion below this share of the largest number is rounding.
ROUNDING = 1e-12
# Of columns of length 1: Belsley, Kuh, Welsch (1980), Regression Diagnostics, chapter 3, call dependencies at 30 to
# 100 moderate to strong. At ten times that coefficients are large, of opposite signs, and say nothing of either style.
WORST_CONDITION = 1_000.0


@dataclass(frozen=True, slots=True, eq=False)
class Regression:
    """The part of a regression that does not depend on returns; n names, k styles, j industries that are present.

    present : (j,) their numbers.
    codes : (n,) which of them each name is in, from 0 to j - 1.
    w : (n,) regression weights.
    industry_w : (j,) their sums.
    share : (j,) of all caps.
    means : (j, k) weighted means of exposures.
    inside : (n, k) exposures less those; X for short.
    inverse : (k, n) rows of (X'WX)^-1 X'W.
    spread : (k, k) with spread spread' = (X'WX)^-1.
    """

    present: NDArray[np.intp]
    codes: NDArray[np.intp]
    w: Floats
    industry_w: Floats
    share: Floats
    means: Floats
    inside: Floats
    inverse: Floats
    spread: Floats


def decompose(
    X: Floats, w: Floats, caps: Floats, codes: NDArray[np.intp], names: tuple[str, ...]
) -> Regression | str:
    """Take industries and styles apart, or say why they cannot be.

    Parameters
    ----------
    X : (n, k) array
        Exposures, finite.
    w, caps : (n,) arrays
        Regression weights and market capitalisations, above 0.
    codes : (n,) array
        The industry of each name, from 0 on; one number for all without industries.
    names : tuple of str
        Of the styles, for the reason.

    Notes
    -----
    A dummy for each industry is the same as exposures and returns less the weighted means of their industries: Frisch
    and Waugh (1933), Econometrica 1(4); Lovell (1963), JASA 58. What remains has a column per style only, of full rank
    or not, whatever the units.
    """
    n, k = X.shape
    there = np.bincount(codes) > 0
    present = np.flatnonzero(there)
    codes, j = (there.cumsum() - 1)[codes], present.size
    if n <= k + j:
        return f"{n} names for {k + j} factors"
    w = w / w.mean()
    industry_w = np.bincount(codes, w).astype(np.float64)
    means = np.column_stack([np.bincount(codes, w * X[:, i]) for i in range(k)]) / industry_w[:, None]
    inside = X - means[codes]
    size = np.abs(inside).max(axis=0)
    flat = size <= ROUNDING * np.abs(X).max(axis=0)
    if flat.any():
        within = "in every industry" if j > 1 else "for all names"
        return f"{names[int(np.argmax(flat))]} is the same {within}"
    root = np.sqrt(w)
    Q, upper = np.linalg.qr(inside / size * root[:, None])
    length = np.sqrt((upper**2).sum(axis=0))
    singular = np.linalg.svd(upper / length, compute_uv=False)
    if singular[-1] <= ROUNDING * singular[0]:
        return "exposures are collinear"
    if singular[0] > WORST_CONDITION * singular[-1]:
        return f"exposures are nearly collinear: condition number above {WORST_CONDITION:.0f}"
    spread = np.linalg.inv(upper) / size[:, None]
    share = np.bincount(codes, caps)
    return Regression(
        present=present,
        codes=codes,
        w=w,
        industry_w=industry_w,
        share=share / share.sum(),
        means=means,
        inside=inside,
        inverse=spread @ (Q * root[:, None]).T,
        spread=spread,
    )


def coefficients(parts: Regression, y: Floats) -> tuple[Floats, Floats, float]:
    """Return factor returns (market, styles, industries), their t, and R2.

    Without more than one industry there are none of theirs. t and R2 are NaN where nothing is left to divide by.

    Notes
    -----
    With a_j = mean_j(y) - mean_j(x) f_styles the return of an industry's names with exposures 0, the market's is sum
    share_j a_j, and an industry's a_j less that, so that sum share_j f_j = 0.
    """
    codes, w, share = parts.codes, parts.w, parts.share
    n, j, k = y.size, share.size, parts.means.shape[1]
    y_means = np.bincount(codes, w * y) / parts.industry_w
    inside = y - y_means[codes]
    styles = parts.inverse @ inside
    alone = y_means - parts.means @ styles
    market = share @ alone
    residual = inside - parts.inside @ styles
    total = y - (w @ y) / w.sum()
    rss, tss, size = float(w @ residual**2), float(w @ total**2), float(w @ y**2)
    sigma = np.sqrt(rss / (n - k - j)) if rss > ROUNDING**2 * size else np.nan
    # Rows: what market and each industry take of a.
    take = np.vstack([share, np.eye(j) - share]) if j > 1 else share[None, :]
    own = (take**2 / parts.industry_w).sum(axis=1)
    se = np.sqrt(own + ((take @ parts.means @ parts.spread) ** 2).sum(axis=1))
    se = np.concatenate([se[:1], np.sqrt((parts.spread**2).sum(axis=1)), se[1:]])
    f = np.concatenate([[market], styles, alone - market if j > 1 else []])
    return f, f / (sigma * se), 1.0 - rss / tss if tss > ROUNDING**2 * size else np.nan


def portfolios(parts: Regression) -> Floats:
    """Return (factors, n): the weights with which returns are the factor returns."""
    j, n = parts.share.size, parts.codes.size
    alone = np.zeros((j, n))
    alone[parts.codes, np.arange(n)] = parts.w / parts.industry_w[parts.codes]
    alone -= parts.means @ parts.inverse
    market = parts.share @ alone
    return np.vstack([market, parts.inverse, *([alone - market] if j > 1 else [])])
