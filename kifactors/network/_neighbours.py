"""Who is within some ties of a company, and how far up or down the chain."""

import polars as pl

__all__ = ["steps"]


def steps(edges: pl.DataFrame, centre: str, depth: int) -> dict[str, int]:
    """Return the companies within some ties of one, nearest first, and their place in the chain.

    The place of a customer is one above that of the supplier through which it was found, 0 for the company itself;
    who is found in several ways keeps the first: nearest, then customers, then by id.

    Examples
    --------
    a sells to b and b to c, as d does:

    >>> edges = pl.DataFrame({"supplier_id": ["a", "b", "d"], "customer_id": ["b", "c", "c"]})
    >>> steps(edges, "b", 1)
    {'b': 0, 'c': 1, 'a': -1}
    >>> steps(edges, "b", 2)["d"]
    0
    """
    beside: dict[str, list[tuple[int, str, int]]] = {}
    for supplier, customer in edges.select("supplier_id", "customer_id").unique().rows():
        beside.setdefault(supplier, []).append((0, customer, 1))
        beside.setdefault(customer, []).append((1, supplier, -1))
    found = {centre: 0}
    front = [centre]
    for _ in range(depth):
        reached: list[str] = []
        for one in front:
            for _, other, step in sorted(beside.get(one, [])):
                if other not in found:
                    found[other] = found[one] + step
                    reached.append(other)
        front = reached
    return found
