"""Write the content hash of every synthetic market: ``python tests/data/golden/make_synthetic.py``.

The hashes are committed. They change when a generator or its defaults change, and may change with NumPy's own streams
of random numbers; then look at what changed, run this and say so in CHANGELOG.md.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

GOLDEN = Path(__file__).with_name("synthetic.json")
ROOT = Path(__file__).resolve().parents[3]
SEED = 20240102


def hashes() -> dict[str, str]:
    """The hash of a universe, and of each market by its generator's name."""
    from quantlab.data import synthetic

    found = {"universe": synthetic.universe(symbols=20, days=300, seed=SEED).content_hash}
    for name in synthetic.__all__:
        if name not in ("Grid", "Market", "Traits", "universe"):
            grid = synthetic.Grid(12, 400)
            found[name] = getattr(synthetic, name)(seed=SEED, grid=grid).bars.content_hash
    return found


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    text = json.dumps(hashes(), indent=2)
    if "--print" not in sys.argv:
        GOLDEN.write_text(text + "\n", "utf-8")
    sys.stdout.write(text + "\n")
