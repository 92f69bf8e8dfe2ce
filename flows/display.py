"""How a model looks in a notebook."""

import html

__all__ = ["model_table", "model_text"]

LONGEST = 60  # characters of a fact of the metadata that fits into the table


def _facts(model) -> dict[str, str]:
    """Say in short what a model is."""
    config = model.config
    facts = {
        "architecture": f"{config.architecture}, {config.pixels} pixels, {model.n_parameters:,} weights",
        "images": f"{config.n_bands} x {config.size} x {config.size} pixel values (band, y, x)",
        "log_prob": "nats per image",
        "context": ", ".join(config.context) or "none",
    }
    if "n_train" in model.summary:
        facts["trained on"] = f"{model.summary['n_train']} images"
    return facts


def model_text(model) -> str:
    """Describe a `FlowModel` in a line.

    Parameters
    ----------
    model : FlowModel
    """
    return f"<FlowModel {'; '.join(f'{name}: {fact}' for name, fact in _facts(model).items())}>"


def model_table(model) -> str:
    """HTML table of a `FlowModel`: what it is, how well it was fitted, and the short ones of its metadata.

    Parameters
    ----------
    model : FlowModel
    """
    facts = _facts(model)
    for name in ("validation_nats_per_pixel", "gap_nats_per_pixel"):
        if name in model.summary:
            facts[name.replace("_", " ")] = f"{model.summary[name]:.4f}"
    for name, value in model.metadata.items():
        shown = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        if not isinstance(value, dict) and len(shown) <= LONGEST:
            facts[name.replace("_", " ")] = shown
    rows = "".join(
        f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
        f"<td style='text-align:left'>{html.escape(fact)}</td></tr>"
        for name, fact in facts.items()
    )
    return f"<table><caption>FlowModel</caption>{rows}</table>"
