"""Operations across symbols: each date by itself, over the symbols that are present on it.

``_ranks`` puts the symbols of a date in order (``rank``, ``quantile_buckets``), ``_scale`` brings them to one scale
(``zscore``, ``winsorize``), ``_neutral`` takes out what groups or exposures explain (``demean``, ``neutralize``). The
compiled functions stand in ``_cross_kernels``.

Rules that hold for all: NaN is missing, stays NaN in its place, and the others are computed without it; apply the
universe first, ``score.where(bars.member)``, or symbols outside it take part. Row t uses row t alone. The order of
symbols changes nothing in ranks, buckets and limits, and nothing beyond the last digit elsewhere.
"""

from quantlab.core.xs._neutral import demean, neutralize
from quantlab.core.xs._ranks import quantile_buckets, rank
from quantlab.core.xs._scale import winsorize, zscore

__all__ = ["demean", "neutralize", "quantile_buckets", "rank", "winsorize", "zscore"]
