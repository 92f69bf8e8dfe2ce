"""Directive ``{reference} PACKAGE``: the public names of a package, each documented once."""

import inspect
import pkgutil
import sys
from collections.abc import Mapping
from functools import cache
from importlib import import_module

from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective

ROOTS = ("simcompare", "mocks", "flows")


@cache
def packages():
    """List the packages, those at the top first."""
    names = [
        each.name
        for root in ROOTS
        for each in pkgutil.walk_packages(import_module(root).__path__, f"{root}.")
        if each.ispkg
    ]
    return sorted((*ROOTS, *names), key=lambda name: (name.count("."), name))


@cache
def homes():
    """By the identity of each public function and class: the shortest name that it is imported by."""
    places = {}
    for package in packages():
        module = import_module(package)
        for name in getattr(module, "__all__", ()):
            value = getattr(module, name)
            if callable(value):
                places.setdefault(id(value), f"{package}.{name}")
    return places


@cache
def comments():
    """Text below each constant, by its name and the identity of its value."""
    texts = {}
    for module in list(sys.modules.values()):
        if module.__name__.split(".")[0] in ROOTS and getattr(module, "__file__", None):
            for (owner, name), lines in ModuleAnalyzer.for_module(module.__name__).find_attr_docs().items():
                if not owner and hasattr(module, name):
                    texts[name, id(getattr(module, name))] = lines
    return texts


def entry(package, name):
    """Lines that document a name, or none where its home is another package."""
    value = getattr(import_module(package), name)
    full = f"{package}.{name}"
    if id(value) in homes():
        kind = "class" if inspect.isclass(value) else "function"
        options = ["   :members:"] if kind == "class" else []
        return [f".. auto{kind}:: {full}", *options, ""] if homes()[id(value)] == full else []
    return [f".. py:data:: {full}", "", *(f"   {line}" for line in about(name, value)), ""]


def about(name, value):
    """Lines that say what a constant is: the text below it, the names that it holds."""
    text = list(comments().get((name, id(value)), ()))
    if isinstance(value, Mapping):
        text += ["", "By name: " + ", ".join(f"``{key}``" for key in value) + "."]
    return text if any(text) else [f"``{value!r}``"]


def sentence(package, name):
    """Say what a name is for: the first sentence of its documentation."""
    value = getattr(import_module(package), name)
    if id(value) in homes():
        return inspect.getdoc(value).partition("\n\n")[0].replace("\n", " ")
    text = " ".join(about(name, value)).strip()
    return text if text.startswith("``") else text.partition(". ")[0]


class Reference(SphinxDirective):
    """Public names of a package: what each is for in a table, then each in full."""

    required_arguments = 1

    def run(self):
        """Write the package's names as reStructuredText and parse it."""
        package = self.arguments[0]
        module = import_module(package)
        own, lines, elsewhere = [], [], []
        for name in sorted(module.__all__, key=str.lower):
            if text := entry(package, name):
                own.append(name)
                lines += text
            else:
                elsewhere.append(f"`{name} <{homes()[id(getattr(module, name))]}>`")
        text = [inspect.getdoc(module).partition("\n\n")[0], ""]
        if elsewhere:
            text += [f"Also here: {', '.join(elsewhere)}.", ""]
        if own:
            text += [".. list-table::", "   :widths: 30 70", ""]
            for name in own:
                text += [f"   * - `~{package}.{name}`", f"     - {sentence(package, name)}"]
        text += ["", *lines]
        return self.parse_text_to_nodes("\n".join(["```{eval-rst}", *text, "```"]), offset=0)


def setup(app):
    """Register the directive."""
    app.add_directive("reference", Reference)
    return {"parallel_read_safe": True}
