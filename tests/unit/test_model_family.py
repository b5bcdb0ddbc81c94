"""The DS-CNN family: names, shapes, counts and arithmetic of what is documented."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests.support.small_models import SMALL, build

DOCUMENTED = {
    "num_mels": 64, "spec_width": 128, "sample_rate": 16000, "chunk_duration": 3, "embeddings_size": 256,
    "num_classes": 10,
}  # fmt: skip
COUNTS = [
    ({}, 188_842),
    ({"audio_frontend": "hybrid"}, 205_738),
    ({"audio_frontend": "hybrid", "mag_scale": "pwl"}, 206_378),
    ({"audio_frontend": "raw"}, 190_122),
    ({"audio_frontend": "hybrid", "alpha": 0.5}, 104_538),
    ({"depth_multiplier": 2}, 421_546),
    ({"use_se": True}, 294_314),
    ({"use_inverted_residual": True}, 1_992_506),
    ({"use_attention_pooling": True}, 189_098),
]
PWL = ((0.10, 0.25), (0.35, 0.15), (0.65, 0.08))


@pytest.fixture(autouse=True)
def clear() -> Iterator[None]:
    yield
    import keras

    keras.backend.clear_session()


def relu(x: Any) -> Any:
    return np.maximum(x, 0.0)


@pytest.mark.parametrize(("options", "count"), COUNTS)
def test_parameter_counts_are_those_documented(options: dict[str, Any], count: int) -> None:
    from birdnet_deploy.model import build_dscnn_model

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the documented default is an alias
        model = build_dscnn_model(**DOCUMENTED, **options)
    assert model.name == "dscnn_audio"
    assert model.count_params() == count
    assert model.output_shape == (None, 10)
    assert not hasattr(model, "optimizer") or model.optimizer is None


@pytest.mark.parametrize(
    ("frontend", "name", "shape"),
    [
        ("librosa", "mel_spectrogram_input", (32, 32, 1)),
        ("log_mel", "mel_spectrogram_input", (32, 32, 1)),
        ("mfcc", "mel_spectrogram_input", (20, 32, 1)),
        ("hybrid", "linear_spectrogram_input", (129, 32, 1)),
        ("raw", "raw_audio_input", (8000, 1)),
    ],
)
def test_inputs_of_the_frontends(frontend: str, name: str, shape: tuple[int, ...]) -> None:
    model = build(audio_frontend=frontend)
    assert model.layers[0].name == name
    assert model.input_shape == (None, *shape)
    rows = 20 if frontend == "mfcc" else 32
    assert model.get_layer("audio_frontend").output.shape == (None, rows, 32, 1)


def test_layer_names_of_plain_blocks() -> None:
    names = [layer.name for layer in build(use_se=True).layers]
    assert names[2:5] == ["stem_conv", "stem_bn", "stem_relu"]
    second = [name for name in names if name.startswith(("stage2_ds2", "stage2_se2"))]
    assert second == [
        "stage2_ds2_dw", "stage2_ds2_dw_bn", "stage2_ds2_dw_relu", "stage2_ds2_pw", "stage2_ds2_pw_bn",
        "stage2_ds2_drop", "stage2_ds2_add", "stage2_ds2_pw_relu",
        "stage2_se2_squeeze", "stage2_se2_reduce", "stage2_se2_expand", "stage2_se2_scale",
    ]  # fmt: skip
    assert "stage1_ds1_add" not in names  # its stride is 2
    assert [name for name in names if name.endswith("_pw")][-1] == "stage4_ds1_pw"
    assert names[-3:] == ["gap", "dropout", "pred"]


def test_layer_names_of_inverted_residuals_and_attention() -> None:
    model = build(use_inverted_residual=True, use_se=True, use_attention_pooling=True, embeddings_size=40)
    names = [layer.name for layer in model.layers]
    assert [name for name in names if name.startswith("stage2_ir2")] == [
        "stage2_ir2_expand", "stage2_ir2_expand_bn", "stage2_ir2_expand_relu", "stage2_ir2_dw",
        "stage2_ir2_dw_bn", "stage2_ir2_dw_relu", "stage2_ir2_se_squeeze", "stage2_ir2_se_reduce",
        "stage2_ir2_se_expand", "stage2_ir2_se_scale", "stage2_ir2_project", "stage2_ir2_project_bn",
        "stage2_ir2_drop", "stage2_ir2_add",
    ]  # fmt: skip
    assert names[-6:] == ["emb_conv", "emb_bn", "emb_relu", "attn_pool", "dropout", "pred"]
    assert model.get_layer("emb_conv").filters == 40


def test_no_bias_before_batch_normalisation_and_relu6_everywhere() -> None:
    model = build(use_inverted_residual=True)
    for layer in model.layers:
        if type(layer).__name__ in ("Conv2D", "DepthwiseConv2D"):
            assert not layer.use_bias, layer.name
        if type(layer).__name__ == "ReLU":
            assert layer.max_value == 6, layer.name


def test_channels_are_multiples_of_8_at_any_width() -> None:
    from birdnet_deploy.model.blocks import make_divisible

    assert [make_divisible(v) for v in (1, 4, 11, 12, 20, 256)] == [8, 8, 8, 16, 24, 256]
    model = build(alpha=0.7, embeddings_size=100)
    for layer in model.layers:
        if type(layer).__name__ == "Conv2D":
            assert layer.filters % 8 == 0, layer.name


def test_weight_decay_and_dropout_can_be_left_out() -> None:
    import keras

    from birdnet_deploy.model import ds_conv_block

    inputs = keras.Input((8, 8, 16))
    plain = keras.Model(inputs, ds_conv_block(inputs, 16, weight_decay=0, drop_rate=None))
    assert not plain.losses
    assert "ds_drop" not in [layer.name for layer in plain.layers]
    decayed = keras.Model(inputs, ds_conv_block(inputs, 16))
    assert len(decayed.losses) == 2


@pytest.mark.parametrize("frontend", ["hybrid", "raw"])
def test_what_frontend_trainable_makes_trainable(frontend: str) -> None:
    names = {}
    for trainable in (False, True):
        model = build(audio_frontend=frontend, mag_scale="pwl", frontend_trainable=trainable)
        layer = model.get_layer("audio_frontend")
        names[trainable] = {variable.path.split("/", 1)[-1] for variable in layer.trainable_variables}
    assert names[False] == set()
    pwl = "audio_frontend_mag/audio_frontend_mag_pwl_"
    magnitude = {
        f"{pwl}k0_dw/kernel",
        *(f"{pwl}{kind}{i}_dw/kernel" for i in (1, 2, 3) for kind in ("k", "shift")),
        *(f"{pwl}shift{i}_dw/bias" for i in (1, 2, 3)),
    }  # fmt: skip
    bank = {
        "audio_frontend_raw_fb2d/kernel", "audio_frontend_raw_fb2d_bn/gamma", "audio_frontend_raw_fb2d_bn/beta",
    }  # fmt: skip
    assert names[True] == magnitude | (bank if frontend == "raw" else set())


def test_aliases_warn_and_unknown_names_list_the_valid_ones() -> None:
    from birdnet_deploy.model import build_dscnn_model, normalize_frontend_name

    with pytest.warns(DeprecationWarning, match="'librosa'"):
        assert normalize_frontend_name("precomputed") == "librosa"
    with pytest.warns(DeprecationWarning, match="'raw'") as caught:
        build_dscnn_model(**{**SMALL, "audio_frontend": "tf"})
    assert caught[0].filename == __file__  # the caller's line, not the library's
    with pytest.raises(ValueError, match="librosa, hybrid, raw, mfcc, log_mel"):
        build_dscnn_model(**{**SMALL, "audio_frontend": "hybird"})
    with pytest.raises(ValueError, match="none, pwl, pcen, db"):
        build_dscnn_model(**SMALL, mag_scale="cpwl")
    with pytest.raises(ValueError, match="softmax, sigmoid"):
        build_dscnn_model(**SMALL, class_activation="relu")


@pytest.mark.parametrize("frontend", ["raw", "tf"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_raw_windows_stay_below_65536_samples(frontend: str) -> None:
    from birdnet_deploy.model import build_dscnn_model

    shape = {**SMALL, "audio_frontend": frontend, "chunk_duration": 1}
    with pytest.raises(ValueError, match=r"sample_rate\*chunk_duration=65536.*65536.*16000 Hz, 2 s.*hybrid"):
        build_dscnn_model(**{**shape, "sample_rate": 65536})
    assert build_dscnn_model(**{**shape, "sample_rate": 65535}).input_shape == (None, 65535, 1)


def test_pwl_pcen_and_db_are_what_is_documented() -> None:
    from birdnet_deploy.model import MagnitudeScalingLayer

    x = np.random.default_rng(1).random((2, 1, 5, 3), dtype=np.float32) * 1.2
    pwl = MagnitudeScalingLayer("pwl", 3)
    expected = 0.40 * x + sum(k * relu(x - t) for t, k in PWL)
    np.testing.assert_allclose(pwl(x), expected, atol=1e-6)
    pcen = MagnitudeScalingLayer("pcen", 3, pcen_K=4)
    y0 = relu(x - 0.6 * x)
    np.testing.assert_allclose(pcen(x), relu(0.15 * y0 + 0.45 * relu(y0 - 0.2)), atol=1e-6)
    assert len(pcen._pcen_pools) == 4
    x[0, 0, 0, 0] = 0.0
    np.testing.assert_allclose(
        MagnitudeScalingLayer("db", 3)(x), 10 * np.log10(np.maximum(x, 1e-6)), rtol=1e-5, atol=1e-4
    )
    np.testing.assert_array_equal(MagnitudeScalingLayer("none", 3)(x), x)
    with pytest.raises(ValueError, match="none, pwl, pcen, db"):
        MagnitudeScalingLayer("cube", 3)


@pytest.mark.parametrize("rows", [129, 128])
@pytest.mark.parametrize("sample_norm", [True, False])
def test_hybrid_is_mel_relu_division_and_scaling(rows: int, sample_norm: bool) -> None:
    from birdnet_deploy.model import AudioFrontendLayer

    layer = AudioFrontendLayer("hybrid", 32, 20, 8000, 1, fft_length=256, sample_norm=sample_norm)
    x = np.random.default_rng(2).random((3, rows, 20, 1), dtype=np.float32)
    result = np.asarray(layer(x))
    kernel = layer.mel_mixer.get_weights()[0]
    assert kernel.shape == (1, 1, 136 if rows == 129 else 128, 32)
    assert (kernel >= 0).all() and not layer.mel_mixer.trainable
    mel = relu(np.einsum("brtc,rm->bmtc", x, kernel[0, 0, :rows]))
    if sample_norm:
        mel = mel / (mel.max(axis=(1, 2, 3), keepdims=True) + 1e-6)
    expected = 0.40 * mel + sum(k * relu(mel - t) for t, k in PWL)
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-6)
    with pytest.raises(ValueError, match="129 rows"):
        AudioFrontendLayer("hybrid", 32, 20, 8000, 1, fft_length=256)(x[:, :100])


@pytest.mark.parametrize("samples", [8000, 8001, 8191, 500])
def test_raw_gives_spec_width_frames_of_any_length(samples: int) -> None:
    from birdnet_deploy.model import AudioFrontendLayer

    layer = AudioFrontendLayer("raw", 16, 32, samples, 1, mag_scale="none")
    x = np.random.default_rng(3).standard_normal((2, samples, 1)).astype(np.float32)
    assert layer(x).shape == (2, 16, 32, 1)
    stride = -(-samples // 32)
    padded = np.pad(x, ((0, 0), (layer.pad_left, layer.pad_right), (0, 0)))
    assert 0 <= layer.pad_right - layer.pad_left <= 1
    frames = np.stack([padded[:, t * stride : t * stride + 16, 0] for t in range(32)], axis=1)
    kernel = layer.fb2d.get_weights()[0][0, :, 0, :]
    expected = np.clip(frames @ kernel / np.sqrt(1 + 1e-3), 0, 6).transpose(0, 2, 1)[..., None]
    np.testing.assert_allclose(layer(x), expected, rtol=1e-4, atol=1e-5)


def test_precomputed_slices_and_counts_but_does_not_scale() -> None:
    from birdnet_deploy.model import AudioFrontendLayer

    layer = AudioFrontendLayer("precomputed", 8, 10, 8000, 1)
    x = np.random.default_rng(4).random((1, 8, 12, 1), dtype=np.float32)
    np.testing.assert_array_equal(layer(x), x[:, :, :10])
    assert layer.count_params() == 8 * 10  # k0, and three times shift, its bias and k
    assert build(audio_frontend="mfcc", mag_scale="pwl").get_layer("audio_frontend").count_params() == 0


def test_attention_pooling_is_a_softmax_weighted_sum() -> None:
    from birdnet_deploy.model import AttentionPooling

    layer = AttentionPooling()
    x = np.random.default_rng(5).standard_normal((2, 3, 4, 8)).astype(np.float32)
    result = np.asarray(layer(x))
    flat = x.reshape(2, 12, 8)
    scores = np.exp(flat @ layer._score_dense.get_weights()[0])
    np.testing.assert_allclose(result, (flat * scores / scores.sum(axis=1, keepdims=True)).sum(axis=1), rtol=1e-4)


@pytest.mark.parametrize(
    ("rate", "fft", "mels", "fmin", "fmax"),
    [(22050, 512, 64, 150.0, 11025.0), (8000, 256, 32, 150.0, 4000.0), (48000, 1024, 128, 0.0, 15000.0)],
)
def test_mel_basis_is_librosas(rate: int, fft: int, mels: int, fmin: float, fmax: float) -> None:
    import librosa

    from birdnet_deploy.model.mel import slaney_mel_basis

    expected = librosa.filters.mel(sr=rate, n_fft=fft, n_mels=mels, fmin=fmin, fmax=fmax, htk=False, norm="slaney")
    np.testing.assert_allclose(slaney_mel_basis(rate, fft, mels, fmin, fmax), expected, rtol=1e-5, atol=1e-9)


def test_tensorflow_is_not_imported_before_it_is_needed() -> None:
    code = (
        "import sys, birdnet_deploy.model, birdnet_deploy.model.config, birdnet_deploy.model.family,"
        "birdnet_deploy.model.source, birdnet_deploy.quantization.convert, birdnet_deploy.cli.model,"
        "birdnet_deploy.cli.convert; sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
