"""Importing causalmod is silent, loads nothing but the standard library and disturbs nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

HEAVY = {"dowhy", "matplotlib", "networkx", "numpy", "pandas", "pgmpy", "scipy", "sklearn", "torch"}

IMPORT = """
import json, os, random, sys, warnings
before = set(sys.modules)
state, filters, environment = random.getstate(), list(warnings.filters), dict(os.environ)
import causalmod
loaded = {name.partition(".")[0] for name in set(sys.modules) - before}
facts = {
    "foreign": sorted(loaded - set(sys.stdlib_module_names) - {"causalmod"}),
    "random": random.getstate() == state,
    "filters": list(warnings.filters) == filters,
    "environment": dict(os.environ) == environment,
    "listed": sorted(set(causalmod.__all__) - set(dir(causalmod))),
}
print("FACTS" + json.dumps(facts), end="")
"""

USE = """
import json, random
import numpy, torch
random.seed(1); numpy.random.seed(2); torch.manual_seed(3)

def states():
    name, keys, *rest = numpy.random.get_state()
    return random.getstate(), keys.tolist(), rest, torch.get_rng_state().tolist()

before, threads = states(), torch.get_num_threads()
dtype, grad = torch.get_default_dtype(), torch.is_grad_enabled()
import causalmod
missing = [name for name in causalmod.__all__ if not hasattr(causalmod, name)]
facts = {
    "missing": missing,
    "generators": states() == before,
    "threads": torch.get_num_threads() == threads,
    "torch": (torch.get_default_dtype(), torch.is_grad_enabled()) == (dtype, grad),
}
print("FACTS" + json.dumps(facts), end="")
"""

HIDE = """
import importlib, json, pkgutil, types
import causalmod
for file in pkgutil.walk_packages(causalmod.__path__, "causalmod."):
    importlib.import_module(file.name)

def hidden(name):
    found = getattr(causalmod, name)
    return isinstance(found, types.ModuleType) and hasattr(found, name) and not callable(found)

facts = {"hidden": [name for name in causalmod.__all__ if hidden(name)]}
print("FACTS" + json.dumps(facts), end="")
"""


def in_a_fresh_process(code: str, folder: Path) -> dict[str, Any]:
    """Run ``code`` and return its facts; anything else that it prints is an error."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    printed, facts = done.stdout.split("FACTS")
    assert printed == ""
    return json.loads(facts)


def test_import_loads_only_the_standard_library_and_disturbs_nothing(tmp_path: Path) -> None:
    facts = in_a_fresh_process(IMPORT, tmp_path)
    assert HEAVY.isdisjoint(facts["foreign"])
    assert facts["foreign"] == []
    assert facts["random"]
    assert facts["filters"]
    assert facts["environment"]
    assert facts["listed"] == []


def test_loading_every_public_name_leaves_the_generators_alone(tmp_path: Path) -> None:
    facts = in_a_fresh_process(USE, tmp_path)
    assert facts["missing"] == []
    assert facts["generators"]
    assert facts["threads"]
    assert facts["torch"]


def test_the_check_sees_a_heavy_import(tmp_path: Path) -> None:
    facts = in_a_fresh_process(
        IMPORT.replace("import causalmod", "import causalmod, numpy", 1), tmp_path
    )
    assert "numpy" in facts["foreign"]


def test_the_check_sees_a_disturbed_generator(tmp_path: Path) -> None:
    disturbed = USE.replace("import causalmod", "import causalmod; numpy.random.rand()", 1)
    assert not in_a_fresh_process(disturbed, tmp_path)["generators"]


def test_submodules_never_hide_public_names(tmp_path: Path) -> None:
    """Importing a file sets its name on the package, where a function may have the same name."""
    assert in_a_fresh_process(HIDE, tmp_path)["hidden"] == []
