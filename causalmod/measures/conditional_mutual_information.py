"""Conditional mutual information: what a module shares with others beyond what it reads itself."""

from __future__ import annotations

from itertools import combinations

from torch import Tensor

from causalmod.errors import InputError, nearest
from causalmod.exchange.choice import check_count, check_resolution
from causalmod.measures.joint_states import JointStates, Sampling, read_by
from causalmod.measures.pairs import modules_of
from causalmod.measures.protocol import MEASURES
from causalmod.partition import Partition
from causalmod.scm import StructuralCausalModel

_GIVEN = ("inputs", "modules")


class ConditionalMutualInformation:
    """Information that modules share beyond what their own inputs, or third modules, explain.

    - ``given="inputs"``: ``sum_m I(m; rest | X_m)``, with ``X_m`` the inputs that units of ``m``
      read directly. A module that nobody speaks to is a function of ``X_m``, so it reads 0 however
      correlated the inputs are: where one only watches, this is the nearest to what a module is
      sent.
    - ``given="modules"``: ``sum_{B, C} I(B; C | all other modules)`` over unordered pairs. For two
      modules this is their mutual information, confounding and all.

    In bits. Counted where units and inputs take few values; else the Gaussian form with what is
    given taken off linearly, and the mean over permuted rows too: what a module does with its own
    inputs that is not linear counts as shared then, where the inputs are correlated.

    It cannot see what is sent where the receiver's own inputs tell it already (``B = A/3`` sent to
    a receiver that reads ``A``): it watches, and does not intervene.

    Args:
        given: ``"inputs"`` or ``"modules"``.
        resolution: noise scale in standard deviations, where values are not counted.
        permutations: permutations behind the correction.

    Raises:
        InputError: an unknown ``given``, a resolution not above 0, or permutations below 1.

    Source: Cover and Thomas, *Elements of Information Theory* (2006), equation 2.60.

    Example:
        >>> from causalmod import zoo
        >>> case = zoo.isolated()  # the blocks see equal signs more often than not
        >>> ConditionalMutualInformation()(case.compile(), Partition(case.modules))
        0.0
    """

    name = "conditional_mutual_information"
    paper = "Cover and Thomas (2006)"
    lower_is_modular = True

    def __init__(
        self, given: str = "inputs", resolution: float = 1.0, permutations: int = 20
    ) -> None:
        if given not in _GIVEN:
            raise InputError(f"unknown given {given!r}: {nearest(str(given), _GIVEN)}")
        self.given = given
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
            InputError: rows that cannot be, or fewer than what is given has variables.
        """
        modules = modules_of(scm, partition)
        states = JointStates(scm, rows, Sampling(self.resolution, self.permutations, seed))

        def all_but(*names: str) -> list[str]:
            return [unit for name, units in modules.items() if name not in names for unit in units]

        if self.given == "modules":
            return sum(
                states.shared(modules[one], modules[other], all_but(one, other))
                for one, other in combinations(modules, 2)
            )
        return sum(
            states.shared(units, all_but(name), read_by(scm, units, through=False))
            for name, units in modules.items()
        )


MEASURES.register(ConditionalMutualInformation.name)(ConditionalMutualInformation())
