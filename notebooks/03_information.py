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
# # Who sends how many bits to whom
#
# Five ways to ask what one part of a network tells another, on networks small enough to know the
# answer, and then on a trained one.

# %%
import numpy as np
import pandas as pd

import causalmod as cm

# %% [markdown]
# ## The sprinkler
#
# Clouds bring rain and keep the sprinkler off; either wets the grass. The mechanisms are noisy. In
# the network the noise is a further input, uniform and independent of all else.

# %%
sprinkler = cm.zoo.sprinkler().compile()
print(sprinkler)
source, target = "sprinkler", "output"
figures = {
    "shared": cm.information(sprinkler, source, target, "observational"),
    "sent": cm.information(sprinkler, source, target),
    "sent, against what is observed": cm.information(
        sprinkler, source, target, reference="observational"
    ),
    "sent, rain set and known": cm.information(sprinkler, source, target, given_do="rain"),
    "strength of the arrow": cm.information(
        sprinkler, source, target, "strength", noise="input[3]"
    ),
}
table = pd.Series({name: estimate.bits for name, estimate in figures.items()}, name="bits")
print(table.round(6))
published = [0.184699, 0.192021, 0.362626, 0.408480]
np.testing.assert_allclose(table.iloc[1:], published, atol=5e-7)

# %% [markdown]
# The sprinkler is on when the sky is clear, and then it does not rain: seen from afar, sprinkler
# and grass share little. What is *sent* is more, and what is sent to one who knows whether it rains
# is more still.

# %%
assert figures["shared"].bits < figures["sent"].bits < figures["sent, rain set and known"].bits
gap = figures["sent"].gap
print(f"confounding gap: {gap:.6f} bits")
assert abs(figures["sent, against what is observed"].bits - figures["sent"].bits - gap) < 1e-12

# %% [markdown]
# ## Blind spots
#
# An exclusive or hides all from those who know only one side.

# %%
xor = cm.zoo.xor().compile()
kinds = ["observational", "interventional", "conditional", "strength", "effective"]
blind = pd.Series({kind: cm.information(xor, "b", "output", kind).bits for kind in kinds})
print(blind)
assert blind.tolist() == [0.0, 0.0, 1.0, 1.0, 0.0]

# %% [markdown]
# And where two bits are always equal in the data, the literal reading compares with outcomes that
# never happen: it is infinite, and says so.

# %%
twins = cm.zoo.xor(correlated=True).compile()
literal = cm.information(twins, "b", "output", reference="observational")
print(literal, "-", literal.note)
assert literal.bits == float("inf")
assert cm.information(twins, "b", "output", "conditional").bits == 1.0

# %% [markdown]
# ## A trained network
#
# Two handwritten digits side by side, read by halves that are wired apart. Which hidden unit of the
# first layer sends what to the second? One call maps all pairs.

# %%
case = cm.zoo.two_digits(wired_apart=True, seed=0)
scm = cm.compile(case.model, case.inputs)
assert case.modules is not None
owner = {unit: side for side, units in case.partition.modules.items() for unit in units}
live = scm.units.names
first = [unit for unit in live if unit.startswith("hidden1")]
second = [unit for unit in live if unit.startswith("hidden2")]
first.sort(key=owner.get)
second.sort(key=owner.get)
sent = cm.flow(scm, first, second, "conditional")
print(sent)

# %%
figure = sent.plot()
figure

# %% [markdown]
# A row for each sender, a column for each receiver, both sorted by the half that they belong to;
# the darker, the more bits. Within a half there is traffic; from half to half there is none,
# exactly.

# %%
across = np.array([[owner[a] != owner[b] for b in second] for a in first])
bits = sent.bits.to_numpy()
print(f"within: {bits[~across].mean():.3f} bits on average; across: {bits[across].max()} at most")
assert bits[across].max() == 0.0
assert bits[~across].mean() > 0.05

# %% [markdown]
# What the halves *share* is another matter: the digits are correlated. With many pairs some would
# seem to share something by luck; the p-values are adjusted for that.

# %%
shared = cm.flow(scm, first, second, "observational", significance="bh")
found = shared.significant.to_numpy()[across].mean()
print(f"{found:.0%} of the pairs across share information")
assert found > 0.1

# %% [markdown]
# ## How fine is a bit?
#
# A continuous signal has no number of bits of its own. Bounds at several resolutions, from two
# first units that read one digit, to the second units that do:

# %%
side = owner[first[0]]
senders = [unit for unit in first if owner[unit] == side]
receivers = [unit for unit in second if owner[unit] == side]
curve = cm.resolution_curve(
    scm, senders[:2], receivers, "conditional", resolutions=(1.0, 3.0, 10.0), contexts=32
)
print(curve)
values = [estimate.bits for estimate in curve.estimates.values()]
assert values == sorted(values, reverse=True)

# %% [markdown]
# The true figure lies between the two lines. Noise of ten standard deviations drowns nearly all.

# %%
figure = curve.plot()
figure
