"""Market data: from a long Polars frame to Parquet on disk to aligned ``Bars``, and what is wrong with them.

The way data take: ``Store.write`` (``_store``) has a long frame checked (``_table``), and puts it on the disk whole or
not at all (``_files``) with a manifest that states what it is (``_manifest``). ``Store.bars`` reads the Parquet file
and scatters its rows to their places (``_scatter``). ``quality`` (``_quality``) lists what looks wrong in Bars and
changes nothing. ``samples`` fills a store offline from data that installed libraries carry.
"""

from quantlab.data import samples
from quantlab.data._manifest import Manifest
from quantlab.data._quality import quality
from quantlab.data._store import Store

__all__ = ["Manifest", "Store", "quality", "samples"]
