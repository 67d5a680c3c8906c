"""The documentation's configuration: Markdown pages, and a reference from the docstrings. Needs no network."""

import re
from importlib.metadata import version as installed_version
from typing import Any

from sphinx.ext.napoleon import Config, GoogleDocstring

project = "astpp_billing"
author = "The astpp_billing maintainers"
copyright = author  # noqa: A001 - Sphinx reads this name
release = installed_version("astpp-billing")
version = release

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"{project} {release}"

myst_enable_extensions = ["colon_fence", "deflist", "tasklist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"

# Without the network there are no inventories of other projects: only our own names must be found. A name without
# a package in front of it is one that a module imports for its annotations.
nitpick_ignore = [("py:class", "astpp_billing.pricing.products.D")]  # a type variable
nitpick_ignore_regex = [("py:.*", r"(?!astpp_billing\.).*")]

FENCE = re.compile(r"^\s*```")
CODE = re.compile(r"(?<![`:\w])`([^`]+)`(?![`_])")


def markdown_to_rst(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Read a docstring's fences and backticks as Markdown, as in all other pages, and sections such as `Raises:`."""
    result: list[str] = []
    fenced = False
    for line in lines:
        if FENCE.match(line):
            result += ["", "::", ""] if not fenced else [""]
            fenced = not fenced
        else:
            result.append(f"    {line}" if fenced else CODE.sub(r"``\1``", line))
    # An attribute's docstring has no sections, and what stands before its first colon is no type.
    if what not in {"attribute", "data", "property"}:
        result = GoogleDocstring(result, Config(), app, what, name, obj, options).lines()
    lines[:] = result


def setup(app: Any) -> None:
    app.connect("autodoc-process-docstring", markdown_to_rst)
