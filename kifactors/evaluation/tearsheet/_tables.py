"""Tables of the page, made by great-tables in the page's colours."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from kifactors.errors import MissingExtraError

__all__ = ["table_html"]

# How numbers of a column are written: decimals, and whether as per cent.
Format = tuple[int, bool]
LOOK: dict[str, Any] = {
    "table_background_color": "transparent",
    "table_font_size": "0.85rem",
    "table_width": "100%",
    "table_border_top_style": "none",
    "table_border_bottom_style": "none",
    "heading_border_bottom_style": "none",
    "column_labels_border_top_style": "none",
    "column_labels_border_bottom_color": "#8c8c8c",
    "column_labels_font_weight": "600",
    "table_body_border_top_color": "#8c8c8c",
    "table_body_border_bottom_color": "#8c8c8c",
    "table_body_hlines_color": "#8c8c8c",
    "data_row_padding": "0.25rem",
    "column_labels_padding": "0.25rem",
}


def table_html(
    frame: pl.DataFrame, labels: Mapping[str, str], formats: Mapping[str, Format], *, name: str
) -> str:
    """Return a frame as an HTML table; unknown cells say so.

    Parameters
    ----------
    frame : polars.DataFrame
    labels : mapping
        The columns to show, in order, and what they are called.
    formats : mapping
        Decimals of a column of numbers, and whether it is shown as per cent.
    name : str
        Makes the ids of the table unique on the page.
    """
    try:
        from great_tables import GT
    except ImportError as error:
        raise MissingExtraError("tables need great-tables: pip install 'kifactors[report]'.") from error
    shown = frame.select(list(labels))
    table = GT(shown, id=f"table-{name}").cols_label(dict(labels)).tab_options(**LOOK)
    for column, (decimals, is_share) in formats.items():
        if column not in labels:
            continue
        if is_share:
            table = table.fmt_percent(column, decimals=decimals, sep_mark=" ")
        else:
            table = table.fmt_number(column, decimals=decimals, sep_mark=" ")
    texts = [column for column, dtype in shown.schema.items() if dtype == pl.String]
    numbers = [column for column in shown.columns if column not in texts]
    table = table.cols_align("left", texts) if texts else table
    table = table.cols_align("right", numbers) if numbers else table
    table = table.sub_missing(missing_text="unknown")
    return f'<div class="scroll">{table.as_raw_html(make_page=False, all_important=False)}</div>'
