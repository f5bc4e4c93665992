"""Measure speed as ratios in one run: against a named peer, and against a physical floor.

``make bench`` prints the table and writes ``benchmarks/results.json``. Each pair is run in turn, A B A B ..., and
medians are compared, so that a busy machine slows both sides. ``--only TEXT`` runs the benches whose name holds TEXT.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import _adjust_rows
import _data_rows
import _engine_rows
import _quality_rows
import _start_rows
import _sweep_rows
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve().parent
BENCHES = {
    "import": _start_rows.imports,
    "first backtest": _start_rows.first_backtest,
    "compilation": _start_rows.compilation,
    "demo backtest": _engine_rows.demo_backtest,
    "engine: rebalanced": _engine_rows.rebalanced,
    "engine: bt": _engine_rows.against_bt,
    "engine: explicit orders": _engine_rows.explicit_orders,
    "engine: memory": _engine_rows.memory,
    "engine: compilation": _engine_rows.compilation,
    "sweep": _sweep_rows.rows,
    "data: store": _data_rows.rows,
    "data: adjustment": _adjust_rows.rows,
    "data: quality": _quality_rows.rows,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="run the benches whose name holds this text")
    only = parser.parse_args().only
    rows = []
    for name, bench in BENCHES.items():
        if only in name:
            print(f"measuring {name} ...", file=sys.stderr)
            rows += bench()
    table = Table(title="quantlab benchmarks (medians of interleaved runs)")
    for column in ("name", "ours", "reference", "ratio", "aim", "met", "note"):
        table.add_column(column, justify="right" if column in ("ours", "reference", "ratio") else "left")
    for row in rows:
        ours, reference = (f"{row[key]:.4g} {row['unit']}" for key in ("ours", "reference"))
        met = "yes" if row["met"] else "NO"
        table.add_row(row["name"], ours, reference, f"{row['ratio']:.3g}", row["aim"], met, row["note"])
    Console(width=180).print(table)
    if not only:
        (HERE / "results.json").write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
