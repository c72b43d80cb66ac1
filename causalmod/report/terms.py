"""The words of the report, explained for a reader who meets them here first."""

from __future__ import annotations

TERMS = (
    (
        "structural causal model",
        "The network and its data read as causes and effects: every unit is a variable, every "
        "layer a mechanism that can be run again with some variables set by hand. The data rows "
        "are the only source of chance.",
    ),
    (
        "intervention, do(·)",
        "Setting a variable from outside, whatever its causes say, and running the rest of the "
        "network. What changes as a result was caused by that variable; what two variables share "
        "without it, was not.",
    ),
    (
        "bits exchanged",
        "For each module: run the network on one row while all other modules are set to what "
        "they were on a random other row, and measure in bits how much the module's response "
        "varies. The exchange is the sum over modules. Zero means that no other module "
        "influences it at all.",
    ),
    (
        "bound pair",
        "For continuous signals the information is bounded from both sides; the lower bound "
        "comes first, the upper bound second, and square brackets hold a 95% interval of each. "
        "“Saturating” means that the draws are too few to tell more; then there is no interval.",
    ),
    (
        "resolution",
        "The noise scale at which signals are told apart, in standard deviations of each unit. A "
        "continuous signal has infinitely many bits at resolution zero, so every figure carries "
        "its resolution.",
    ),
    (
        "S",
        "The share of all communication that passes between modules rather than inside them, of "
        "the module where it is largest, divided by its mean over random partitions with the "
        "same sizes: 0 none, 1 as much as by chance.",
    ),
    (
        "modularity (calibrated)",
        "1 − S of the best partition ÷ the mean of the same figure over null networks that were "
        "searched in the same way: 1 no communication between modules at all, 0 no better than "
        "chance, negative worse than chance.",
    ),
    (
        "raw modularity",
        "1 − S, without null networks. A diagnostic only: the best of many partitions looks good "
        "in any network.",
    ),
    (
        "null network",
        "The same network with each unit's incoming weights shuffled among its senders: the same "
        "activity, no planned structure.",
    ),
    (
        "p",
        "The share of null networks that reach the observed S, with the observed one counted "
        "among them; with 19 null networks it cannot be lower than 0.05.",
    ),
    (
        "ratio",
        "Mean exchange of random partitions divided by the exchange of the best one; infinite when "
        "that is zero.",
    ),
    (
        "inert unit",
        "A unit that is constant on the data or influences no output. It is held at its value "
        "and takes part in no module.",
    ),
    (
        "held out",
        "The partition was searched on one half of the rows and measured on the other, so that "
        "the figures are not flattered by the search.",
    ),
    (
        "Newman's Q",
        "Modularity of a graph: the share of (absolute) weight inside modules minus what random "
        "wiring with the same degrees would have. It sees weights, not what they do: rescaling "
        "units, which changes no output, moves it.",
    ),
    (
        "observational mutual information",
        "Bits that the activity of two modules shares on the data. It counts a common cause, "
        "such as related inputs, as if it were communication.",
    ),
)
