"""Every error that quantlab raises on purpose.

The tree::

    QuantlabError
    |- InputError             (ValueError)    an argument has a value that cannot be used
    |  |- LabelError          (ValueError)    dates or symbols are unsorted, doubled, or differ between two inputs
    |  |- ConfigError         (ValueError)    a configuration file has an unknown key or an impossible value
    |- KindError              (TypeError)     an argument has a type that cannot be used
    |- DataError              (ValueError)    prices, weights or returns contain what the operation cannot accept
    |- StoreError             (RuntimeError)  the store on disk is missing, damaged, locked or of another version
    |- LookAheadError         (RuntimeError)  a function used what it could not have known
    |- MissingLibraryError    (RuntimeError)  an optional library is not installed

A message is one sentence that names the parameter or the first offender (symbol, date, count) and the value received.
``hint`` holds the way out when one call or one edit fixes it; it is printed after the sentence.
"""

from __future__ import annotations


class QuantlabError(Exception):
    """Base of every error that quantlab raises on purpose.

    Parameters
    ----------
    message : str
        One sentence that names the offender.
    hint : str, optional
        The way out.
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message} Hint: {self.hint}"

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.message, self.hint))


def _rebuild(cls: type[QuantlabError], message: str, hint: str | None) -> QuantlabError:
    return cls(message, hint=hint)


class InputError(QuantlabError, ValueError):
    """An argument has a value that cannot be used."""


class LabelError(InputError):
    """Dates or symbols are unsorted, doubled, or differ between two inputs."""


class ConfigError(InputError):
    """A configuration file has an unknown key or an impossible value."""


class KindError(QuantlabError, TypeError):
    """An argument has a type that cannot be used."""


class DataError(QuantlabError, ValueError):
    """Prices, weights or returns contain what the operation cannot accept."""


class StoreError(QuantlabError, RuntimeError):
    """The store on disk is missing, damaged, locked or of another version."""


class LookAheadError(QuantlabError, RuntimeError):
    """A function used what it could not have known."""


class MissingLibraryError(QuantlabError, RuntimeError):
    """An optional library is not installed."""
