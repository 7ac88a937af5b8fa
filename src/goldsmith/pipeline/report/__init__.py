"""`report.html`: one offline page about one run, gathered from the store and nothing else."""

from goldsmith.pipeline.report.page import build_report, write_report

__all__ = ["build_report", "write_report"]
