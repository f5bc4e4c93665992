"""The error tree: what each class is, what it says, and that it survives a process boundary."""

from __future__ import annotations

import copy
import pickle

import pytest

from quantlab.core import (
    ConfigError,
    DataError,
    InputError,
    KindError,
    LabelError,
    LookAheadError,
    MissingLibraryError,
    QuantlabError,
    StoreError,
    _errors,
)

TREE = {
    InputError: (QuantlabError, ValueError),
    LabelError: (InputError, ValueError),
    ConfigError: (InputError, ValueError),
    KindError: (QuantlabError, TypeError),
    DataError: (QuantlabError, ValueError),
    StoreError: (QuantlabError, RuntimeError),
    LookAheadError: (QuantlabError, RuntimeError),
    MissingLibraryError: (QuantlabError, RuntimeError),
}


@pytest.mark.parametrize("kind", TREE)
def test_each_error_is_what_the_tree_says(kind: type[QuantlabError]) -> None:
    assert issubclass(kind, TREE[kind])
    assert kind.__name__ in (_errors.__doc__ or "")


def test_the_tree_is_complete() -> None:
    found = {x for x in vars(_errors).values() if isinstance(x, type) and issubclass(x, QuantlabError)}
    assert found == {QuantlabError, *TREE}


@pytest.mark.parametrize("kind", [QuantlabError, *TREE])
@pytest.mark.parametrize("hint", [None, "do that."])
def test_text_hint_and_pickle(kind: type[QuantlabError], hint: str | None) -> None:
    error = kind("This is wrong.", hint=hint)
    assert str(error) == ("This is wrong." if hint is None else "This is wrong. Hint: do that.")
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(twin) is kind
        assert (twin.message, twin.hint, str(twin)) == (error.message, error.hint, str(error))
