"""What a number looks like."""

import math

import pytest

from quantlab.report._format import show


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (0.12345, "fraction", "12.35\u202f%"),
        (-0.5, "fraction per year", "\u221250.00\u202f%"),
        (0.00001234, "fraction", "0.0012\u202f%"),
        (36.1462, "fraction", "3,615\u202f%"),
        (1234567.8, "currency", "1,234,568"),
        (12.345, "currency", "12.35"),
        (-999.999, "currency", "\u22121,000.00"),
        (8060, "count", "8,060"),
        (1833.0, "bars", "1,833"),
        (0.65432, "ratio", "0.65"),
        (0.0042, "ratio", "0.004"),
        (-0.0042, "ratio", "\u22120.004"),
        (0.00012, "ratio", "0.000"),
        (-0.000036, "ratio", "0.000"),
        (-1234.5678, "ratio", "\u22121,235"),
        (-0.0, "ratio", "0.00"),
        (0.00031, "basis points", "3.1"),
        (-0.0004, "cell", "0.0"),
        (-0.0321, "cell", "\u22123.2"),
        (-3.995, "cell", "\u2212400"),
        (1887168123, "plain", "1887168123"),
        (1_000_000.0, "plain", "1000000"),
        (0.005, "plain", "0.005"),
        (True, "plain", "yes"),
        ("text", "fraction", "text"),
        (None, "ratio", "\u2013"),
        (math.nan, "currency", "\u2013"),
    ],
)
def test_shown(value, unit, expected):
    assert show(value, unit) == expected
