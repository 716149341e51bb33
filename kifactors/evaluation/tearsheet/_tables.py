"""Tables of the page, made by great-tables in the page's colours."""

import html
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import polars as pl

from kifactors.errors import MissingExtraError

__all__ = ["NUMBER", "PERCENT", "SHARE", "Format", "table_html"]

# How numbers of a column are written: decimals, and whether as per cent.
Format = tuple[int, bool]
NUMBER: Format = (3, False)
PERCENT: Format = (0, True)
SHARE: Format = (2, True)
LOOK: dict[str, Any] = {
    "table_background_color": "transparent",
    "table_font_size": "0.875rem",
    "table_width": "100%",
    "table_border_top_style": "none",
    "table_border_bottom_style": "none",
    "column_labels_border_top_style": "none",
    "column_labels_font_weight": "600",
    "row_group_font_weight": "600",
    "row_group_border_top_style": "none",
    "row_group_padding": "0.5rem",
    "data_row_padding": "0.3rem",
    "column_labels_padding": "0.3rem",
}


def table_html(
    frame: pl.DataFrame,
    labels: Mapping[str, str],
    formats: Mapping[str, Format],
    *,
    name: str,
    title: str,
    group: str | None = None,
    above: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> str:
    """Return a frame as an HTML table in a box of its own that moves sideways; unknown cells say so.

    Parameters
    ----------
    frame : polars.DataFrame
    labels : mapping
        The columns to show, in order, and what they are called.
    formats : mapping
        Decimals of a column of numbers, and whether it is shown as per cent.
    name : str
        Makes the ids of the table unique on the page.
    title : str
        Heading.
    group : str, optional
        Column whose values head the rows below them.
    above : mapping
        What stands above some columns.
    """
    try:
        from great_tables import GT
    except ImportError as error:
        raise MissingExtraError("tables need great-tables: pip install 'kifactors[report]'.") from error
    head = f"<h3>{html.escape(title)}</h3>"
    if frame.is_empty():
        return f"{head}<p>There is nothing to list.</p>"
    shown = frame.select([*([group] if group else []), *labels])
    texts = [column for column in labels if shown.schema[column] == pl.String]
    numbers = [column for column in labels if column not in texts]
    table = GT(shown, id=f"table-{name}", groupname_col=group).cols_label(dict(labels)).tab_options(**LOOK)
    for k, (label, columns) in enumerate(above.items()):
        table = table.tab_spanner(label=label, columns=list(columns), id=f"{name}-above-{k}")
    for column, (decimals, is_share) in formats.items():
        if is_share:
            table = table.fmt_percent(column, decimals=decimals, incl_space=True)
        else:
            table = table.fmt_number(column, decimals=decimals)
    whole = [column for column in numbers if column not in formats and shown.schema[column].is_integer()]
    if whole:
        table = table.fmt_integer(whole)
    if texts:
        # Whatever a name holds is text.
        table = table.fmt(_text, columns=texts)
    table = table.cols_align("left", [next(iter(labels)), *texts])
    # The first column says what a row is.
    right = [column for column in numbers if column != next(iter(labels))]
    if right:
        table = table.cols_align("right", right)
    table = table.sub_missing(missing_text="unknown")
    made = table.as_raw_html(make_page=False, all_important=False)
    # Reached by keyboard too, where it is wider than the page.
    return (
        f'{head}<div class="scroll" tabindex="0" role="region" aria-label="{html.escape(title)}">{made}</div>'
    )


def _text(value: Any) -> str:
    return "unknown" if value is None else html.escape(str(value))
