"""Stability: do searches from other seeds come to the same partition?"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from torch import Tensor


def agreement(labels: Sequence[Tensor]) -> float:
    """Mean adjusted Rand index over all pairs of partitions ``[unit]``; 1 where all are the same.

    Source: Hubert and Arabie, Journal of Classification 2 (1985).

    Example:
        >>> import torch
        >>> agreement([torch.tensor([0, 0, 1, 1]), torch.tensor([1, 1, 0, 0])])
        1.0
    """
    from sklearn.metrics import adjusted_rand_score

    pairs = list(combinations([each.tolist() for each in labels], 2))
    if not pairs:
        return 1.0
    return sum(float(adjusted_rand_score(one, other)) for one, other in pairs) / len(pairs)
