"""Derivatives of AI revenue by theta and by AI spending, of everybody by everybody, at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kifactors.scenarios._system import Customers, System, derivatives
from kifactors.snapshot import Snapshot

__all__ = ["Elasticities", "elasticities"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, repr=False)
class Elasticities:
    """Derivatives at today's values; result of `Scenario.elasticities`.

    suppliers : n asset ids, everybody with a tie or a disclosed share.
    pioneers : k asset ids.
    d_theta : (n, k) d r_i / d theta_j.
    d_spending : (n, k) d r_i / d ln(AI capex of j): 0.01 of it is what 1 % more spending adds to the share.
    x_theta, x_spending : (n, k) the same of x, what ties alone explain; differs from r where a disclosed share is above.
    labels : name of each asset id.
    """

    suppliers: tuple[str, ...]
    pioneers: tuple[str, ...]
    d_theta: Floats
    d_spending: Floats
    x_theta: Floats
    x_spending: Floats
    labels: dict[str, str]

    def __repr__(self) -> str:
        return f"Elasticities({len(self.suppliers):,} suppliers, {len(self.pioneers):,} pioneers)"

    def to_polars(self) -> pl.DataFrame:
        """Return a row per supplier and pioneer with any effect on x, the largest of r first within a supplier.

        Returns
        -------
        polars.DataFrame
            supplier_id, supplier, pioneer_id, pioneer, d_theta, d_spending, x_theta, x_spending.
        """
        i, j = np.nonzero(self.x_theta)
        ids = {"supplier": [self.suppliers[n] for n in i], "pioneer": [self.pioneers[n] for n in j]}
        columns = {
            name: getattr(self, name)[i, j] for name in ("d_theta", "d_spending", "x_theta", "x_spending")
        }
        text = {"supplier": pl.String, "pioneer": pl.String}
        names = pl.DataFrame(ids, schema=text).select(
            supplier_id="supplier",
            supplier=pl.Series([self.labels[one] for one in ids["supplier"]], dtype=pl.String),
            pioneer_id="pioneer",
            pioneer=pl.Series([self.labels[one] for one in ids["pioneer"]], dtype=pl.String),
        )
        return names.with_columns(**{name: pl.Series(values) for name, values in columns.items()}).sort(
            "supplier_id", "d_spending", "pioneer_id", descending=[False, True, False]
        )


def elasticities(
    base: Snapshot, system: System, numbers: Sequence[int], *, n_threads: int | None = None
) -> Elasticities:
    """Return the derivatives by these nodes.

    Notes
    -----
    dx = f + K dr, dr_i = dx_i where x_i >= s_i, else 0, K_ij = W_ij delta (1 - theta_j);
    f_i = W_ij (1 - delta r_j) for theta_j, f_i = W_ij theta_j for ln of j's AI spending. At x = s it is the derivative
    of an increase.

    Examples
    --------
    a sells 50 % to p (theta 0.6), b 40 % to a, delta 0.5: dr_a = 0.5, dr_b = 0.4 * 0.5 * 0.5 = 0.1.

    >>> from datetime import date
    >>> day = date(2024, 1, 1)
    >>> tables = kf.Tables(
    ...     revenue_ties={"supplier_id": ["a", "b"], "customer_id": ["p", "a"], "customer_label": ["P", "A"],
    ...         "revenue_share": [0.5, 0.4], "period_end": [day] * 2, "available_at": [day] * 2},
    ...     ai_capex_share={"asset_id": ["p"], "share": [0.6], "available_at": [day], "provenance": ["assumed"]})
    >>> found = kf.scenario(tables, date="2024-01-31").elasticities()
    >>> found.d_theta.round(9).tolist(), found.d_spending.round(9).tolist()
    ([[0.5], [0.1], [0.0]], [[0.3], [0.06], [0.0]])
    """
    customers, delta = Customers(system.graph), system.spec.delta
    nodes, count = system.theta.size, len(numbers)
    direct = np.zeros((nodes, 2 * count))
    for column, node in enumerate(numbers):
        customers.add(direct[:, column], node, 1.0 - delta * min(1.0, float(system.revenue[node])))
        customers.add(direct[:, count + column], node, float(system.theta[node]))
    dr, dx = derivatives(system, direct, n_threads=n_threads) if count else (direct, direct)
    ids = base.ids
    return Elasticities(
        tuple(ids),
        tuple(ids[node] for node in numbers),
        dr[:, :count],
        dr[:, count:],
        dx[:, :count],
        dx[:, count:],
        {asset: base.names.label(asset) for asset in ids},
    )
