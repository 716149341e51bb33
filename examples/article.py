"""The figures of the article beside what companies said and what they later reported, each with its source.

    python examples/article.py

Reported capital expenditure is cash paid for property and equipment as the filing tags it. A plan may count
finance leases too, so the two need not meet. The first report of a period is shown, in its own currency: the
bundled data has no exchange rates. A figure without a filing in the bundled data is shown as such.
"""

from datetime import date

import polars as pl

import kifactors as kf
from kifactors.bundle import article_figures

# Which fiscal period each figure speaks of, and whose it is. Figures about power, computing or countries have no
# counterpart in a filing.
PERIODS = {
    ("AMZN", "capex plan"): ("cik:0001018724", date(2025, 1, 1), date(2025, 12, 31)),
    ("MSFT", "AI data-centre investment plan"): ("cik:0000789019", date(2024, 7, 1), date(2025, 6, 30)),
    ("META", "capex guidance"): ("cik:0001326801", date(2025, 1, 1), date(2025, 12, 31)),
    ("BABA", "cloud and AI investment plan"): ("cik:0001577552", date(2025, 1, 1), date(2027, 12, 31)),
    ("ByteDance", "capex plan"): ("name:bytedance", date(2025, 1, 1), date(2025, 12, 31)),
    ("TCEHY", "capex"): ("name:tencent", date(2024, 1, 1), date(2024, 12, 31)),
}


def compare(tables: kf.Tables) -> pl.DataFrame:
    """Return a row per comparable figure: the article's, the statements' and the reported one, in billions."""
    rows = []
    for figure in article_figures().iter_rows(named=True):
        key = (figure["entity"], figure["what"])
        if key not in PERIODS:
            continue
        own = (pl.col("asset_id") == PERIODS[key][0]) & (pl.col("period_start") == PERIODS[key][1])
        own &= pl.col("period_end") == PERIODS[key][2]
        said = tables.capex_guidance.filter(own).sort("available_at")
        reported = tables.fundamentals.filter(own & (pl.col("metric") == "capex")).sort("available_at")
        rows.append(
            {
                "figure": " ".join(filter(None, (*key, figure["period"]))),
                "article": f"{figure['value']} {figure['unit']}",
                "stated": [statement(row) for row in said.iter_rows(named=True)],
                "reported": [statement(row) for row in reported.head(1).iter_rows(named=True)],
            }
        )
    return pl.DataFrame(rows)


def statement(row: dict) -> str:
    """Write an amount in billions with its date and source."""
    amounts = [row["low"], row["high"]] if "low" in row else [row["value"]]
    text = " to ".join(f"{amount / 1e9:,.1f}" for amount in dict.fromkeys(amounts))
    return f"{text} {row['currency']} bn  ({row['available_at']}, {row['source']})"


def main() -> None:
    """Print each figure of the article, the company's statements for that period, and the reported amount."""
    for row in compare(kf.load_bundled()).iter_rows(named=True):
        print(f"{row['figure']}\n  article   {row['article']}")
        for place, line in enumerate(row["stated"] or ["no statement in the bundled data"]):
            print(f"  {'stated' if place == 0 else '':8}  {line}")
        print(f"  reported  {(row['reported'] or ['no filing in the bundled data: unknown'])[0]}\n")
    others = [
        f"{e}: {w}" for e, w in article_figures().select("entity", "what").rows() if (e, w) not in PERIODS
    ]
    print("Not comparable with a filing: " + "; ".join(others) + ".")


if __name__ == "__main__":
    main()
