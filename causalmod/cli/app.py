"""The commands and their options. The work is done by what they call."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from causalmod import __version__

app = typer.Typer(
    name="causalmod",
    help="Which parts of a neural network talk to each other, how much, and is it cause?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Seed = Annotated[int, typer.Option(help="Seed of everything random.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on stdout.")]
Force = Annotated[bool, typer.Option("--force", help="Replace the report if it exists.")]
Budget = Annotated[
    int | None,
    typer.Option(min=1, help="Candidate partitions to evaluate in each search.", metavar="N"),
]
Nulls = Annotated[
    int, typer.Option(min=0, help="Null networks to calibrate on; 19 is the least for p = 0.05.")
]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"causalmod {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Which parts of a neural network talk to each other, how much, and is it cause?"""


@app.command()
def demo(
    seed: Seed = 0,
    out: Annotated[Path, typer.Option(help="HTML report to write.")] = Path("causalmod-demo.html"),
    as_json: Json = False,
    force: Force = False,
    budget: Budget = None,
    nulls: Nulls = 19,
) -> None:
    """Train two small networks on handwritten digits and find their modules.

    Both name two digits that stand side by side. One is wired as two separate halves, so the right
    answer is known; the other is fully connected.
    """
    from causalmod.cli.demo import study_two_digits
    from causalmod.cli.job import Job, Settings

    # coarse enough that the dense network's exchange does not pass what 256 draws can tell apart
    settings = Settings(seed=seed, budget=budget, nulls=nulls, resolution=2.0)
    with Job("demo", out, "Two digits side by side", settings, as_json, force) as job:
        study_two_digits(job)
    raise typer.Exit(job.exit_code)


@app.command()
def analyze(  # noqa: PLR0917 - an option each
    network: Annotated[
        str,
        typer.Argument(
            help="package.module:function that builds the network (called without arguments), or "
            "a .pt2 file of torch.export.save.",
            metavar="MODULE:FACTORY|NET.pt2",
        ),
    ],
    data: Annotated[
        Path, typer.Argument(help="Inputs: .npy, .npz or .safetensors; the first axis is rows.")
    ],
    weights: Annotated[
        Path | None,
        typer.Option(
            help="Trained weights, .safetensors; a .pt2 file has its own.", metavar="FILE"
        ),
    ] = None,
    k: Annotated[int, typer.Option("--k", "-k", min=2, help="Number of modules.")] = 2,
    sites: Annotated[
        str | None,
        typer.Option(help="Comma-separated sites or globs that become variables.", metavar="A,B"),
    ] = None,
    estimator: Annotated[
        str, typer.Option(help="auto, exact, pairwise or gaussian.", metavar="NAME")
    ] = "auto",
    resolution: Annotated[
        float, typer.Option(help="Noise scale in standard deviations of each unit.")
    ] = 1.0,
    budget: Budget = None,
    seed: Seed = 0,
    out: Annotated[Path, typer.Option(help="HTML report.")] = Path("causalmod-report.html"),
    as_json: Json = False,
    force: Force = False,
    nulls: Nulls = 19,
) -> None:
    """Find the modules of your own network.

    FACTORY is your own code: it is imported, with the current directory on the path, and run. A
    .pt2 file, the data and the weights are only read: files that could run code are refused.
    """
    from causalmod.cli.job import Job, Settings
    from causalmod.cli.user_network import study_user_network

    settings = Settings(
        seed=seed, budget=budget, nulls=nulls, k=k, estimator=estimator, resolution=resolution
    )
    with Job("analyze", out, f"Modules of {network}", settings, as_json, force) as job:
        study_user_network(job, network, data, weights, _listed(sites))
    raise typer.Exit(job.exit_code)


@app.command()
def check(  # noqa: PLR0917 - an option each
    measures: Annotated[
        list[str] | None,
        typer.Argument(
            help="package.module:Measure, a class or an object of yours; or the name of a "
            "registered measure. All registered ones by default.",
            metavar="[MODULE:MEASURE|NAME]...",
        ),
    ] = None,
    axioms: Annotated[
        str | None, typer.Option(help="Comma-separated axioms; all by default.", metavar="A,B")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Only the cheapest networks of each axiom.")
    ] = False,
    save: Annotated[
        Path | None, typer.Option(help="Write every claim to a .csv or .json file.")
    ] = None,
    seed: Seed = 0,
    as_json: Json = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
) -> None:
    """Try a measure of modularity on networks whose right answer is known.

    Exit code 0 when every axiom holds (or does not apply), 1 when one fails.
    """
    from causalmod.cli.check import check as run

    code = run(
        measures or [],
        axioms=_listed(axioms),
        quick=quick,
        seed=seed,
        save=save,
        as_json=as_json,
        force=force,
    )
    raise typer.Exit(code)


def _listed(text: str | None) -> list[str] | None:
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]
