"""The official Node SDK, unmodified, against a sandbox on a port."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.support.node import find_packages, run_node
from tollhouse.testing import ServedSandbox

HERE = Path(__file__).parent
SECONDS_MAX = 60


@pytest.mark.slow
def test_the_resources_of_a_billing_integration_answer_the_node_sdk(tmp_path: Path) -> None:
    shutil.copy(HERE / "scenario.mjs", tmp_path)
    (tmp_path / "node_modules").symlink_to(find_packages(HERE))
    with ServedSandbox(seed=1, check_replies=True) as served:
        said = run_node("scenario.mjs", served.url, folder=tmp_path, seconds_max=SECONDS_MAX)
    assert int(re.findall(r"([0-9]+) calls", said)[0]) > 50, "the whole scenario was played"
