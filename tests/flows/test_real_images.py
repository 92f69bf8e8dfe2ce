"""A few hundred real galaxies: the flow learns them without learning them by heart."""

import h5py
import numpy as np
import pytest

from flows import FlowConfig, TrainingConfig, calibration, train


def test_small_sample_of_sdss_galaxies_is_not_learnt_by_heart(shared_data):
    path = shared_data / "observed" / "sdss-ugriz-stamps" / "sdss-ugriz-stamps.h5"
    with h5py.File(path) as file:
        images = file["image"][:, 2:3, 16:48, 16:48]
        field = file["field_index"][:]
        context = np.log(file["field_noise_sigma_nmgy"][:, 2])[field][:, None]
    rng = np.random.default_rng(1)
    images = images + rng.uniform(-0.002, 0.002, images.shape).astype("f4")  # half a count of the camera
    order = rng.permutation(len(images))
    held_out, kept = order[:76], order[76:]
    model = train(
        images[kept],
        context[kept],
        config=FlowConfig(size=32, context=("log_sky_sigma",), widths=(12, 16), steps=(2,)),
        training=TrainingConfig(epochs=10),
        validation=(images[held_out], context[held_out]),
    )
    in_training, outside = (
        -model.log_prob(images[rows], context[rows]).numpy() / 1024 for rows in (kept, held_out)
    )
    error = np.hypot(in_training.std() / np.sqrt(len(kept)), outside.std() / np.sqrt(len(held_out)))
    assert abs(outside.mean() - in_training.mean()) < 3 * error
    # noise of 0.03 nanomaggies alone has -2.1 nats; a normal density of all pixels is a nat worse
    assert outside.mean() < -1.9
    finest = calibration(model, images[held_out], context[held_out])[0]
    assert finest["distance"] < 0.03
    assert finest["variance"] == pytest.approx(1, abs=0.1)
