"""How many modules: as many as are planted, and one where there is nothing to tell from chance."""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Sequence

import pytest
import torch
from matplotlib.text import Text
from sklearn.metrics import adjusted_rand_score

import causalmod as cm
from causalmod.modularity.modules_count import (
    Tried,
    agreement,
    below_nulls,
    choose,
    contenders,
    counts_of,
    guarded,
    try_counts,
)
from causalmod.modularity.pipeline import Found, Settings
from causalmod.search import Terms
from tests.hierarchy.networks import dense
from tests.search.networks import planted


def test_as_many_modules_as_are_planted() -> None:
    model, data, truth = planted((9, 15, 15, 6), blocks=3)
    scm = cm.compile(model, data)
    result = cm.modularity(scm, nulls=3, progress=False)
    assert (result.k, result.score, result.chosen) == (3, 1.0, True)
    labels = [result.partition.labels[unit] for unit in scm.units.names]
    assert adjusted_rand_score([truth[unit] for unit in scm.units.names], labels) == 1.0
    assert result.split_scores[2] == result.split_scores[3] == 0.0, "the finest zero is the answer"
    assert result.split_scores[4] > 0.0
    assert result.agreement == 1.0
    assert result.statement.startswith("3, chosen on 100% of subsets")
    plain = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert plain["split_scores"]["3"] == 0.0
    figure = result.plot("number")
    figure.savefig(io.BytesIO(), format="png")
    assert any("3 modules" in t.get_text() for t in figure.findobj(Text) if isinstance(t, Text))
    with pytest.raises(cm.InputError, match="'exchange', 'number'; given 'pie'"):
        result.plot("pie")


def test_a_mean_field_network_has_one_module() -> None:
    scm = cm.zoo.mean_field().compile()
    result = cm.modularity(scm, nulls=3, progress=False)
    assert result.k == 1
    assert result.score == pytest.approx(0.0, abs=1e-9)
    assert set(result.partition.modules["A"]) == set(scm.units.names)
    assert len(result.exchange.partition) >= 2, "the figures are those of the best split"
    assert "no modular structure found" in repr(result)
    assert result.statement.startswith("1: no modular structure found")
    assert "no modular structure" in result._repr_html_()
    figure = result.plot("number")
    assert "no modular structure found" in figure.axes[0].get_title(loc="left")


@pytest.mark.parametrize("seed", [1, 2])
def test_a_random_dense_network_has_one_module(seed: int) -> None:
    result = cm.modularity(dense(seed), [2, 3], nulls=9, progress=False)
    assert result.k == 1
    assert len(result.null_scores) == 9
    assert result.curve[len(result.exchange.partition)] == result.score


def test_a_number_that_is_given_is_kept() -> None:
    result = cm.modularity(cm.zoo.mean_field().compile(), 2, nulls=3, progress=False)
    assert (result.k, result.chosen, result.agreement) == (2, False, None)
    assert result.statement == "2, as asked"


def test_without_nulls_nothing_is_called_chance() -> None:
    result = cm.modularity(dense(1), [2, 3], nulls=0, progress=False)
    assert result.k > 1
    assert result.score is None
    assert "not compared with chance" in result.statement


# --- the rules, on figures made by hand ----------------------------------------------------------

SETTINGS = Settings(
    2, "gaussian", 1.0, cm.SearchBudget(), torch.arange(4), torch.arange(4), True, 0
)


def tried(
    k: int, score: float, nulls: Sequence[float] = (), shares: Sequence[float] | None = None
) -> Tried:
    """A split with this ``S``: random ones cost 1/2, each module costs ``shares`` (or S/2)."""
    contexts = 16

    def terms(each: list[list[float]]) -> Terms:
        share = torch.tensor(each, dtype=torch.float64)[..., None].expand(-1, -1, contexts)
        inside = torch.ones_like(share)
        crossing = 2 * share / (1 - share)  # so that X / (X + 2 int) is the share
        return Terms(crossing / 2, crossing / 2, inside)

    own = [score / 2] * k if shares is None else list(shares)
    random = terms([[0.5] * k] * 6)
    from dataclasses import replace

    return Tried(
        replace(SETTINGS, k=k),
        Found(torch.zeros(4, dtype=torch.long), terms([own]), random, (), 1, 1),
        tuple(nulls),
    )


def test_the_score_of_a_made_up_split() -> None:
    assert tried(3, 0.4).found.score == pytest.approx(0.4)
    assert tried(2, 0.0).silent


def test_the_finest_among_those_as_good_as_the_best() -> None:
    nulls = [0.8, 0.81, 0.79]
    some = [tried(2, 0.30, nulls), tried(3, 0.29, nulls), tried(4, 0.295, nulls)]
    assert choose(some).k == 4, "within .01 of the best"
    worse = [*some, tried(5, 0.40, nulls)]
    assert choose(worse).k == 4
    assert agreement(worse, choose(worse)) == 1.0


def test_numbers_clearly_worse_are_not_in_question() -> None:
    some = [tried(2, 0.3), tried(3, 0.32), tried(4, 0.6)]
    assert [each.k for each in contenders(some)] == [2, 3]
    silent = [tried(2, 0.0), tried(3, 0.0), tried(4, 0.05)]
    assert [each.k for each in contenders(silent)] == [2, 3]


def test_each_module_has_to_beat_chance_by_itself() -> None:
    assert guarded(tried(3, 0.4).found)
    loose = tried(3, 0.4, shares=[0.2, 0.2, 0.5])
    assert not guarded(loose.found)
    assert [each.k for each in contenders([tried(2, 0.95), loose])] == [2]


def test_trials_stop_when_finer_splits_are_clearly_worse() -> None:
    scores = {2: 0.5, 3: 0.2, 4: 0.45, 5: 0.6, 6: 0.6, 7: 0.1}
    found = try_counts(list(scores), lambda k: tried(k, scores[k]))
    assert [each.k for each in found] == [2, 3, 4, 5, 6]
    silent = {2: 0.0, 3: 0.2, 4: 0.2, 5: 0.0}
    assert [each.k for each in try_counts(list(silent), lambda k: tried(k, silent[k]))] == [2, 3, 4]


def test_what_null_networks_do_not_reach() -> None:
    nulls = [0.5, 0.6, 0.7]  # mean .6, standard deviation .1
    assert below_nulls(0.29, nulls, 3.0)
    assert not below_nulls(0.31, nulls, 3.0)
    assert below_nulls(0.31, nulls, 2.0)
    assert not below_nulls(0.5, nulls, 0.0), "not below every one"
    assert below_nulls(0.9, [], 3.0), "nothing to compare with"


def test_numbers_to_try() -> None:
    scm = cm.zoo.isolated().compile()
    assert counts_of(scm, 3) == [3]
    assert counts_of(scm, (4, 2, 4)) == [2, 4]
    assert counts_of(scm, None)[0] == 2
    assert counts_of(scm, None)[-1] <= max(2, len(scm.units) // 2)


def test_the_partition_that_splits_nothing() -> None:
    one = cm.Partition.whole(["fc1[0:2]", "out[0]"])
    assert one.modules == {"A": ("fc1[0]", "fc1[1]", "out[0]")}
    assert set(one.labels.values()) == {"A"}
    assert pickle.loads(pickle.dumps(one)) == one
    with pytest.raises(cm.PartitionError, match=r"at least two modules.*Partition\.whole"):
        cm.Partition({"A": ["fc1[0]"]})
