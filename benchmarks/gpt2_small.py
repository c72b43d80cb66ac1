"""What GPT-2 small costs: to compile, to plan an intervention, to sweep over its MLP units."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.worker import THREADS

ROWS, TOKENS = 8, 64
MLP_UNITS = 12 * 3072
SAMPLE = 48
BUDGET = "2GB"


def measure() -> list[dict[str, Any]]:
    """Run every line in a fresh process, since its peak memory is that of the process."""
    rows: list[dict[str, Any]] = []
    for line in ("compile", "sweep"):
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "benchmarks.gpt2_small", line],
            env={**os.environ, **THREADS}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            problem = done.stderr.strip().splitlines()[-1:] or ["its process ended"]
            rows.append({"what": line, "measured": problem[0][:100]})
        else:
            rows += json.loads(done.stdout.splitlines()[-1])
    return rows


def compile_() -> list[dict[str, Any]]:
    """Seconds and memory to compile, and milliseconds to plan one intervention.

    On few tokens, since what is recorded (logits above all) grows with the data, not the network.
    """
    model, data = _model(rows=2, tokens=8)
    import causalmod as cm

    small = _tiny()
    start = time.perf_counter()
    cm.compile(*small)  # the libraries that tracing loads, once per process
    loading = time.perf_counter() - start
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    before = reset_peak()
    start = time.perf_counter()
    scm = cm.compile(model, data)
    seconds = time.perf_counter() - start
    extra = (peak() - before) / weights
    first, after = _plan(scm)
    tiny = f"a 2-layer network, first in the process: {loading:.1f} s"
    return [
        row("compile, on 2 × 8 tokens", f"{seconds:.2f} s ({tiny})", seconds, 3.0, "< 3 s"),
        row("memory to compile, over the weights", f"{extra:.2f} ×", extra, 1.3, "< 1.3 ×"),
        row("plan an intervention, first", f"{first * 1e3:.2f} ms"),
        row("plan an intervention, once planned", f"{after * 1e3:.3f} ms", after, 1e-3, "< 1 ms"),
    ]


def sweep() -> list[dict[str, Any]]:
    """Peak memory of a sweep over some MLP units, and what all of them would take."""
    model, data = _model()
    import torch

    import causalmod as cm

    scm: Any = cm.compile(model, data)
    scm.observe()
    names = [f"transformer.h.{at}.mlp.act[{j}]" for at in range(12) for j in range(3072)]
    chosen = names[:: MLP_UNITS // SAMPLE][:SAMPLE]
    before = reset_peak()
    start = time.perf_counter()
    scm.sweep(
        chosen, value=cm.resample(0), record=["output"], memory=BUDGET, progress=False,
        reduce=lambda after, before: after["output"].flatten(1).mean(1),
    )  # fmt: skip
    seconds = (time.perf_counter() - start) / len(chosen)
    used = (peak() - before) / 2**30
    limit = float(BUDGET.removesuffix("GB")) * 1e9 / 2**30
    every = seconds * MLP_UNITS / 3600
    start = time.perf_counter()
    with torch.no_grad():
        model(data)
    forward = time.perf_counter() - start
    return [
        row(f"memory of a sweep with a budget of {BUDGET}", f"{used:.2f} GiB", used, limit, BUDGET),
        row("one unit of the sweep", f"{seconds:.3f} s, {seconds / forward:.2f} of a forward run"),
        row(f"all {MLP_UNITS:,} MLP units, {ROWS} × {TOKENS} tokens", f"{every:.1f} h"),
    ]


def row(
    what: str, measured: str, figure: float = 0.0, limit: float | None = None, target: str = ""
) -> dict[str, Any]:
    """Return a row of the table."""
    met = None if limit is None else figure < limit
    return {"what": what, "measured": measured, "figure": figure, "target": target, "met": met}


def _model(rows: int = ROWS, tokens: int = TOKENS) -> tuple[Any, Any]:
    import torch

    from benchmarks.tasks import gpt2_model

    torch.set_num_threads(1)
    data = torch.randint(0, 50257, (rows, tokens), generator=torch.Generator().manual_seed(0))
    return gpt2_model(), data


def _tiny() -> tuple[Any, Any]:
    import torch

    return torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU()).eval(), torch.eye(2)


def _plan(scm: Any) -> tuple[float, float]:
    """Seconds to decide what a do on one MLP unit runs again, the first time and then."""
    scm.observe()
    program = scm.program
    node = scm._nodes["transformer.h.5.mlp.act"]
    wanted = tuple(scm._nodes[name] for name in scm.outputs)

    def once() -> float:
        start = time.perf_counter()
        moved = frozenset({node, *program.descendants(node)})
        known = frozenset(program.ends(moved, wanted))
        program.homes(known, wanted, frozenset())
        return time.perf_counter() - start

    times = [once() for _ in range(20)]
    return times[0], sorted(times[1:])[len(times) // 2]


def reset_peak() -> int:
    """Forget the peak of this process's memory, and return bytes in use now."""
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5", encoding="ascii")
    return _status("VmRSS")


def peak() -> int:
    """Most bytes in use since the last reset (since the start, where there is no /proc)."""
    return _status("VmHWM")


def _status(field: str) -> int:
    status = Path("/proc/self/status")
    if not status.exists():
        import resource

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024
    for line in status.read_text(encoding="ascii").splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise OSError(f"no {field} in {status}")


if __name__ == "__main__":
    lines = {"compile": compile_, "sweep": sweep}
    sys.stdout.write(json.dumps(lines[sys.argv[1]]()) + "\n")
