"""Graphs from the literature on identification, with what is known of each.

Arrows are written ``x>y``, hidden common causes ``x~y``.
"""

from __future__ import annotations

from typing import NamedTuple

from causalmod.queries import CausalDiagram

CAUSALITY = "Pearl, Causality, 2nd ed. (2009)"
TIAN = "Tian, Studies in Causal Reasoning and Learning (2002)"
TIAN_PEARL = "Tian and Pearl, AAAI (2002), theorem 3: a bidirected path from x to a child of x"
HIERARCHY = "Shpitser and Pearl, JMLR 9 (2008)"
SURROGATE = "Bareinboim and Pearl, UAI (2012), figure 1"
TIKKA = "Tikka and Karvanen, Journal of Statistical Software 76 (2017)"


class Known(NamedTuple):
    """A question about a graph, and its published answer."""

    name: str
    source: str
    edges: str
    identifiable: bool
    outcomes: str = "y"
    do: str = "x"
    given: str = ""

    @property
    def arrows(self) -> list[tuple[str, str]]:
        return [(e.split(">")[0], e.split(">")[1]) for e in self.edges.split() if ">" in e]

    @property
    def hidden(self) -> list[tuple[str, str]]:
        return [(e.split("~")[0], e.split("~")[1]) for e in self.edges.split() if "~" in e]

    @property
    def diagram(self) -> CausalDiagram:
        return CausalDiagram.build(self.arrows, self.hidden)

    @property
    def question(self) -> tuple[list[str], list[str], list[str]]:
        return self.outcomes.split(), self.do.split(), self.given.split()


GRAPHS = (
    Known("no confounding", f"{HIERARCHY}, figure 2a", "x>y", True),
    Known("bow", f"{CAUSALITY}, figure 3.9a", "x>y x~y", False),
    Known("back door", f"{CAUSALITY}, section 3.3.1", "z>x z>y x>y", True),
    Known(
        "six covariates", f"{CAUSALITY}, figure 3.4",
        "a>c a>d b>d b>e c>x d>x d>y e>y x>m m>y", True,
    ),
    Known("front door", f"{CAUSALITY}, section 3.3.2", "x>m m>y x~y", True),
    Known("instrument", f"{CAUSALITY}, section 8.2", "z>x x>y x~y", False),
    Known("confounded mediator", f"{CAUSALITY}, figure 3.9b; " + TIAN_PEARL, "x>z z>y x~z", False),
    Known("3.8f", f"{CAUSALITY}, figure 3.8f", "x>z1 x>y z1>z2 z1>y z2>y x~z2 z1~y", True),
    Known(
        "3.8g", f"{CAUSALITY}, figure 3.8g",
        "z2>x z2>z1 z2>z3 x>z1 z3>y z1>y z2~x z2~y x~z3 x~y", True,
    ),
    Known(
        "plan of two actions", f"{CAUSALITY}, figure 4.4 and page 119",
        "x1>z x1>y x1>x2 z>x2 x2>y x1~z z~y", True, do="x1 x2",
    ),
    Known(
        "plan without admissible sequence", f"{CAUSALITY}, page 125",
        "z1>x1 x1>x2 x2>y z2>y z1~z2 z1~x2 z2~x2", True, do="x1 x2",
    ),
    Known("napkin", "Pearl and Mackenzie, The Book of Why (2018), page 240",
          "w1>w2 w2>x x>y w1~x w1~y", True),
    Known("M", "Greenland, Pearl and Robins, Epidemiology 10 (1999)", "x>y x~z y~z", True),
    Known("butterfly", "Ding and Miratrix, Journal of Causal Inference 3 (2015); " + TIAN_PEARL,
          "x>y z>x z>y x~z z~y", False),
    Known(
        "Tian, page 90", f"{TIAN}, page 90",
        "w1>w2 w3>w4 w2>x w4>x x>y w1~x w1~y w1~w3 w3~w2 w3~w5 w5~w4", True,
    ),
    Known("Verma", "Verma and Pearl, UAI (1990)", "a>b b>x x>y b~y", True),
    Known("Tian, page 70", f"{TIAN}, page 70", "x>b b>c c>d d>y x~c b~d c~y", True),
    Known("Tian, page 59", f"{TIAN}, page 59", "x>b b>c c>d d>y x~y x~c b~d", True),
    Known("surrogate a", SURROGATE, "z>x x>y z~x z~y", False),
    Known("surrogate b", SURROGATE, "z>x x>y x~y z~y", False),
    Known("surrogate c", SURROGATE, "z>y x>y x~z z~y", False),
    Known("2b", f"{HIERARCHY}, figure 2", "x>y x>z z>y y~z", True),
    Known("2d", f"{HIERARCHY}, figure 2", "x>y z>x z>y x~z", True),
    Known("two outcomes", f"{HIERARCHY}, figure 3a",
          "x>y1 w1>x w2>y2 w1~w2 w1~y1 w1~y2 x~w2", True, outcomes="y1 y2"),
    Known("two outcomes, hedge", f"{HIERARCHY}, figure 3b",
          "x>y1 w1>x w2>y2 w1>w2 w1~w2 w1~y1 w1~y2 x~w2", False, outcomes="y1 y2"),
    Known("5a", f"{HIERARCHY}, figure 5a", "w>x x>y w~y", True),
    Known("6a", f"{HIERARCHY}, figure 6a", "x>z z>y x~z", True, given="z"),
    Known("6a, not conditional", f"{HIERARCHY}, section 4", "x>z z>y x~z", False),
    Known("line 6", f"{HIERARCHY}, the ID algorithm, line 6", "x>y x>z z>y x~z", True, do="x z"),
    Known("9a", f"{HIERARCHY}, figure 9a", "x>w w>y d>z z>y x~y", True),
    Known("causaleffect", TIKKA, "w>x w>z x>z z>y x~y", True),
    Known("causaleffect, conditional", TIKKA, "w>x w>z x>z z>y x~y", True, given="z"),
    Known("front door with a direct arrow", TIAN_PEARL, "x>m m>y x>y x~y", False),
    Known("front door through two", f"{CAUSALITY}, section 3.3.2", "x>m m>n n>y x~y", True),
    Known("mediator confounded with outcome", TIAN_PEARL, "x>m m>y x~y m~y", False),
    Known("treatments over time", "Robins, Mathematical Modelling 7 (1986)",
          "x1>l l>x2 x1>x2 x1>y x2>y l>y l~y", True, do="x1 x2"),
    Known("linear only", f"{CAUSALITY}, page 153; " + TIAN_PEARL, "x>z x>w w>y z>y x~z w~y", False),
    Known("confounded with an effect of y", f"{HIERARCHY}, the ID algorithm, line 2",
          "x>y y>w x~w", True),
)  # fmt: skip
