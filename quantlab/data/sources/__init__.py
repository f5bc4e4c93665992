"""Where prices come from: one protocol, and the sources that come with quantlab.

A ``Source`` says what it is (calendar, adjustment, length of a bar, units) and answers ``fetch(symbols, start, end)``
with a ``Batch``: bars, actions, and a named failure for every symbol it could not give (``_source``). ``Csv`` and
``Parquet`` read files (``_files``), ``Samples`` the offline samples (``_samples``), ``YFinance`` asks Yahoo
(``_yfinance``; the extra ``yfinance``). ``ql.data.pull`` brings any of them into a store and keeps it up to date;
``quantlab.testing.SourceAcceptance`` is the test that a source of your own must pass.

Dates are days; of intraday sources the moment in UTC at which a bar ended, which is when it is known.
"""

from quantlab.data.sources._files import Csv, Parquet
from quantlab.data.sources._samples import Samples
from quantlab.data.sources._source import Batch, Failure, Source
from quantlab.data.sources._yfinance import YFinance

__all__ = ["Batch", "Csv", "Failure", "Parquet", "Samples", "Source", "YFinance"]
