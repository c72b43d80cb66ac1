"""What a binned plug-in reads where nothing is shared, without permuting anything."""

from __future__ import annotations

from functools import lru_cache
from math import log

import numpy as np
from numpy.typing import NDArray

_LEAST, _MOST = 0.01, 1000.0  # counts expected in a cell; beyond, the chi-square law holds

Array = NDArray[np.float64]


def null_law(
    cells: Array, freedom: Array, expected: Array, rows: Array, tail: float = 0.05
) -> tuple[Array, Array]:
    """Mean and upper quantile in bits of the plug-in of independent samples, before any correction.

    In nats ``2 n I`` has the chi-square law where many samples are expected in each cell. Where few
    are, its mean and spread are larger: those of the deviance of Poisson counts here, with which a
    gamma law is matched.

    Args:
        cells: number of cells, of occupied rows and columns.
        freedom: degrees of freedom, at least 1.
        expected: harmonic mean over cells of the expected count.
        rows: number of samples.
        tail: chance of more.

    Source: McCullagh and Nelder, *Generalized Linear Models* (1989), section 2.3, for the deviance.
    """
    from scipy.special import gammainccinv  # scipy.stats takes a second to import

    grid, means, spreads = _deviance_moments()
    place = np.log(np.clip(expected, _LEAST, _MOST))
    mean, spread = np.interp(place, grid, means), np.interp(place, grid, spreads)
    # the margins are as well filled as rows have it: each degree that they take is worth 1
    mean = np.maximum(cells * mean - (cells - freedom), 1e-9)
    spread = freedom * spread
    nats = 2 * rows * log(2)
    return mean / nats, gammainccinv(mean**2 / spread, tail) * spread / mean / nats


@lru_cache(maxsize=1)
def _deviance_moments() -> tuple[Array, Array, Array]:
    """Mean and variance of ``2 [x ln(x / m) - x + m]`` for Poisson ``x``, over ``ln m``.

    What of it follows ``x`` itself is taken off the variance, for the margins are fixed.
    """
    from scipy.special import gammaln, xlogy

    grid = np.linspace(np.log(_LEAST), np.log(_MOST), 60)
    m = np.exp(grid)[:, None]
    x = np.arange(int(_MOST + 12 * _MOST**0.5 + 20))
    chance = np.exp(xlogy(x, m) - m - gammaln(x + 1))
    deviance = 2 * (xlogy(x, x / m) - x + m)
    mean = (chance * deviance).sum(1)
    apart = deviance - mean[:, None]
    along = (chance * apart * (x - m)).sum(1)
    return grid, mean, (chance * apart**2).sum(1) - along**2 / m[:, 0]
