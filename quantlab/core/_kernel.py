"""The one way to compile: ``@kernel``, numba's ``njit`` made lazy and given a cache that is right and always found.

* **Lazy.** Decorating costs nothing and imports nothing; numba is imported and the function compiled at its first
  call. A kernel may call another kernel by its global name.
* **Testable.** ``fn.py_func`` is the plain Python original; a test compares it with the compiled function and an
  oracle.
* **Cached on disk.** In ``$QUANTLAB_CACHE_DIR`` if set, else ``__pycache__`` beside the source, else (read-only
  install) the user's cache directory, else nowhere with one warning. Numba by itself notices only a change of the
  file that holds the function; a kernel that calls a kernel of another file would keep the stale inlined copy. Here
  the cache is stamped with the contents of every kernel file of the package, so that any edit compiles anew and a
  reinstall of the same source does not. A process whose kernel files were edited after its start leaves the cache
  alone: what it holds is no longer what the files say. A damaged cache file is a miss, and a full disk costs the cache
  alone.
* **No guessing about threads.** ``nogil=True``, never ``parallel=True`` or ``fastmath``: threads live outside the
  kernel, and results have the same bits for any number of them.

Kernels live in files named ``_*kernel*.py`` (a test holds this), because the stamp covers those files.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import pickle
import struct
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from functools import cache, update_wrapper
from pathlib import Path
from types import FunctionType
from typing import Any, Generic, ParamSpec, TypeVar

from quantlab.core._kernel_structure import Structure, numba_is_known

P = ParamSpec("P")
R = TypeVar("R")

_PACKAGE = Path(__file__).resolve().parents[1]
_STARTED = time.time()
_LOCK = threading.RLock()

# What reading a cut or overwritten cache file raises: mostly the unpickler's, which promises no narrower list.
_UNREADABLE = (
    OSError,
    EOFError,
    pickle.UnpicklingError,
    struct.error,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ImportError,
    OverflowError,
)


class Kernel(Generic[P, R]):
    """A function that is compiled at its first call.

    Attributes
    ----------
    py_func : callable
        The plain Python original.
    """

    def __init__(self, py_func: Callable[P, R], plain: bool, options: dict[str, Any]) -> None:
        self.py_func = py_func
        self._plain = plain
        self._options = options
        self._dispatcher: Any = None
        update_wrapper(self, py_func)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        dispatcher = self._dispatcher
        if dispatcher is None:
            dispatcher = self.dispatcher
        return dispatcher(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<kernel {self.py_func.__module__}.{self.py_func.__qualname__}>"

    @property
    def counts(self) -> bool:
        """Whether the compiled code counts references: not in a plain kernel where nothing is ever allocated.

        A count is an atomic operation and a barrier to the optimiser; a kernel that reads ten fields of a structure
        would do forty. The option ``_nrt=False`` says so of a kernel whose callees allocate but return no array.
        """
        if not numba_is_known():
            return True
        if "_nrt" in self._options:
            return bool(self._options["_nrt"])
        names, scope = self.py_func.__code__.co_names, self.py_func.__globals__
        called = [scope.get(name) for name in names]
        return (
            not self._plain
            or not _ALLOCATING.isdisjoint(names)
            or any(isinstance(other, Structure) or (isinstance(other, Kernel) and other.counts) for other in called)
        )

    @property
    def dispatcher(self) -> Any:
        """The numba dispatcher; asking for it imports numba, and its first call compiles or reads the cache."""
        with _LOCK:
            if self._dispatcher is None:
                self._dispatcher = _build(self.py_func, self._plain, {**self._options, "_nrt": self.counts})
            return self._dispatcher


def kernel(function: Callable[P, R] | None = None, *, plain: bool = False, **options: Any) -> Any:
    """Return ``function`` as a kernel: compiled by numba at its first call and cached on disk.

    Parameters
    ----------
    function : callable
        A plain function in numba's subset of Python. Its arguments should have few distinct types: each combination
        compiles.
    plain : bool
        The function uses arithmetic, array elements and ``np.empty``, ``np.zeros``, ``np.full`` alone: no linear
        algebra, no sorting, no random numbers, no strings, no lists. From the cache it then starts 0.25 s sooner in a
        fresh process. A test runs every plain kernel from the cache in a process that compiles nothing.
    **options
        Passed to ``numba.njit``, for example ``inline="always"``.

    Returns
    -------
    Kernel
    """
    if function is None:
        return lambda inner: Kernel(inner, plain, options)
    return Kernel(function, plain, options)


# What allocates in a plain kernel.
_ALLOCATING = {"empty", "zeros", "full"}


def _build(function: Callable[..., Any], plain: bool, options: dict[str, Any]) -> Any:
    import numba

    # Numba resolves global names when it compiles, and must find dispatchers there, not our lazy wrappers.
    scope = dict(function.__globals__)
    for name in function.__code__.co_names:
        if isinstance(scope.get(name), (Kernel, Structure)):
            scope[name] = scope[name].dispatcher
    twin = FunctionType(function.__code__, scope, function.__name__, function.__defaults__, function.__closure__)
    twin.__module__, twin.__qualname__ = function.__module__, function.__qualname__
    twin.__kwdefaults__ = function.__kwdefaults__
    dispatcher = numba.njit(nogil=True, error_model="numpy", **options)(twin)
    if numba_is_known():
        _forget_literals(dispatcher)
    source = Path(inspect.getfile(function)).resolve()
    if _cache_directory(str(source.parent)) is not None and not _edited_since_start(str(source)):
        dispatcher._cache = _function_cache(plain)(twin)
    return dispatcher


def _forget_literals(dispatcher: Any) -> None:
    """Make kernels call this one by type: numba would compile it anew for each number that is passed literally."""
    from importlib import import_module

    typed, unliteral = dispatcher.get_call_template, import_module("numba.core.types").unliteral

    def template(args: Any, kws: Any) -> Any:
        return typed(tuple(unliteral(a) for a in args), {name: unliteral(a) for name, a in kws.items()})

    dispatcher.get_call_template = template


@cache
def _function_cache(plain: bool) -> Any:
    """Numba's function cache with a locator of ours; built late because it needs numba."""
    from numba.core import caching

    class Locator(caching._CacheLocator):
        def __init__(self, py_func: Any, py_file: str) -> None:
            self._line = py_func.__code__.co_firstlineno
            self._file = Path(py_file).resolve()

        def get_cache_path(self) -> str:
            return str(_cache_directory(str(self._file.parent)))

        def get_source_stamp(self) -> str:
            return _stamp(str(self._file))

        def get_disambiguator(self) -> str:
            return str(self._line)

        @classmethod
        def from_function(cls, py_func: Any, py_file: str) -> Any:
            return cls(py_func, py_file)

    class Implementation(caching.CompileResultCacheImpl):
        def __init__(self, py_func: Any) -> None:
            # The base class lets an environment variable replace the locators; ours must win, because of its stamp.
            self._lineno = py_func.__code__.co_firstlineno
            source = inspect.getfile(py_func)
            self._locator = Locator.from_function(py_func, source)
            base = self.get_filename_base(f"{Path(source).stem}.{py_func.__qualname__}", "")
            # The stamp is in the name as well: a cut power line can then not pair a new index with older code.
            self._filename_base = f"{base}-{self._locator.get_source_stamp()[:12]}"

    class FunctionCache(caching.Cache):
        _impl_class = Implementation

        def _load_overload(self, sig: Any, target_context: Any) -> Any:
            try:
                return super()._load_overload(sig, target_context)
            except _UNREADABLE:
                # Cut short by a power failure or a full disk: compiling anew is the cure.
                self._forget()
                return None

        def _save_overload(self, sig: Any, data: Any) -> None:
            try:
                super()._save_overload(sig, data)
            except OSError as error:
                # Numba writes the index first: it may name a data file that is missing or holds older code.
                self._forget()
                _warn_of_unsaved(str(error))

        def _forget(self) -> None:
            try:
                # Removing works on a full disk too; what no index names is written over.
                Path(self._cache_file._index_path).unlink(missing_ok=True)
            except OSError:
                self.disable()

    class PlainCache(FunctionCache):
        def load_overload(self, sig: Any, target_context: Any) -> Any:
            # The base class first loads every implementation that a compilation could need: 0.25 s, SciPy's linear
            # algebra among them. A plain kernel from the cache needs the memory runtime only; a later compilation
            # loads the rest.
            from numba.core.runtime import rtsys

            rtsys.initialize(target_context)
            with self._guard_against_spurious_io_errors():
                return self._load_overload(sig, target_context)

    return PlainCache if plain and numba_is_known() else FunctionCache


def _kernel_files(file: str) -> list[Path]:
    return sorted({Path(file), *_PACKAGE.rglob("_*kernel*.py")})


@cache
def _edited_since_start(file: str) -> bool:
    """Whether a kernel file is newer than this process, whose code the stamp of ``file`` would then not describe."""
    newest = max(_kernel_files(file), key=lambda path: path.stat().st_mtime)
    if newest.stat().st_mtime <= _STARTED:
        return False
    _warn_of_edit(newest.name)
    return True


@cache
def _warn_of_edit(name: str) -> None:
    warnings.warn(
        f"{name} was edited after this process started: kernels are compiled without the cache. "
        "Hint: start the process again.",
        RuntimeWarning,
        stacklevel=2,
    )


@cache
def _stamp(file: str) -> str:
    """Digest of every kernel file of the package and of ``file`` itself."""
    digest = hashlib.sha256()
    for path in _kernel_files(file):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


@cache
def _cache_directory(source_directory: str) -> Path | None:
    """The first writable place for compiled kernels, or None with a warning."""
    name = f"{Path(source_directory).name}-{hashlib.sha256(source_directory.encode()).hexdigest()[:12]}"
    candidates = []
    if chosen := os.environ.get("QUANTLAB_CACHE_DIR"):
        candidates.append(Path(chosen) / "kernels" / name)
    candidates.append(Path(source_directory) / "__pycache__")
    candidates.append(user_cache() / "kernels" / name)
    for directory in candidates:
        if _writable(directory):
            return directory
    _warn_of_no_cache()
    return None


@cache
def _warn_of_no_cache() -> None:
    # Once per process, however many packages hold kernels.
    warnings.warn(
        "quantlab found no writable directory for compiled kernels and compiles them anew in each process. "
        "Hint: set QUANTLAB_CACHE_DIR to a writable directory.",
        RuntimeWarning,
        stacklevel=2,
    )


_unsaved = False


def _warn_of_unsaved(reason: str) -> None:
    # Once per process: each of a hundred kernels would say the same.
    global _unsaved
    if _unsaved:
        return
    _unsaved = True
    warnings.warn(
        f"quantlab could not save a compiled kernel and compiles it anew in each process: {reason}. "
        "Hint: free disk space, or set QUANTLAB_CACHE_DIR to a writable directory.",
        RuntimeWarning,
        stacklevel=2,
    )


def user_cache() -> Path:
    """Return the user's cache directory for quantlab, by the XDG rule; it need not exist."""
    base = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(base) / "quantlab"


def _writable(directory: Path) -> bool:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            return True
    except OSError:
        return False
