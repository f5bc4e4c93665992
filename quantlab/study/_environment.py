"""On what a batch ran: the versions and the machine that its numbers may depend on."""

from __future__ import annotations

import functools
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from quantlab import __version__

# Asked of the installed packages, so that nothing is imported for it.
_LIBRARIES = ("numpy", "polars", "numba", "scipy")


@functools.cache
def environment() -> dict[str, Any]:
    """Return Python, platform, processors and the versions of quantlab and of the libraries that compute.

    The name of the machine is not among them.

    Examples
    --------
    >>> list(environment())
    ['python', 'platform', 'processor', 'cpus', 'quantlab', 'numpy', 'polars', 'numba', 'scipy']
    """
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": platform.machine(),
        "cpus": os.cpu_count(),
        "quantlab": __version__,
        **{name: _version(name) for name in _LIBRARIES},
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
