"""The post's first try: shared information, less what a common cause accounts for."""

from __future__ import annotations

from itertools import combinations

from torch import Tensor

from causalmod.exchange.choice import check_count, check_resolution
from causalmod.measures.joint_states import JointStates, Sampling, read_by
from causalmod.measures.pairs import modules_of
from causalmod.measures.protocol import MEASURES
from causalmod.partition import Partition
from causalmod.scm import StructuralCausalModel


class SubtractedInformation:
    """Mutual information of modules less the information that they share with a common cause.

    ``sum_{B, C} I(B; C) - I(A; B; C)`` over unordered pairs of modules, in bits, with
    ``I(A; B; C) = I(B; C) - I(B; C | A)`` and ``A`` the inputs that may influence both. So each
    term is ``I(B; C | A)``; without a common cause it is ``I(B; C)``.

    Counted where units and inputs take few values; else the Gaussian form with what ``A`` explains
    linearly taken off, and the mean over permuted rows too.

    In a deterministic network it is blind to whatever is sent: given ``A`` nothing varies, so a
    module that reads another one (``C = A + B`` with ``B = A/3``) reads 0. This is why the post
    went on to interventions. Inputs that merely agree are no common cause: what modules with inputs
    of their own share by such agreement stays.

    Args:
        resolution: noise scale in standard deviations, where values are not counted.
        permutations: permutations behind the correction.

    Raises:
        InputError: a resolution not above 0, or permutations below 1.

    Source: the post that this package follows; the triple information is that of McGill,
    Psychometrika 19(2):97 (1954).

    Example:
        >>> from causalmod import zoo
        >>> case = zoo.fork()  # two copies of one input share 3 bits
        >>> SubtractedInformation()(case.compile(), Partition(case.modules))
        0.0
    """

    name = "subtracted_information"
    paper = "the post"
    lower_is_modular = True

    def __init__(self, resolution: float = 1.0, permutations: int = 20) -> None:
        self.resolution = check_resolution(resolution)
        self.permutations = check_count("permutations", permutations, 1)

    def __call__(
        self,
        scm: StructuralCausalModel,
        partition: Partition,
        *,
        rows: Tensor | None = None,
        seed: int = 0,
    ) -> float:
        """Return the bits.

        Raises:
            PartitionError: the partition does not fit the model.
            InputError: rows that cannot be, or fewer than there are common causes.
        """
        modules = modules_of(scm, partition)
        states = JointStates(scm, rows, Sampling(self.resolution, self.permutations, seed))
        causes = {name: read_by(scm, units, through=True) for name, units in modules.items()}
        total = 0.0
        for one, other in combinations(modules, 2):
            common = [name for name in causes[one] if name in set(causes[other])]
            total += states.shared(modules[one], modules[other], common)
        return total


MEASURES.register(SubtractedInformation.name)(SubtractedInformation())
