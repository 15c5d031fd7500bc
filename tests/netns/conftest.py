# SPDX-License-Identifier: Apache-2.0
"""`from tests.lab import net` works; see tests/lab/fixtures.py for the rest."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.lab.fixtures import clean, pytest_runtest_makereport  # noqa: E402, F401
