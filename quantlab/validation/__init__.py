"""Whether a result would hold up: resampling, and choosing on the past alone.

``bootstrap`` (``_bootstrap``) puts an interval around any statistic of returns by resampling blocks of them, which
``_resample_kernels`` draws and whose length ``_block_length`` chooses. ``walk_forward`` (``_walk_forward``) takes the
variants of a grid (``_grid``), chooses among them on the training window of each fold (``_folds``), and keeps one book
through the test windows.

Every random number comes from (seed, replicate), so that results have the same bytes for any number of threads.
Returns are simple and per bar; windows are counted in bars; training ends before its test begins.
"""

from quantlab.validation._block_length import BlockLength, optimal_block_length
from quantlab.validation._bootstrap import bootstrap
from quantlab.validation._walk_forward import WalkForward, walk_forward

__all__ = ["BlockLength", "WalkForward", "bootstrap", "optimal_block_length", "walk_forward"]
