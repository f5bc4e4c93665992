"""Files and sources into a store: ``ingest`` for what lies in a folder, ``pull`` for what comes again every day.

The way of a file: ``_file`` and ``_csv`` read it as it is, by the ``Layout`` that a person gives (``_layout``) and the
columns that ``_columns`` knows; ``_dates`` and ``_numbers`` read cells, ``_rows`` sorts out rows that cannot be bars,
``_reading`` does it for all files. ``_evidence`` says what the data prove, ``_at_rest`` stamps bars with their end,
``ingest`` (``_import``) commits once and reports (``_import_report``). ``pull`` (``_pull``, ``_pull_run``) asks a
``Source`` in chunks with ``Patience``, and ``_restated`` finds history that the vendor has changed.
"""

from quantlab.data.ingestion._import import ingest
from quantlab.data.ingestion._import_report import ImportReport
from quantlab.data.ingestion._patience import Patience
from quantlab.data.ingestion._pull import PullReport, pull

__all__ = ["ImportReport", "Patience", "PullReport", "ingest", "pull"]
