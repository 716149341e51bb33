"""AI Infrastructure 50: an index from the bundled data, reconstituted each quarter, with turnover and a change log.

    python examples/ai_infrastructure_50.py

Fifty is the most the rules allow, not what there is. The bundled data knows an exposure for 10 companies at the
beginning and for 31 at the end, and the 80th percentile of 31 is passed by seven; the rest of the two indices it covers
is unknown, and the unknown does not enter. So the index has six to eight names: six is the minimum of its rules, and
where the percentiles let in fewer, the next by rank fill it up, as the change log says. Fifty names above the 80th
percentile take 250 known exposures. There are no market capitalisations either, so weights are in proportion to
exposure, and no prices, so turnover leaves drift out.
"""

import polars as pl

import kifactors as kf
from kifactors.errors import InfeasibleError
from kifactors.index_rules import IndexHistory, IndexRules, build

# Six names need a cap of at least 16.7 %; the default of 4 % needs 25 names. A quarter may turn over a fifth.
RULES = {"min_count": 6, "max_count": 50, "rank_buffer": 0.2, "weighting": "score"}
MAX_WEIGHT = 0.2
MAX_TURNOVER = 0.2


def build_index(scores: kf.Scores) -> IndexHistory:
    """Build the index with the cap that this many names can carry."""
    rules = IndexRules(**RULES, max_weight=MAX_WEIGHT, max_turnover=MAX_TURNOVER, forced_turnover="exceed")
    return build(scores, rules)


def with_tickers(frame: pl.DataFrame, scores: kf.Scores) -> pl.DataFrame:
    """Put the newest ticker in the place of asset_id."""
    labels = scores.to_polars().sort("date").group_by("asset_id").agg(pl.col("ticker").last())
    named = frame.join(labels, on="asset_id", how="left", maintain_order="left")
    return (
        named.with_columns(asset_id=pl.coalesce("ticker", "asset_id"))
        .drop("ticker")
        .rename({"asset_id": "name"})
    )


def main() -> None:
    """Print how many are known, weights, changes and turnover."""
    # March 2024 is the first quarter end with six known exposures above 0.
    scores = kf.AIInfrastructureExposure().compute(kf.load_bundled(), kf.month_ends("2024-03", "2026-10"))
    try:
        build(scores, IndexRules(**RULES))
    except InfeasibleError as error:
        print(f"With the default cap of 4 %: {error}\n")
    index = build_index(scores)
    with pl.Config(tbl_rows=-1, tbl_cols=-1, tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True,
                   fmt_str_lengths=90, tbl_width_chars=160, float_precision=3):  # fmt: skip
        held = kf.portfolio.portfolio_exposure(scores, index.weights.rename({"asset_id": "asset"}))
        known = scores.to_polars().group_by("date").agg(known=pl.col("exposure").is_not_null().sum())
        print("Reconstitutions, and of how many companies the exposure is known:")
        print(
            index.reconstitutions.join(known, on="date", how="left", maintain_order="left")
            .join(held.total, on="date", how="left", maintain_order="left")
            .select(
                "date", "known", "members", "joined", "left", "turnover", "share_of_way", "enter_line", "stay_line",
                target_exposure="value", held_exposure="exposure",
            )
        )  # fmt: skip
        print("\nWeights in percent; what is no member any more is sold within the turnover limit:")
        weights = with_tickers(index.weights, scores).with_columns(pl.col("weight") * 100)
        print(
            weights.pivot(on="date", index="name", values="weight").sort(
                pl.last(), descending=True, nulls_last=True
            )
        )
        print("\nChanges:")
        print(with_tickers(index.changes, scores).sort("date", "change", "name"))
    last = index.reconstitutions.row(-1, named=True)
    print(f"\n{last['members']} members of at most {RULES['max_count']} on {last['date']}.")


if __name__ == "__main__":
    main()
