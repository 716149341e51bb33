"""The page's looks: light and dark, on a screen, a phone and A4."""

from collections.abc import Mapping

from kifactors.evaluation.tearsheet._canvas import DARK, LIGHT

__all__ = ["CSS"]

PAGE = {"ink": "#1b2430", "soft": "#55606e", "paper": "#ffffff", "card": "#f3f5f8", "warn": "#8a3b00",
        "warn-paper": "#fff3e3"}  # fmt: skip
NIGHT = {"ink": "#e6ebf1", "soft": "#a5b1be", "paper": "#12161b", "card": "#1b2129", "warn": "#ffc18a",
         "warn-paper": "#2c2013"}  # fmt: skip


def _variables(*parts: Mapping[str, str]) -> str:
    return "; ".join(f"--{name}: {value}" for part in parts for name, value in part.items())


RULES = """
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 70rem; margin: 0 auto; padding: 2.5rem 1.5rem 1rem; }
h1 { font-size: 2.1rem; line-height: 1.15; margin: 0 0 1.5rem; letter-spacing: -0.02em; font-weight: 700;
  overflow-wrap: anywhere; }
h2 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 1.25rem; letter-spacing: -0.01em; }
h3 { font-size: 1rem; margin: 0 0 0.5rem; }
p { margin: 0; }
section { margin: 0 0 3.5rem; }
.answers { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 1rem; margin-bottom: 1rem; }
.answer { background: var(--card); border-radius: 0.6rem; padding: 1rem 1.25rem 1.1rem; }
.answer h2 { color: var(--soft); font-size: 0.875rem; font-weight: 600; letter-spacing: 0; margin: 0 0 0.1rem; }
.answer p { overflow-wrap: anywhere; }
.answer .glance { font-size: 1.45rem; line-height: 1.3; font-weight: 700; letter-spacing: -0.01em; margin-bottom: 0.35rem; }
.warning { background: var(--warn-paper); border-left: 0.3rem solid var(--warn); border-radius: 0.6rem;
  padding: 1rem 1.25rem 1.1rem; margin-bottom: 1.25rem; }
.warning h2 { color: var(--warn); font-size: 1.25rem; margin-bottom: 0.4rem; }
.warning ol { margin: 0; padding-left: 1.35rem; }
.warning li { margin: 0.15rem 0; overflow-wrap: anywhere; }
nav { margin: 0 0 3rem; }
nav ul { list-style: none; margin: 0; padding: 0; display: flex; flex-wrap: wrap; gap: 0.3rem 1.2rem; font-size: 0.9375rem; }
a { color: var(--blue); text-underline-offset: 0.2em; }
:focus-visible { outline: 2px solid var(--blue); outline-offset: 2px; }
.pictures, .pair { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 2.25rem 2.5rem;
  margin-bottom: 2.5rem; align-items: start; }
figure { margin: 0; max-width: 36rem; }
figure svg { width: 100%; height: auto; display: block; }
figure svg * { stroke-linejoin: round; stroke-linecap: butt; }
figcaption { color: var(--soft); font-size: 0.9rem; line-height: 1.45; margin-top: 0.5rem; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; margin: 0 0 2.25rem; }
.pair .scroll { margin-bottom: 0.75rem; }
.scroll > div { padding: 0 !important; overflow: visible !important; }
.scroll table { font-variant-numeric: tabular-nums; }
.scroll .gt_table, .scroll .gt_table * { font-family: inherit !important; border-color: var(--grid) !important;
  background: transparent !important; }
.scroll .gt_table td { color: var(--ink) !important; }
.scroll .gt_table th { color: var(--soft) !important; font-size: 0.8125rem !important; vertical-align: bottom; }
.scroll .gt_table .gt_group_heading { color: var(--ink) !important; font-size: 0.875rem !important; padding-top: 0.9rem !important;
  padding-left: 0.3rem !important; text-align: left !important; }
.scroll .gt_table td, .scroll .gt_table th { padding-left: 0.3rem !important; padding-right: 0.6rem !important; }
.scroll .gt_table td { white-space: nowrap; }
.scroll .gt_table td.gt_left { white-space: normal; overflow-wrap: break-word; max-width: 20rem; }
.note { align-self: center; background: var(--card); border-radius: 0.6rem; padding: 1rem 1.25rem 1.1rem; max-width: 36rem; }
.note p + p { margin-top: 0.5rem; }
dl { display: grid; grid-template-columns: minmax(8rem, 13rem) minmax(0, 1fr); gap: 0.6rem 1.5rem; margin: 0 0 2.5rem; }
dt { color: var(--soft); font-weight: 600; }
dd { margin: 0; overflow-wrap: anywhere; max-width: 46rem; }
dl.settings { grid-template-columns: repeat(3, minmax(0, 1fr)); font-size: 0.9rem; }
dl.settings dt { font-weight: 400; }
footer { max-width: 70rem; margin: 0 auto; padding: 0 1.5rem 3rem; color: var(--soft); font-size: 0.875rem; }
@media (max-width: 50rem) {
  main { padding: 1.5rem 1rem 0.5rem; } footer { padding: 0 1rem 2rem; }
  h1 { font-size: 1.6rem; margin-bottom: 1rem; } h2 { font-size: 1.3rem; }
  .answers, .pictures, .pair { grid-template-columns: minmax(0, 1fr); }
  .pictures, .pair { gap: 2rem; }
  .answer .glance { font-size: 1.3rem; }
  dl { grid-template-columns: minmax(0, 1fr); gap: 0.1rem; } dd { margin-bottom: 0.7rem; }
  dl.settings { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 0.3rem 1rem; }
}
@page { size: A4; margin: 14mm 15mm; }
@media print {
  html { font-size: 9.5pt; }
  body { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  main, footer { max-width: none; padding: 0; }
  nav { display: none; }
  section { margin-bottom: 2rem; }
  section:last-of-type, section:last-of-type dl { margin-bottom: 0.5rem; }
  .answers, .pictures, .pair { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .pictures, .pair { gap: 1.25rem 1.5rem; margin-bottom: 1.25rem; }
  .scroll { overflow: visible; margin-bottom: 1.25rem; }
  .scroll .gt_table td, .scroll .gt_table th { padding-top: 0.15rem !important; padding-bottom: 0.15rem !important; }
  dl { grid-template-columns: 11rem minmax(0, 1fr); gap: 0.35rem 1rem; margin-bottom: 1.25rem; } dd { margin: 0; }
  dl.settings { grid-template-columns: repeat(5, minmax(0, 1fr)); font-size: 0.8rem; }
  figure, .answer, .warning, .note, .scroll, tr, .settings, dd { break-inside: avoid; }
  h2, h3, .gt_group_heading_row { break-after: avoid; }
}
""".strip()

CSS = (
    f":root {{ {_variables(PAGE, LIGHT)}; }}\n"
    f"@media (prefers-color-scheme: dark) {{ :root {{ {_variables(NIGHT, DARK)}; }} }}\n"
    f"@media print {{ :root {{ {_variables(PAGE, LIGHT)}; }} }}\n{RULES}"
)
