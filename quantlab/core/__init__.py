"""Core types and array operations; imports nothing else of quantlab.

The way data take: a Polars frame comes through ``as_panel`` (``_door``) and becomes a ``Panel`` (``_panel``), whose
labels ``_labels`` has checked; several Panels of one dataset make ``Bars`` (``_bars``). ``ts`` works along time,
``xs`` across symbols, both through kernels compiled by the one decorator in ``_kernel``; ``_arguments`` holds what they
demand of their arguments, ``_sum_kernels`` the sums that keep what rounding drops. ``periods`` knows bars per year and
sessions, ``rng`` draws random numbers by counter, ``_errors`` is the error tree.
"""

from quantlab.core._bars import Bars, as_bars
from quantlab.core._door import PanelLike, align, as_panel
from quantlab.core._errors import (
    ConfigError,
    DataError,
    InputError,
    KindError,
    LabelError,
    LookAheadError,
    MissingLibraryError,
    QuantlabError,
    StoreError,
)
from quantlab.core._kernel import kernel, user_cache
from quantlab.core._panel import Panel
from quantlab.core.periods import Frequency

__all__ = [
    "Bars",
    "ConfigError",
    "DataError",
    "Frequency",
    "InputError",
    "KindError",
    "LabelError",
    "LookAheadError",
    "MissingLibraryError",
    "Panel",
    "PanelLike",
    "QuantlabError",
    "StoreError",
    "align",
    "as_bars",
    "as_panel",
    "kernel",
    "user_cache",
]
