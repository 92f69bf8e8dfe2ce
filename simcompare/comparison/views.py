"""Whether simulations are seen from the same directions, as they must be to be compared with each other."""

from collections.abc import Iterable

from mocks.views import kind_of_view
from simcompare.kinds import Kind
from simcompare.scores.record import Scores

__all__ = ["unlike_views"]


def unlike_views(scores: Scores, names: Iterable[str]) -> dict[str, str]:
    """Say which simulations are seen from other directions than others.

    Parameters
    ----------
    scores : Scores
        With ``direction`` where it is known.
    names : iterable of str
        Data sets.

    Returns
    -------
    dict of str
        Caution by data set; empty when all simulations whose directions are known share them.
    """
    if "direction" not in scores:
        return {}
    seen = {}
    for name in names:
        sample = scores.sample(name)
        is_simulation = "kind" not in sample or sample.words("kind") == [Kind.SIMULATED]
        words = {kind_of_view(word) for word in sample.words("direction") if word}
        if is_simulation and words:
            seen[name] = frozenset(words)
    if len(set(seen.values())) < 2:
        return {}
    return {
        name: f"seen from {', '.join(sorted(words))}, other simulations from "
        f"{'; '.join(sorted({', '.join(sorted(each)) for each in seen.values() if each != words}))}: "
        "make mocks with the same --views"
        for name, words in seen.items()
    }
