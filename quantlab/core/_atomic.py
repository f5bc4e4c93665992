"""Files that are whole or absent: written beside their place, forced to the disk, then renamed into it."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from quantlab.core._errors import StoreError


def write_atomic(path: str | os.PathLike[str], data: bytes | memoryview) -> Path:
    """Write ``data`` to ``path`` so that a reader, a crash or a full disk never meets half of it.

    The bytes go to a hidden file in the same folder, are forced to the disk, and take their name in one step; then
    the folder is forced to the disk too. Missing parent folders are made.

    Parameters
    ----------
    path : path
        An existing file is replaced.
    data : bytes

    Returns
    -------
    pathlib.Path
        The path as given.

    Raises
    ------
    StoreError
        When the operating system refuses; what stood at ``path`` is untouched and the hidden file is gone.
    """
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            # Not tempfile: its files are readable by their owner alone, and a report is for others too.
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        _sync_folder(target.parent)
    except OSError as error:
        raise StoreError(f"{target} cannot be written: {error.strerror or error}.") from error
    return target


def _sync_folder(folder: Path) -> None:
    # Without this the rename itself may be lost in a power cut.
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
