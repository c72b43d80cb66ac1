"""Every question can be asked of a model that is not on the processor."""

from __future__ import annotations

import os
import subprocess
import sys


def test_another_device_gives_the_same_figures() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.second_device"],
        capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-500:] + done.stderr[-3000:]
    assert "160 flow conditional" in done.stdout
