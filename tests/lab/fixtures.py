# SPDX-License-Identifier: Apache-2.0
"""What the conftest.py of netns and virt have in common."""

import pytest

from . import net


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure shows what the daemons said; what a machine lacks is a skip."""
    outcome = yield
    report = outcome.get_result()
    if call.excinfo and call.excinfo.errisinstance(net.Unable):
        report.outcome = "skipped"
        report.longrepr = (str(item.path), 0, f"Skipped: {call.excinfo.value}")
    elif report.failed:
        logs = "".join(lab.log_tails() for lab in net.labs())
        if logs:
            report.sections.append(("logs", logs))


@pytest.fixture(scope="session", autouse=True)
def clean():
    """Removes what killed runs have left."""
    net.remove_stale()
