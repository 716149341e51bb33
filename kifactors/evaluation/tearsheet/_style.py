"""The page's looks: light and dark, on a screen, a phone and A4."""

__all__ = ["CSS"]

CSS = """
:root { --ink: #1b2430; --paper: #ffffff; --soft: #5a6675; --grid: #d5dce4; --card: #f4f6f8; --warn: #8a3b00;
  --warn-paper: #fff4e5; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e9ef; --paper: #12161b; --soft: #a3afbd; --grid: #38424e;
  --card: #1b2128; --warn: #ffc58a; --warn-paper: #33230f; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 68rem; margin: 0 auto; padding: 1.25rem 1rem 3rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0.4rem 0 1rem; letter-spacing: -0.01em; }
h2 { font-size: 1.15rem; margin: 0 0 0.4rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 0.4rem; }
section { margin: 0 0 2.2rem; }
section > h2 { font-size: 1.4rem; margin-bottom: 0.8rem; }
.answers { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 0.8rem; margin-bottom: 0.8rem; }
.answers > div { background: var(--card); border-radius: 0.6rem; padding: 0.8rem 1rem; }
.answers h2 { color: var(--soft); font-size: 0.85rem; text-transform: uppercase; letter-spacing: 0.06em; }
.answers p { margin: 0; overflow-wrap: anywhere; }
.warning { background: var(--warn-paper); border-left: 0.35rem solid var(--warn); border-radius: 0.4rem;
  padding: 0.8rem 1rem; }
.warning h2 { color: var(--warn); font-size: 1.15rem; margin-bottom: 0.3rem; }
.warning ol { margin: 0; padding-left: 1.4rem; }
.warning li { margin: 0.2rem 0; overflow-wrap: anywhere; }
.two { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(26rem, 100%), 1fr)); gap: 1rem; }
figure { margin: 0 0 1rem; }
figure svg { width: 100%; height: auto; display: block; }
.scroll { overflow-x: auto; margin: 0 0 1.2rem; }
.scroll table { font-variant-numeric: tabular-nums; }
.scroll table, .scroll th, .scroll td { color: var(--ink) !important; font-family: inherit !important; }
.scroll th { color: var(--soft) !important; }
.scroll table, .scroll thead, .scroll tbody, .scroll tr, .scroll th, .scroll td {
  background: transparent !important; border-color: var(--grid) !important; }
.wide { overflow-x: auto; }
dl { display: grid; grid-template-columns: minmax(8rem, 14rem) minmax(0, 1fr); gap: 0.3rem 1rem; margin: 0; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 44rem) { .answers { grid-template-columns: minmax(0, 1fr); } h1 { font-size: 1.5rem; }
  .wide svg { width: 44rem; }
  dl { grid-template-columns: minmax(0, 1fr); gap: 0; } dd { margin-bottom: 0.5rem; } }
@page { size: A4; margin: 14mm; }
@media print {
  :root { --ink: #000; --paper: #fff; --soft: #444; --grid: #ccc; --card: #f4f6f8; --warn: #8a3b00;
    --warn-paper: #fff4e5; }
  body { font-size: 9.5pt; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  main { max-width: none; padding: 0; }
  figure, .answers > div, .warning, tr { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  .two { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .scroll, .wide { overflow: visible; }
  .scroll table { font-size: 7.5pt !important; }
  .wide svg { width: 100%; }
}
""".strip()
