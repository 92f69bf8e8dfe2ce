"""What a notebook shows of a model."""

from flows import FlowConfig, FlowModel


def test_a_model_says_what_it_is():
    config = FlowConfig(size=16, n_bands=2, softening=(0.1, 0.2), context=("log_sky_sigma_r",))
    model = FlowModel(
        config, {"survey": "<toy>", "bands": ["g", "r"], "validity": "x" * 100, "deep": {"a": 1}}
    )
    model.summary = {"n_train": 40, "validation_nats_per_pixel": -1.23456}
    assert repr(model) == (
        f"<FlowModel architecture: wavelet, asinh pixels, {model.n_parameters:,} weights; "
        "images: 2 x 16 x 16 pixel values (band, y, x); log_prob: nats per image; "
        "context: log_sky_sigma_r; trained on: 40 images>"
    )
    shown = model._repr_html_()
    assert "&lt;toy&gt;" in shown
    assert "g, r" in shown
    assert "-1.2346" in shown
    assert "xxx" not in shown
    assert shown.count("<tr>") == 5 + 1 + 2
