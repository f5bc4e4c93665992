"""Shared by all tests: how hypothesis searches, and how a seeded sample of the slow tier is drawn."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# No deadlines: machines are shared, and the first call of a kernel compiles it. The same examples in every run.
settings.register_profile(
    "quantlab", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("quantlab")


@pytest.fixture(autouse=True, scope="session")
def _studies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What tests try is no trial of anybody's study."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QUANTLAB_STUDIES", str(tmp_path_factory.mktemp("studies")))
        yield


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow-sample", type=int, default=None, help="run this many slow tests, drawn by --slow-seed")
    parser.addoption("--slow-seed", type=int, default=0, help="seed of the sample of slow tests")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    wanted = config.getoption("--slow-sample")
    if wanted is None:
        return
    slow = sorted((item for item in items if item.get_closest_marker("slow")), key=lambda item: item.nodeid)
    chosen = set(random.Random(config.getoption("--slow-seed")).sample(slow, min(wanted, len(slow))))
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = [item for item in items if item in chosen]
