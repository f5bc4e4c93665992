"""Write docs/quality.md, what the rules find of planted defects and in real files: ``python docs/make_quality.py``.

The first table needs nothing but the sample datasets. What was measured on the files of the folder QUANTLAB_REAL_DATA
stands in docs/quality_real.json, which this command renews where that variable is set and reads where it is not: it
holds counts, symbols and dates of defects, and no prices.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from tempfile import mkdtemp

import _quality_defects as defects
import _quality_real as real
import numpy as np

from quantlab.core import Bars
from quantlab.data import Store, samples
from quantlab.data.checks import _rules_actions as actions
from quantlab.data.checks import _rules_moves as moves
from quantlab.data.checks._findings import RULES

PAGE = Path(__file__).with_name("quality.md")
GOLDEN = Path(__file__).with_name("quality_real.json")
Z = 1.959963984540054  # 97.5 % of the normal distribution


def main() -> None:
    folder = os.environ.get("QUANTLAB_REAL_DATA")
    if folder:
        found = real.measure(Path(folder))
        found["planted"] = [outcome.row() for outcome in defects.plant_all(*found.pop("clean"))]
        GOLDEN.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", "utf-8")
    PAGE.write_text(page(json.loads(GOLDEN.read_text("utf-8"))), "utf-8")


def page(found: dict) -> str:
    """The page, from the sample datasets and what was found in the real files."""
    store = Store(mkdtemp())
    samples.fill(store)
    parts = [INTRODUCTION, _rules(), PLANTED]
    for name, words in (("sample", "20 US stocks, closes alone"), ("indices", "2 indices with volume")):
        bars = store.bars(name)
        parts += [f"### On `{name}`: {words}, {years(bars):,.0f} symbol-years\n"]
        parts += [_planted([outcome.row() for outcome in defects.plant_all(bars)])]
    parts += ["### On series that are no prices: `vix` and `indices`\n"]
    parts += [_planted([outcome.row() for outcome in defects.plant_series(store)])]
    parts += [REAL_PLANTED.format(**found["clean_facts"]), _planted(found["planted"]), FILES, _files(found["files"])]
    parts += [NAMED, _named(found["named"]), LIMITS]
    return "\n".join(parts)


def years(bars: Bars) -> float:
    """Bars with a close over 252."""
    return float((~np.isnan(bars.close.values)).sum()) / 252


def _rules() -> str:
    lines = ["| rule | severity | what it says | what to do |", "|---|---|---|---|"]
    lines += [f"| `{name}` | {rule.severity} | {rule.says} | {rule.action} |" for name, rule in RULES.items()]
    return "\n".join(lines) + "\n"


def _planted(rows: list[dict]) -> str:
    head = "| defect | rule | planted | found | recall, 95 % | other findings per 1,000 symbol-years | precision |"
    lines = [head, "|---|---|---:|---:|---|---:|---:|"]
    for row in rows:
        n, k = row["planted"], row["found"]
        low, high = wilson(k, n)
        precision = k / (k + row["other"]) if k + row["other"] else float("nan")
        rules = ", ".join(f"`{rule}`" for rule in row["rules"])
        lines.append(
            f"| {row['defect']} | {rules} | {n} | {k} | {k / n:.1%} ({low:.1%} to {high:.1%}) "
            f"| {1000 * row['other'] / row['years']:.1f} | {precision:.0%} |"
        )
    return "\n".join(lines) + "\n"


def wilson(k: int, n: int) -> tuple[float, float]:
    """The score interval of a proportion: Wilson (1927), DOI 10.1080/01621459.1927.10502953."""
    share, square = k / n, Z * Z / n
    middle = (share + square / 2) / (1 + square)
    half = Z / (1 + square) * ((share * (1 - share) + square / 4) / n) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)


def _files(files: list[dict]) -> str:
    names = [file["name"] for file in files]
    lines = ["| rule | " + " | ".join(f"`{name}`" for name in names) + " |", "|---|" + "---:|" * len(names)]
    lines.append("| bars | " + " | ".join(f"{file['rows']:,}" for file in files) + " |")
    seen = {rule for file in files for rule in file["counts"]}
    for rule in (rule for rule in RULES if rule in seen):
        counts = [f"{file['counts'].get(rule, 0):,}" if rule in file["counts"] else "" for file in files]
        lines.append(f"| `{rule}` | " + " | ".join(counts) + " |")
    return "\n".join(lines) + "\n"


def _named(rows: list[dict]) -> str:
    lines = ["| file | defect | found | by |", "|---|---|---|---|"]
    for row in rows:
        found = "yes" if row["by"] else "no"
        lines += [f"| `{row['file']}` | {row['defect']} | {found} | {row['by'] or row['why']} |"]
    return "\n".join(lines) + "\n"


INTRODUCTION = """# What `quality` finds

Made by `python docs/make_quality.py`; no number on this page is typed by hand.

`ql.data.quality(bars)` lists what looks wrong in bars, `ql.data.quality_of_series(frame)` in series that are no prices,
and `quantlab data check NAME` (`ql.data.check(store, name)`) in a stored dataset, with its recorded actions, the
vendor's adjusted close, the rows that the import refused, and what people decided about findings. A finding is a place
to look at. None changes, drops or quarantines anything by itself: that takes a row in table `review` of the dataset
(`store.review(name, ql.data.decide(findings, "quarantine"))`).

**error**: the data are wrong for certain. **warning**: probably wrong, or a person must decide. **info**: know it;
genuine extremes are of this kind.

## The rules
"""

PLANTED = f"""## What it finds of planted defects

Each defect is planted at random places (seeded, at least {defects.APART} bars apart) in series as they are, and
`quality` is run. *Found* counts the planted places that a finding of the rule touches. *Other findings* are those of
the same rule on the same series before anything was planted: false alarms, and true defects of these series that nobody
has told apart. *Precision* is found over found plus other, at the density planted. The interval is Wilson's.
"""

REAL_PLANTED = """### On `us_equity_av_raw_1999_2021`: {symbols} stocks, {first} to {last}, {years:,} symbol-years

Raw prices with volume and recorded actions, as a buyer gets them. Measured where the file was at hand.
"""

FILES = """## What it finds in real files

Findings per rule. The files are not part of quantlab; the counts were measured where they were at hand. An empty
cell: none.
"""

NAMED = """## The defects that are known of these files

Whether the known defects are among the findings.
"""

LIMITS = f"""## What cannot be found

* **A wrong price that looks like a price**: an error within a few usual moves that stays, or one in all fields alike.
* **An unrecorded split or spin-off of less than {np.expm1(moves._JUMP):.0%}**, or of less than
  {moves._SIGMAS:g} usual moves, and one on a day of news: turnover above {moves._QUIET:g} times the usual and a wide
  range look like news. One such is CB on 2016-01-15 in `{real.WIKI}`.
* **In closes alone, news from splits.** Without volume and open, a fall by half that stays looks like a split: AAPL on
  2000-09-29 is listed as `unrecorded_split` in `sample`, and as `extreme_move` where there is volume.
* **Prints that happened.** The lows of 2010-05-06 and 2015-08-24 were traded; `bad_tick` lists them because no bar can
  tell them from errors.
* **Why a series ended**, unless its last bars show it, and **survivorship**: what is not in the file.
* **Ticker reuse without a gap, upward**: a cash offer leaves the same picture.
* **A wrong dividend below {actions._DIVIDEND:.0%} of the price**, unless the vendor's adjusted close contradicts it.
* **Small spikes in volatile stocks**: below {moves.SPIKE:.0%} a close must stand out by
  {moves._SMALL_SIGMAS:g} usual moves.

The thresholds are constants at the head of each `quantlab/data/_rules_*.py`, with the reason. They were chosen while
looking at the files of this page, so that false alarms elsewhere may be more frequent than here.
"""

if __name__ == "__main__":
    main()
