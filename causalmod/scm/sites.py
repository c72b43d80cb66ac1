"""Sites: the named tensors of a model, which show themselves as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from causalmod.variables import Site

if TYPE_CHECKING:
    import pandas as pd


class Sites(dict[str, Site]):
    """Name → site, in the order of the network.

    Example:
        >>> Sites({"fc1": Site("fc1", (), (16,), (0,), "linear", "fc1")})
        site  shape  variables  grain  op      further names
        fc1   [16]          16  unit   linear
    """

    def to_frame(self) -> pd.DataFrame:
        """Return one row per site: shape, number and grain of variables, operation, names.

        Example:
            >>> sites = Sites({"fc1": Site("fc1", (), (16,), (0,), "linear", "fc1")})
            >>> sites.to_frame().loc["fc1", "variables"].item()
            16
        """
        import pandas as pd

        rows = [
            (s.name, list(s.shape), s.count, s.grain, s.op, ", ".join(s.aliases))
            for s in self.values()
        ]
        columns = ["site", "shape", "variables", "grain", "op", "further names"]
        return pd.DataFrame(rows, columns=columns).set_index("site")

    def __repr__(self) -> str:
        frame = self.to_frame().reset_index()
        cells = [
            list(frame.columns),
            *(list(map(str, row)) for row in frame.itertuples(index=False)),
        ]
        widths = [max(len(row[place]) for row in cells) for place in range(len(cells[0]))]
        lines = []
        for row in cells:
            parts = [
                cell.rjust(width) if place == 2 else cell.ljust(width)
                for place, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            lines.append("  ".join(parts).rstrip())
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return self.to_frame().to_html()
