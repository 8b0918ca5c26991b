"""Pages and plots have one style, in light and dark."""

from __future__ import annotations

import re

from rtsod.pages.figures import INK, SERIES, new_figure, svg_element, svg_file
from rtsod.pages.html_elements import document, section, table


def test_a_plot_on_a_page_takes_its_colours_from_the_style_sheet() -> None:
    with new_figure(2.0) as figure:
        figure.subplots().plot([0, 1], color=SERIES[1])
        element = svg_element(figure)
    page = document("A page", element)
    assert INK not in element
    assert SERIES[1] not in element
    used = set(re.findall(r"var\(--([\w-]+)\)", element))
    assert {"ink", "panel", "series-2"} <= used
    for scheme in re.findall(r":root \{(.*?)\}", page, re.DOTALL):  # light, then dark
        assert used <= set(re.findall(r"--([\w-]+):", scheme))
    assert page.count(":root") == 2


def test_a_plot_in_a_file_has_colours_of_its_own_and_is_always_the_same() -> None:
    with new_figure(2.0) as figure:
        figure.subplots().plot([0, 1], color=SERIES[1])
        text = svg_file(figure)
        assert svg_file(figure) == text
    assert SERIES[1] in text
    assert "var(" not in text


def test_headings_of_a_table_are_text() -> None:
    assert "<th>a &lt; b</th>" in table(["a < b"], [["<b>1</b>"]])
    assert "<td><b>1</b></td>" in table(["a < b"], [["<b>1</b>"]])
    assert "<h2>One</h2>two" in section("One", "two")
