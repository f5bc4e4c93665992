"""Mean and standard deviation with exponentially fading weights; row t uses all rows up to t.

A value k bars old weighs decay**k, relative to the sum of the weights of the present values (pandas calls this
``adjust=True``). Age is counted in bars, missing ones included (``ignore_na=False``). The decay is declared by its
half-life or its span.
"""

from __future__ import annotations

from quantlab.core._arguments import integer, numbers, real
from quantlab.core._door import PanelLike
from quantlab.core._errors import InputError
from quantlab.core._panel import Panel
from quantlab.core._shared import shared
from quantlab.core.ts import _ewm_kernels as kernels


@shared
def ewm_mean(
    data: PanelLike, *, halflife: float | None = None, span: float | None = None, min_periods: int = 1
) -> Panel:
    """Return the exponentially weighted mean of the values up to each bar.

    sum decay**(t - i) x[i] / sum decay**(t - i) over the present values i <= t, with decay = 0.5**(1 / halflife), or
    decay = (span - 1) / (span + 1).

    Parameters
    ----------
    data : PanelLike (T, N)
    halflife : float > 0, bars
        After so many bars a weight has halved. Give this or ``span``.
    span : float >= 1, bars
        The weights' mean age is (span - 1) / 2, that of a plain window of ``span`` bars.
    min_periods : int >= 1
        How many values must have come so far.

    Returns
    -------
    Panel (T, N), unit of the data
        NaN before ``min_periods`` values have come. Where the value is missing, the mean of the earlier ones. An
        infinite value (or one beyond 1e150) would weigh on all later rows: its own row is NaN, and later rows do
        without it.

    Raises
    ------
    InputError
        When both or neither of ``halflife`` and ``span`` are given, or one is out of range.
    KindError
        When an argument has a wrong type.

    Notes
    -----
    The mean of equal values is exactly that value.

    Examples
    --------
    >>> days = ["2024-01-02", "2024-01-03", "2024-01-04"]
    >>> ewm_mean(Panel([[0.0], [3.0], [float("nan")]], days, ["A"]), halflife=1).values.ravel()
    array([0., 2., 2.])
    """
    panel = numbers(data)
    decay = _decay(halflife, span)
    least = integer(min_periods, name="min_periods", low=1)
    return panel._like(kernels.ewm(panel.values, decay, least, False))


@shared
def ewm_std(
    data: PanelLike, *, halflife: float | None = None, span: float | None = None, min_periods: int = 2
) -> Panel:
    """Return the exponentially weighted standard deviation of the values up to each bar, corrected for bias.

    sqrt(sum w (x - mean)**2 / (v - sum w**2 / v)), with the weights w of :func:`ewm_mean` and v their sum; for equal
    weights that is the sample standard deviation.

    Parameters
    ----------
    data : PanelLike (T, N)
    halflife : float > 0, bars
        After so many bars a weight has halved. Give this or ``span``.
    span : float >= 1, bars
        The weights' mean age is (span - 1) / 2, that of a plain window of ``span`` bars.
    min_periods : int >= 1
        How many values must have come so far; with one value the result is NaN in any case.

    Returns
    -------
    Panel (T, N), unit of the data
        NaN before ``min_periods`` or 2 values have come. Where the value is missing, the deviation of the earlier ones.
        An infinite value (or one beyond 1e150) would weigh on all later rows: its own row is NaN, and later rows do
        without it.

    Raises
    ------
    InputError
        When both or neither of ``halflife`` and ``span`` are given, or one is out of range.
    KindError
        When an argument has a wrong type.

    References
    ----------
    D. H. D. West (1979), "Updating mean and variance estimates: an improved method", Communications of the ACM 22(9),
    DOI 10.1145/359146.359153; here with weights that fade.

    Examples
    --------
    >>> days = ["2024-01-02", "2024-01-03", "2024-01-04"]
    >>> ewm_std(Panel([[1.0], [3.0], [2.0]], days, ["A"]), span=3).values.ravel().round(4)
    array([   nan, 1.4142, 0.8452])
    """
    panel = numbers(data)
    decay = _decay(halflife, span)
    least = integer(min_periods, name="min_periods", low=1)
    return panel._like(kernels.ewm(panel.values, decay, least, True))


def _decay(halflife: float | None, span: float | None) -> float:
    if (halflife is None) == (span is None):
        given = "neither" if span is None else "both"
        raise InputError(f"Exactly one of `halflife` and `span` must be given, received {given}.")
    if halflife is not None:
        bars = real(halflife, name="halflife")
        if bars <= 0:
            raise InputError(f"`halflife` must be a positive number of bars, received {halflife}.")
        return float(0.5 ** (1.0 / bars))
    bars = real(span, name="span")
    if bars < 1:
        raise InputError(f"`span` must be a number of bars >= 1, received {span}.")
    return (bars - 1.0) / (bars + 1.0)
