"""Figures of a sweep: a metric over two parameters (``_figures_heatmap``), over each alone (``_figures_marginal``), and
every variant as a line through all of them (``_figures_parallel``); what they share is in ``_figures_parts``.

They show what was tried, the best of it too, and correct nothing for the search: that is for the tables of
``_reading``, and a figure that marks a best cell says so. They stand on white in any notebook, light or dark.
"""

from quantlab.study._figures_heatmap import heatmap
from quantlab.study._figures_marginal import marginal_figure
from quantlab.study._figures_parallel import parallel_coordinates

__all__ = ["heatmap", "marginal_figure", "parallel_coordinates"]
