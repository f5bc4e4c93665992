"""The compiled engine against the plain one on random runs: same orders, same money."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from quantlab.backtest import _engine_kernels, _reference
from quantlab.backtest._run import Status
from quantlab.backtest._simulate import kernel_run

from tests.backtest.conftest import random_inputs
