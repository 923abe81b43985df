"""The looks of a report: a column to read, light or dark as the screen is, black on white in print."""

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --paper: #ffffff; --line: #d0d7de;
  --band: #f6f8fa; --link: #0550ae; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --soft: #9da7b3; --paper: #12161c; --line: #3a424c; --band: #1b2129;
    --link: #79b8ff; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 1.5rem; color: var(--ink); background: var(--paper);
  font: 16px/1.5 system-ui, sans-serif; }
h1, h2, h3 { line-height: 1.25; margin: 2rem 0 .5rem; }
h3 { border-top: 1px solid var(--line); padding-top: 1.2rem; }
a { color: var(--link); }
p, li, dd { max-width: 46rem; }
.sentence { font-size: 1.1rem; }
.soft, figcaption { color: var(--soft); font-size: .9rem; }
table { border-collapse: collapse; margin: .8rem 0; }
th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0;
  border-bottom: 1px solid var(--line); }
th.number, td.number { text-align: right; font-variant-numeric: tabular-nums; }
td.number { white-space: nowrap; }
nav { background: var(--band); border-radius: 8px; padding: .6rem 1.2rem; }
figure { margin: 1.2rem 0; }
figcaption { max-width: 46rem; margin-top: .4rem; }
.picture { background: #ffffff; border: 1px solid var(--line); border-radius: 8px; padding: .5rem;
  overflow-x: auto; }
.picture img, .picture svg { display: block; margin: 0 auto; max-width: 100%; height: auto; }
dt { font-weight: 600; margin-top: .5rem; }
dd { margin-left: 0; }
/* A picture higher than a page would be cut in two: its caption needs room below it, too. */
@page { margin: 15mm; }
@media print {
  :root { --ink: #000; --soft: #333; --paper: #fff; --line: #bbb; --band: #fff; --link: #000;
    color-scheme: light; }
  body { max-width: none; padding: 0; font-size: 10.5pt; }
  p, li, dd, figcaption { max-width: none; }
  .picture { border: 0; padding: 0; }
  .picture img { max-height: 17.5cm; width: auto; }
  .picture svg { max-height: 19.5cm; width: auto; }
  figure, tr, dt, dd, .example { break-inside: avoid; }
  h2, h3, h4, dt, .leads { break-after: avoid; } }
"""
