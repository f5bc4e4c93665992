"""Whether a result would hold up: resampling, and fitting on the past alone.

``bootstrap`` (``_bootstrap``) puts an interval around any statistic of returns by resampling blocks of them, which
``_resample_kernels`` draws and whose length ``_block_length`` chooses.

Every random number comes from (seed, replicate), so that results have the same bytes for any number of threads.
Returns are simple and per bar.
"""

from quantlab.validation._block_length import BlockLength, optimal_block_length
from quantlab.validation._bootstrap import bootstrap

__all__ = ["BlockLength", "bootstrap", "optimal_block_length"]
