"""Directive ``{draw}``: code of a page, run when the site is built, beside the figure that it ends in."""

import ast
from hashlib import sha256
from pathlib import Path

import docutils.nodes
from docutils.parsers.rst import directives
from matplotlib.figure import Figure
from sphinx.util.docutils import SphinxDirective


def run(code, names):
    """Run code, and return the value of its last line where that is an expression."""
    body = ast.parse(code).body
    last = body.pop() if isinstance(body[-1], ast.Expr) else None
    exec(compile(ast.Module(body, []), "<draw>", "exec"), names)
    return None if last is None else eval(compile(ast.Expression(last.value), "<draw>", "eval"), names)


class Draw(SphinxDirective):
    """Blocks of a page share their names; the last line of each is axes or a figure."""

    has_content = True
    option_spec = {"alt": directives.unchanged_required, "width": directives.unchanged}  # noqa: RUF012

    def run(self):
        """Show the code, run it, and show the figure."""
        code = "\n".join(self.content)
        names = self.env.temp_data.setdefault("draw_names", {})
        drawn = run(code, names)
        block = docutils.nodes.literal_block(code, code, language="python")
        if drawn is None:
            return [block]
        figure = drawn if isinstance(drawn, Figure) else drawn.figure
        folder = Path(self.env.app.outdir) / "_images"
        folder.mkdir(parents=True, exist_ok=True)
        name = f"draw-{sha256(code.encode()).hexdigest()[:12]}.png"
        figure.savefig(folder / name, dpi=120, facecolor="white", metadata={"Software": None})
        up = "../" * self.env.docname.count("/")
        alt = docutils.nodes.Text(self.options.get("alt", "")).astext()
        look = f"width: {96 * figure.get_figwidth():.0f}px; max-width: 100%"
        page = f'<img class="drawn" src="{up}_images/{name}" alt="{alt}" style="{look}">'
        return [block, docutils.nodes.raw("", page, format="html")]


def setup(app):
    """Register the directive."""
    app.add_directive("draw", Draw)
    return {"parallel_read_safe": False}
