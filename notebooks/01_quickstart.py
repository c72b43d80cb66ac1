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
# # From a real network to its modules
#
# Two networks name two handwritten digits that stand side by side. In one, the halves that read the
# left and the right digit are *wired apart*; the other is fully connected. Which of their parts
# talk to each other? This notebook does by hand what `causalmod demo` does in one command.

# %%
import torch
from sklearn.metrics import adjusted_rand_score

import causalmod as cm
from causalmod.measures import MEASURES

apart = cm.zoo.two_digits(wired_apart=True, seed=0)
dense = cm.zoo.two_digits(wired_apart=False, seed=0)
print(apart.doc)

# %% [markdown]
# The pairs are confounded on purpose: the right digit is often of the same class as the left. So
# the two halves *share* a lot of information, though in the first network they never *send* each
# other any. A good measure of modularity must tell the two apart.
#
# ## Compile
#
# `compile` turns network and data into a structural causal model. Its sites are tensors of the
# network, named after its modules; its variables are their coordinates.

# %%
scm = cm.compile(apart.model, apart.inputs)
print(scm)
with torch.no_grad():
    expected = apart.model(apart.inputs)
assert torch.equal(scm.observe()["output"], expected)  # bit for bit
assert scm.graph.nodes["U"]["exogenous"]  # the choice of the data row is what is random

# %% [markdown]
# A pre-activation and its activation are two variables, but *tied*: in a partition they count as
# one unit. Units that are constant on the data, or that nothing depends on, are inert and left out.

# %%
print(len(scm.units), "live units;", len(scm.units.inert), "inert")
assert "hidden1[0]" in scm.variables
assert "linear1[0]" in scm.variables
assert not any(name.startswith("linear") for name in scm.units.names)

# %% [markdown]
# ## Intervene
#
# Take a live unit of the left half and set it to 0: the left digit's readouts move, the right ones
# do not. Readouts 0 to 9 name the left digit, 10 to 19 the right one.

# %%
truth = {unit: module for module, units in apart.modules.items() for unit in units}
left_unit = next(u for u in scm.units.names if u.startswith("hidden1") and truth[u] == "left")
right_unit = next(u for u in scm.units.names if u.startswith("hidden2") and truth[u] == "right")
changed = (scm.do({left_unit: 0.0}).observe()["output"] - scm.observe()["output"]).abs().amax(0)
print(f"do({left_unit} = 0): left readouts move by up to {changed[:10].max():.2f}")
assert changed[:10].max() > 0
assert changed[10:].max() == 0.0

# %% [markdown]
# A counterfactual asks the same of single rows: what would this network have said about row 7? (It
# is replayed for that row alone, so sums may be rounded in another order: equal up to rounding.)

# %%
twin = scm.counterfactual({left_unit: 0.0}, rows=[7])
torch.testing.assert_close(twin["output"][0, 10:], scm.observe()["output"][7, 10:])

# %% [markdown]
# ## Ask what one part sends another
#
# *Observational* information counts everything that two variables share, common causes included.
# The two halves share plenty. *Interventional* and *conditional* information count what is sent:
# nothing.

# %%
left = [u for u in scm.units.names if truth[u] == "left" and u.startswith("hidden1")]
right = [u for u in scm.units.names if truth[u] == "right" and u.startswith("hidden2")]
shared = cm.information(scm, left, right, "observational", estimator="gaussian")
sent = cm.information(scm, left, right, "interventional", estimator="gaussian")
given_all = cm.information(scm, left, right, "conditional")
for figure in (shared, sent, given_all):
    print(figure)
assert shared.low > 0.3
assert shared.p == 0.05
assert sent.bits == 0.0
assert given_all.bits == 0.0
assert given_all.high == 0.0

# %% [markdown]
# ## Find the modules
#
# `modularity` searches for the partition into two modules that exchange least for what flows inside
# them. A minimum over many partitions is small by luck alone, so the score is calibrated: the same
# search runs on 19 null networks, whose weights are permuted. 1 means no communication at all, 0 no
# better than chance. The search sees one half of the rows, the figures come from the other.
#
# A continuous signal carries the more bits the more finely it is read, so every figure has a
# *resolution*: the noise scale, in standard deviations. At 2 the dense network's exchange stays
# within what a few hundred draws can tell apart.

# %%
found = cm.modularity(scm, 2, resolution=2.0, seed=0)
print(found)
labels = [found.partition.labels[unit] for unit in scm.units.names]
assert adjusted_rand_score([truth[unit] for unit in scm.units.names], labels) == 1.0
assert found.exchange.bits == 0.0
assert found.score == 1.0
assert found.p == 0.05

# %%
dense_scm = cm.compile(dense.model, dense.inputs)
dense_found = cm.modularity(dense_scm, 2, resolution=2.0, seed=0)
print(dense_found)
assert dense_found.exchange.estimate.low > 1.5
assert dense_found.exchange.estimate.upper_high < 9
assert dense_found.score < 0.3
assert dense_found.p > 0.05

# %% [markdown]
# A figure of a group is a pair of bounds, each with its interval; where the draws are too few to
# tell it says so and gives no interval. The curve over resolutions is one attribute away.

# %%
for resolution, exchange in dense_found.resolution_curve.items():
    print(f"resolution {resolution}: {exchange.estimate.describe()} bits")
upper = [exchange.estimate.upper for exchange in dense_found.resolution_curve.values()]
assert upper == sorted(upper, reverse=True)  # the coarser the reading, the fewer bits

# %% [markdown]
# ## What other measures say
#
# Newman's Q looks at the weights. It moves when a ReLU network is rescaled (`w_in · c`, `w_out /
# c`), which changes nothing that the network computes. Mutual information between the halves is
# large where nothing is sent at all.

# %%
q = MEASURES.get("newman_q")(scm, found.partition)
mutual = MEASURES.get("mutual_information")(scm, found.partition)
print(f"wired apart: Newman's Q {q:.2f}, mutual information {mutual:.2f} bits, exchange 0 bits")
assert mutual > 0.3

# %% [markdown]
# ## See it
#
# The report of `causalmod demo` has these pictures for both networks.

# %%
from causalmod.plotting import plot_network, plot_random_partitions

network = plot_network(scm, found.partition)
against_random = plot_random_partitions(dense_found)
assert network.axes
assert against_random.axes
