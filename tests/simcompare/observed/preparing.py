"""Real images prepared as the tests of readers want them: settings in the call, no file of them."""

from simcompare import observed
from simcompare.images.preparation.sample import Sample
from simcompare.settings import PrepareSettings


def prepare_observed(
    paths, *, survey, bands, preparation, out, name, seed=0, part_size=None, workers=1, **settings
):
    """Prepare images with 80 % of the sky for training and 10 % for validation."""
    common = Sample(name, preparation, survey, seed, (0.8, 0.1, 0.1))
    settings = PrepareSettings(inputs=paths, out=out, workers=workers, **settings)
    return observed.prepare_observed(paths, common, bands, settings, part_size=part_size)
