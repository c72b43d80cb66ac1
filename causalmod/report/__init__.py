"""One self-contained HTML page about the networks that were studied."""

from causalmod.report.section import Baseline, ReportSection
from causalmod.report.words import bits_in_words, chance_in_words, score_in_words
from causalmod.report.write import check_writable, write_report

__all__ = [
    "Baseline",
    "ReportSection",
    "bits_in_words",
    "chance_in_words",
    "check_writable",
    "score_in_words",
    "write_report",
]
