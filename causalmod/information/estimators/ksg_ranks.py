"""Nearest neighbours among ranks: KSG that no monotone map of a unit changes."""

from __future__ import annotations

from torch import Tensor

from causalmod.errors import EstimatorError
from causalmod.information.estimators.copula import normal_scores
from causalmod.information.estimators.ksg import NearestNeighbours
from causalmod.information.protocol import ESTIMATORS


@ESTIMATORS.register("ksg-ranks")
class NearestNeighboursOfRanks(NearestNeighbours):
    """:class:`NearestNeighbours` on normal quantiles of ranks, in bits.

    Ranks take heavy tails and units of measurement out; the information is the same.

    Source: Kraskov, Stögbauer and Grassberger, Physical Review E 69:066138 (2004), equation 8 and
    section III.B, on maps of each coordinate that come before it; normal scores as in Ince et al.,
    Human Brain Mapping 38(3):1541 (2017).
    """

    name = "ksg-ranks"
    paper = "Kraskov et al. (2004), algorithm 1, on ranks"
    assumes = "continuous values; few coordinates; weak to middling dependence"

    def _scaled(self, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Both sides as distances are measured; ranks are those among all samples."""
        if self._source_scale is None:
            raise EstimatorError("fit the estimator with a source to measure what is shared")
        return normal_scores(source), normal_scores(target)
