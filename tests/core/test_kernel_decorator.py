"""The one way to compile: lazy, cached where it can be written, and never stale."""

from __future__ import annotations

import os
import shutil
import textwrap
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import quantlab.core
from quantlab.core import _kernel, kernel, ts, user_cache

PACKAGE = Path(quantlab.core.__file__).parent


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the core package with two kernel files more, of which one calls the other; its root directory."""
    root = tmp_path / "copy"
    shutil.copytree(PACKAGE, root / "quantlab" / "core", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "quantlab" / "__init__.py").touch()
    _write(
        root / "quantlab" / "core" / "_callee_kernels.py",
        """
        from quantlab.core._kernel import kernel

        @kernel
        def callee(x):
            return x + 1.0
        """,
    )
    _write(
        root / "quantlab" / "other" / "_caller_kernels.py",
        """
        from quantlab.core._callee_kernels import callee
        from quantlab.core._kernel import kernel

        @kernel
        def caller(x):
            return 2.0 * callee(x)
        """,
    )
    (root / "quantlab" / "other" / "__init__.py").touch()
    return root


def _write(path: Path, code: str) -> None:
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(textwrap.dedent(code))


CALL = """
from quantlab.other._caller_kernels import caller
result = caller(3.0)
stats = caller.dispatcher.stats
print(result, "hits", sum(stats.cache_hits.values()), "misses", sum(stats.cache_misses.values()))
"""


# Lazy --------------------------------------------------------------------------------------------------------------


def test_importing_core_loads_nothing_heavy(python: Callable[..., str]) -> None:
    code = """
    import sys
    import quantlab.core, quantlab.core.ts, quantlab.core.xs, quantlab.core.rng, quantlab.core.periods
    heavy = ("numba", "llvmlite", "pandas", "scipy", "plotly", "jinja2", "exchange_calendars", "sklearn")
    print([name for name in heavy if name in sys.modules])
    """
    assert python(textwrap.dedent(code)).strip() == "[]"


def test_decorating_compiles_nothing_and_keeps_the_original() -> None:
    def double(x: float) -> float:
        """Twice."""
        return 2.0 * x

    for made in (kernel(double), kernel(plain=True)(double), kernel(inline="never")(double)):
        assert made._dispatcher is None
        assert made.py_func is double
        assert made.__doc__ == "Twice."
        assert made.__name__ == "double"
        assert made.py_func(2.0) == 4.0
        assert repr(made) == f"<kernel {double.__module__}.{double.__qualname__}>"


def test_kernels_live_in_files_that_the_stamp_covers() -> None:
    for module in PACKAGE.rglob("*.py"):
        text = module.read_text()
        if module.name != "_kernel.py" and ("@kernel" in text):
            assert module.match("_*kernel*.py"), module


# Cached ------------------------------------------------------------------------------------------------------------


def test_the_cache_is_hit_and_an_edit_of_a_called_file_is_noticed(copy: Path, python: Callable[..., str]) -> None:
    assert python(CALL, root=copy).strip() == "8.0 hits 0 misses 1"
    # A reinstall of the same source: other times, same contents.
    for file in copy.rglob("*.py"):
        os.utime(file, (1, 1))
    assert python(CALL, root=copy).strip() == "8.0 hits 1 misses 0"
    callee = copy / "quantlab" / "core" / "_callee_kernels.py"
    callee.write_text(callee.read_text().replace("x + 1.0", "x + 5.0"))
    os.utime(callee, (1, 1))
    # Numba alone would return 8.0: the caller's own file is as it was.
    assert python(CALL, root=copy).strip() == "16.0 hits 0 misses 1"
    assert list((copy / "quantlab" / "other" / "__pycache__").glob("_caller_kernels.caller*.nbi"))


def test_an_edit_under_a_running_process_is_not_cached(copy: Path, python: Callable[..., str]) -> None:
    """The old code must not be found under the stamp of the new."""
    edit = textwrap.dedent("""
        import pathlib, time, warnings
        warnings.simplefilter("always")
        from quantlab.core import _callee_kernels
        file = pathlib.Path(_callee_kernels.__file__)
        time.sleep(0.05)
        file.write_text(file.read_text().replace("x + 1.0", "x + 5.0"))
    """)
    output = python(edit + CALL, root=copy)
    assert output.startswith("8.0 ")
    assert output.count("_callee_kernels.py was edited after this process started") == 1
    assert python(CALL, root=copy).strip() == "16.0 hits 0 misses 1"


def test_the_chosen_directory_wins(copy: Path, python: Callable[..., str], tmp_path: Path) -> None:
    chosen = tmp_path / "chosen"
    assert python(CALL, root=copy, QUANTLAB_CACHE_DIR=str(chosen)).startswith("8.0 hits 0")
    assert list(chosen.glob("kernels/other-*/_caller_kernels.caller*.nbi"))
    assert not list((copy / "quantlab" / "other").rglob("*.nbi"))
    assert python(CALL, root=copy, QUANTLAB_CACHE_DIR=str(chosen)).startswith("8.0 hits 1")


# Permissions do not bind the superuser, as whom tests may run; so the question "can I write there?" is answered here.
READ_ONLY = """
from quantlab.core import _kernel
original = _kernel._writable
_kernel._writable = lambda directory: {allowed!r} in str(directory) and original(directory)
"""


def test_a_read_only_install_falls_back_to_the_users_cache(
    copy: Path, python: Callable[..., str], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    code = READ_ONLY.format(allowed=str(home)) + CALL
    environment = {"XDG_CACHE_HOME": str(home), "QUANTLAB_CACHE_DIR": ""}
    assert python(code, root=copy, **environment).strip() == "8.0 hits 0 misses 1"
    assert python(code, root=copy, **environment).strip() == "8.0 hits 1 misses 0"
    assert list(home.glob("quantlab/kernels/other-*/_caller_kernels.caller*.nbi"))
    assert not list(copy.rglob("*.nbi"))


def test_with_no_writable_directory_it_computes_and_warns_once(copy: Path, python: Callable[..., str]) -> None:
    code = "import warnings\nwarnings.simplefilter('always')" + READ_ONLY.format(allowed="nowhere at all") + CALL
    # Two packages hold kernels here, core and other; the caller compiles both.
    output = python(code, root=copy, QUANTLAB_CACHE_DIR="/nowhere")
    assert output.startswith("8.0 hits 0 misses 1")
    assert output.count("RuntimeWarning: quantlab found no writable directory for compiled kernels") == 1
    assert "Hint: set QUANTLAB_CACHE_DIR to a writable directory." in output
    assert not list(copy.rglob("*.nbi"))


def test_what_writable_means(tmp_path: Path) -> None:
    assert _kernel._writable(tmp_path / "new" / "one")
    (tmp_path / "file").touch()
    assert not _kernel._writable(tmp_path / "file" / "below")
    assert not list((tmp_path / "new" / "one").iterdir())


def test_order_of_the_candidates(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[Path] = []

    def refuse(directory: Path) -> bool:
        asked.append(directory)
        return False

    monkeypatch.setattr(_kernel, "_writable", refuse)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("QUANTLAB_CACHE_DIR", str(tmp_path / "chosen"))
    _kernel._warn_of_no_cache.cache_clear()
    with pytest.warns(RuntimeWarning, match="no writable directory"):
        assert _kernel._cache_directory.__wrapped__("/a/b") is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert _kernel._cache_directory.__wrapped__("/a/c") is None  # said once
    _kernel._warn_of_no_cache.cache_clear()
    assert asked[0].parent == tmp_path / "chosen" / "kernels"
    assert asked[1] == Path("/a/b/__pycache__")
    assert asked[2].parent == tmp_path / "xdg" / "quantlab" / "kernels"
    assert asked[0].name == asked[2].name != asked[3].name
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert user_cache() == Path("~/.cache/quantlab").expanduser()


def test_a_damaged_cache_file_is_a_miss(copy: Path, python: Callable[..., str], tmp_path: Path) -> None:
    # `caller` is a long-way kernel; its twin is marked plain, so that both ways of loading meet the damage.
    source = copy / "quantlab" / "other" / "_caller_kernels.py"
    source.write_text(source.read_text() + "\n@kernel(plain=True)\ndef twin(x):\n    return 2.0 * x + 2.0\n")
    code = """
    from quantlab.other._caller_kernels import caller, twin
    print([k(3.0) for k in (caller, twin)], [sum(k.dispatcher.stats.cache_hits.values()) for k in (caller, twin)])
    """
    code, chosen = textwrap.dedent(code), tmp_path / "chosen"
    assert python(code, root=copy, QUANTLAB_CACHE_DIR=str(chosen)).strip() == "[8.0, 8.0] [0, 0]"
    for ending in ("nbi", "nbc"):
        assert len(list(chosen.rglob(f"*.{ending}"))) >= 2
        # Nothing, one byte, a half, all but one byte; and the zeros that a power cut leaves in a grown file.
        for damage in (
            lambda whole: b"",
            lambda whole: whole[:1],
            lambda whole: whole[: len(whole) // 2],
            lambda whole: whole[:-1],
            lambda whole: bytes(len(whole)),
        ):
            assert python(code, root=copy, QUANTLAB_CACHE_DIR=str(chosen)).strip() == "[8.0, 8.0] [1, 1]"
            for file in chosen.rglob(f"*.{ending}"):
                file.write_bytes(damage(file.read_bytes()))
            assert python(code, root=copy, QUANTLAB_CACHE_DIR=str(chosen)).strip() == "[8.0, 8.0] [0, 0]"


def test_a_full_disk_costs_the_cache_and_not_the_result(copy: Path, python: Callable[..., str], tmp_path: Path) -> None:
    chosen = tmp_path / "chosen"
    full = """
    import errno, warnings
    from numba.core.caching import IndexDataCacheFile
    warnings.simplefilter("always")
    def fail(self, name, data):
        raise OSError(errno.ENOSPC, "No space left on device")
    IndexDataCacheFile._save_data = fail
    """
    # Two kernels are compiled, and it is said once.
    output = python(textwrap.dedent(full) + CALL, root=copy, QUANTLAB_CACHE_DIR=str(chosen))
    assert output.startswith("8.0 hits 0 misses 1")
    assert output.count("RuntimeWarning: quantlab could not save a compiled kernel") == 1
    assert "No space left on device" in output
    # The index was written before the data; it must not stay and name what is not there.
    assert not list(chosen.rglob("*.nbi"))
    assert python(CALL, root=copy, QUANTLAB_CACHE_DIR=str(chosen)).strip() == "8.0 hits 0 misses 1"
    assert python(CALL, root=copy, QUANTLAB_CACHE_DIR=str(chosen)).strip() == "8.0 hits 1 misses 0"


def test_every_plain_kernel_runs_from_the_cache_in_a_process_that_compiles_nothing(
    python: Callable[..., str],
) -> None:
    code = """
    import gc, numpy as np
    from quantlab.core import Panel, rng, ts, xs
    from quantlab.core._kernel import Kernel
    days = np.datetime64("2024-01-01") + np.arange(9)
    panel = Panel(np.random.default_rng(1).normal(size=(9, 5)).round(1), days, list("abcde"))
    results = [getattr(ts, name)(panel, window=3) for name in ts.__all__ if name.startswith("rolling_")]
    results += [ts.ewm_mean(panel, span=3), ts.ewm_std(panel, halflife=3), ts.pct_change(panel)]
    results += [xs.rank(panel), xs.zscore(panel), xs.winsorize(panel), xs.quantile_buckets(panel, buckets=3)]
    results += [xs.demean(panel), xs.neutralize(panel, exposures=panel**2)]
    rng.uniforms(1, 2, 5)
    kernels = [x for x in gc.get_objects() if isinstance(x, Kernel) and x._dispatcher is not None]
    print(sum(sum(k.dispatcher.stats.cache_misses.values()) for k in kernels), end=" ")
    print(sum(float(np.nansum(np.nan_to_num(r.values))) for r in results).hex())
    """
    first = python(textwrap.dedent(code)).split()
    second = python(textwrap.dedent(code)).split()
    assert second[0] == "0"
    assert first[1] == second[1]


# Threads -----------------------------------------------------------------------------------------------------------


def test_first_calls_from_many_threads_compile_once(python: Callable[..., str], copy: Path) -> None:
    code = """
    import threading
    from quantlab.other._caller_kernels import caller
    barrier, results, dispatchers = threading.Barrier(8), [], []
    def work():
        barrier.wait()
        results.append(caller(3.0))
        dispatchers.append(id(caller.dispatcher))
    threads = [threading.Thread(target=work) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    print(results == [8.0] * 8, len(set(dispatchers)), len(caller.dispatcher.signatures))
    """
    assert python(textwrap.dedent(code), root=copy).strip() == "True 1 1"


def test_threads_give_the_same_bits(make: Callable[..., object]) -> None:
    panel = make(np.random.default_rng(1).normal(size=(300, 40)))
    expected = ts.rolling_std(panel, window=20).values
    results: list[np.ndarray] = []
    threads = [
        threading.Thread(target=lambda: results.append(ts.rolling_std(panel, window=20).values)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    for result in results:
        np.testing.assert_array_equal(result, expected)
