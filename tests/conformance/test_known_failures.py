"""Which registered measure keeps which axiom, where the literature or a derivation says it."""

from __future__ import annotations

from functools import cache

import pytest

from causalmod.conformance import AXIOMS, Verdict, check_measure

#: Measure, axiom, what is in the text of the claim that fails, and why it must.
FAILURES = [
    ("newman_q", "bias", "silent gates are no gates", "weights say nothing of biases"),
    ("newman_q", "bias", "silent against open gates", "weights say nothing of biases"),
    ("newman_q", "architecture", "rescaled units", "Dinh et al. (2017), arXiv:1703.04933"),
    ("newman_q", "architecture", "dead units", "outgoing weights of a unit that never fires"),
    ("normalised_cut", "bias", "silent gates are no gates", "weights say nothing of biases"),
    ("normalised_cut", "architecture", "rescaled units", "Dinh et al. (2017)"),
    ("normalised_cut", "architecture", "dead units", "outgoing weights of a unit that never fires"),
    ("mutual_information", "confounding", "ducks and shadows", "1 - h(.95) bits are shared"),
    ("mutual_information", "inferable", "A/3", "equal activations, equal information"),
    ("mutual_information", "synergy", "exclusive or", "equal activations, equal information"),
    ("post_formula", "synergy", "exclusive or", "P(c|do(b)) = P(c) for an exclusive or"),
    ("exchange_averaged", "synergy", "exclusive or", "P(c|do(b)) = P(c) for an exclusive or"),
    ("exchange_strength", "redundancy", "receivers", "arrows are cut one by one: 2 bits each way"),
    ("exchange", "size", "one unit", "bits are not shares: a unit takes in few"),
]  # fmt: skip


@cache
def tried(measure: str, axiom: str) -> Verdict:
    return check_measure(measure, axioms=[axiom], quick=True, progress=False).verdict(
        measure, axiom
    )


@pytest.mark.parametrize(("measure", "axiom", "claim", "why"), FAILURES)
def test_a_known_failure(measure: str, axiom: str, claim: str, why: str) -> None:
    failed = [finding.claim for finding in tried(measure, axiom).failures]
    assert any(claim in text for text in failed), why


@pytest.mark.parametrize("axiom", AXIOMS.names())
def test_our_own_score_keeps_every_axiom_on_the_cheapest_networks(axiom: str) -> None:
    assert not tried("modularity", axiom).failures


@pytest.mark.parametrize("axiom", sorted(set(AXIOMS.names()) - {"size"}))
def test_exchange_keeps_every_axiom_but_size(axiom: str) -> None:
    assert not tried("exchange", axiom).failures
