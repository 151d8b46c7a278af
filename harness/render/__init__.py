"""Run documents as text: terminal, Markdown, JUnit, SVG and one HTML page. Pure; knows no system."""

from harness.render.html import page
from harness.render.junit import junit
from harness.render.markdown import summary
from harness.render.problems import Problem, problems
from harness.render.svg import ForestPoint, HeatCell, forest_plot, heat_map
from harness.render.terminal import MatrixSummary, closing_lines, header_lines, progress_line, verdict_table
from harness.render.view import Line, Run, View, view

__all__ = [
    "ForestPoint",
    "HeatCell",
    "Line",
    "MatrixSummary",
    "Problem",
    "Run",
    "View",
    "closing_lines",
    "forest_plot",
    "header_lines",
    "heat_map",
    "junit",
    "page",
    "problems",
    "progress_line",
    "summary",
    "verdict_table",
    "view",
]
