# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Measures of modularity on trial
#
# Write down what a measure of modularity must satisfy, and look which measure does. Every axiom is
# tried on networks whose right answer is known; where a measure fails, the counterexample is at
# hand. Here: the famous measures, and the one network that breaks each.

# %%
import matplotlib.pyplot as plt
import torch

import causalmod as cm
from causalmod.plotting import plot_network

MEASURES = ["modularity", "exchange", "newman_q", "normalised_cut", "mutual_information"]
AXIOMS = ["architecture", "bias", "confounding", "inferable", "leak", "perfect_modularity", "size"]
table = cm.conformance(MEASURES, axioms=AXIOMS, quick=True, progress=False)
figure = table.plot()
table.to_frame().T

# %% [markdown]
# Only the first row has no cross: the score that compares what modules exchange with what flows
# inside of them, and both with random modules of the same sizes. (`cm.conformance()` tries
# everything, in some minutes.)

# %%
assert all(not table.verdict("modularity", axiom).failures for axiom in AXIOMS)
assert table.status("newman_q", "bias") == "fails"
assert table.status("mutual_information", "confounding") == "fails"
assert table.status("exchange", "size") == "fails"

# %% [markdown]
# ## Newman's Q and the normalised cut: weights that do nothing
#
# Two blocks, joined by two units whose bias keeps them at zero on all the data. The two networks
# below compute the same; one has no connection between its blocks.


# %%
def counterexample(measure, axiom, claim):
    """Return the situations of a failure whose claim has these words in it, and print it."""
    failures = table.verdict(measure, axiom).failures
    failure = next(f for f in failures if claim in f.claim)
    print(failure)
    return failure.counterexample, failure.values


networks, values = counterexample("newman_q", "bias", "silent gates are no gates")
cut, silent = sorted(networks, key=lambda each: each.name)
outputs = [each.scm.observe()["output"] for each in (cut, silent)]
print("outputs differ by at most", float((outputs[0] - outputs[1]).abs().max()))
for each in (cut, silent):
    bits = cm.exchange(each.scm, each.partition, progress=False).bits
    print(f"{each.name}: Q = {values[each.name]:.3f}, exchange = {bits:.3f} bits")
    assert bits == 0.0
assert torch.allclose(*outputs, atol=1e-5)

# %%
silent_network = plot_network(silent.scm, silent.partition)

# %% [markdown]
# ## Mutual information: two tracks that see the same
#
# A duck and its shadow: two tracks without a connection. The more their inputs agree, the more
# their activity shares; nothing is sent.

# %%
found, values = counterexample("mutual_information", "confounding", "ducks and shadows")
for each in found:
    bits = cm.exchange(each.scm, each.partition, progress=False).bits
    print(f"{each.name}: {values[each.name]:.3f} bits shared, {bits:.3f} bits exchanged")
    assert bits == 0.0

# %% [markdown]
# And the other way round: a module that is told what it could have worked out. The activations of
# the two networks are equal, so whatever only looks at activations must read the same; but in one
# of them a module depends on the other.

# %%
found, values = counterexample("mutual_information", "inferable", "A/3")
alone, told = sorted(found, key=lambda each: "told" in each.name)
bits = {each.name: cm.exchange(each.scm, each.partition).bits for each in (alone, told)}
print(bits)
assert bits[alone.name] == 0.0
assert bits[told.name] > 3.0
assert values[alone.name] == values[told.name]

# %% [markdown]
# ## Exchange in bits: the smallest module wins
#
# On a dense random network, one unit against all others exchanges fewer bits than any even split,
# for it takes in and sends few. So bits alone do not choose modules: compared with what flows
# inside, a single unit is the worst module there is.

# %%
found, values = counterexample("exchange", "size", "one unit")
lone, even = found
score = cm.conformance(["modularity"], axioms=["size"], quick=True, progress=False)
print(f"{values[lone.name]:.2f} bits for a lone unit, {values[even.name]:.2f} for halves")
assert values[lone.name] < values[even.name]
assert score.ok

# %% [markdown]
# ## How good are cheap proxies where they work?
#
# On a network without such traps, weights rank partitions nearly as the exchange does, for a
# thousandth of the cost: good enough to start a search, not to end it.

# %%
scm = cm.zoo.planted(blocks=2, units=16, leak=0.2).compile()
proxies = cm.proxies(
    scm, measures=["newman_q", "unit_flow", "mutual_information"], partitions=40, progress=False
)
scatter = proxies.plot()
proxies.to_frame()[["correlation", "low", "high", "same_best", "rank", "passes"]]

# %%
best = proxies.best
assert best is not None
assert best.correlation > 0.6

# %% [markdown]
# ## Your own measure
#
# A class with one method is enough; `causalmod check my_module:MyMeasure` does the same from the
# command line, with an exit code for a test run.


# %%
class OutputsApart:
    """Share of the outputs that no other module shares a unit with: looks at names only."""

    def __call__(self, scm, partition):
        homes = {partition.labels[u] for u in partition.labels if u.startswith("output")}
        return len(homes) / len(partition)


trial = cm.check_measure(
    OutputsApart, axioms=["conduct", "perfect_modularity"], quick=True, progress=False
)
print(trial)
assert not trial.ok
plt.close("all")
