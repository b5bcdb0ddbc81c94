"""Loading checkpoints into Keras: the variants that people have give the scores that they were trained for."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from birdnet_deploy.errors import ModelError
from tests.support.small_models import edit_config, edit_weights, layer_config, save, settled, to_2025, windows


@pytest.fixture(scope="module")
def original() -> Any:
    """A small hybrid model with pwl."""
    return settled(mag_scale="pwl")


@pytest.fixture
def saved(original: Any, tmp_path: Path) -> Path:
    """Its file."""
    return save(original, tmp_path)


def scores(model: Any, x: Any) -> Any:
    return np.asarray(model(x, training=False))


def test_a_loaded_model_scores_as_it_was_saved(original: Any, saved: Path) -> None:
    from birdnet_deploy.model import load_model

    x = windows(original, 4)
    loaded = load_model(saved)
    np.testing.assert_allclose(scores(loaded, x), scores(original, x), atol=1e-6)
    assert loaded.get_layer("audio_frontend").sample_norm
    assert np.ptp(scores(loaded, x), axis=0).max() > 1e-3  # or anything would be equal


@pytest.mark.parametrize("options", [
    {"audio_frontend": "raw", "mag_scale": "pcen"},
    {"audio_frontend": "mfcc", "use_inverted_residual": True, "use_se": True},
    {"audio_frontend": "librosa", "use_attention_pooling": True, "class_activation": "sigmoid"},
])  # fmt: skip
def test_every_kind_of_layer_survives_the_file(options: dict[str, Any], tmp_path: Path) -> None:
    from birdnet_deploy.model import load_model

    model = settled(**options)
    x = windows(model, 2)
    np.testing.assert_allclose(scores(load_model(save(model, tmp_path)), x), scores(model, x), atol=1e-6)


def test_files_of_birdnet_stm32_load_by_class_name(original: Any, saved: Path) -> None:
    from birdnet_deploy.model import load_model

    def foreign(config: dict[str, Any]) -> None:
        layer = layer_config(config, "AudioFrontendLayer")
        layer["module"] = "birdnet_stm32.models.frontend"  # not installed, and never imported
        layer["config"].update(train_mel_scale=False, chunk_duration=1.0)

    x = windows(original, 2)
    loaded = load_model(edit_config(saved, foreign))
    np.testing.assert_allclose(scores(loaded, x), scores(original, x), atol=1e-6)


def test_2025_files_load_without_the_division(original: Any, saved: Path, tmp_path: Path) -> None:
    from birdnet_deploy.model import load_model

    edit_weights(saved, to_2025)
    edit_config(saved, lambda config: layer_config(config, "AudioFrontendLayer").update(module=None))
    x = windows(original, 4)
    divided, undivided = scores(load_model(saved, sample_norm=True), x), scores(load_model(saved), x)
    np.testing.assert_allclose(divided, scores(original, x), atol=1e-6)
    assert np.abs(divided - undivided).max() > 1e-3
    again = load_model(save(load_model(saved), tmp_path, "again"))  # the variant is kept in our own files
    np.testing.assert_allclose(scores(again, x), undivided, atol=1e-6)


def test_missing_and_left_over_weights_are_errors(saved: Path, tmp_path: Path) -> None:
    from birdnet_deploy.model import load_model

    copy = Path(shutil.copy(saved, tmp_path / "copy.keras"))

    def drop(file: Any) -> None:
        del file["layers/batch_normalization/vars/0"]

    with pytest.raises(ModelError, match="copy.keras: Keras cannot load it"):
        load_model(edit_weights(copy, drop))

    def add(file: Any) -> None:
        file["layers/audio_frontend_layer/fb_norm/vars/0"] = np.ones(32, np.float32)

    with pytest.raises(ModelError, match="weights but its layers take"):
        load_model(edit_weights(saved, add))


@pytest.mark.shared
def test_the_real_checkpoint_hears_birds_only_in_its_own_variant(shared: Path) -> None:
    """Against labels and against the published int8 model: the wrong variant of the forward is far off in both."""
    from ai_edge_litert.interpreter import Interpreter

    from birdnet_deploy.audio.frontend import features_of_pcm
    from birdnet_deploy.audio.reading import find_recordings, read_pcm16
    from birdnet_deploy.audio.windows import window_at, window_starts
    from birdnet_deploy.model import load_model, open_source

    source = open_source(shared / "models/birdnet_stm32n6_100.keras")
    size = source.config.window_samples
    features, labels, files = [], [], []
    for path in find_recordings(shared / "audio/labelled"):
        pcm = read_pcm16(path, source.config.sample_rate)
        for start in window_starts(len(pcm), size):
            features.append(features_of_pcm(window_at(pcm, start, size), source.config))
            labels.append(source.labels.index(path.parent.name))
            files.append(path.name)
    x, truth = np.stack(features), np.array(labels)
    published = Interpreter(model_path=str(shared / "models/birdnet_stm32n6_100.tflite"))
    published.allocate_tensors()
    taken, given = published.get_input_details()[0]["index"], published.get_output_details()[0]["index"]
    rows = []
    for window in x:
        published.set_tensor(taken, window[None])
        published.invoke()
        rows.append(published.get_tensor(given)[0].astype(np.float64))
    int8 = np.stack(rows)

    def judge(sample_norm: bool | None) -> tuple[float, float, int]:
        found = load_model(source.path, sample_norm=sample_norm).predict(x, batch_size=32, verbose=0)
        norms = np.linalg.norm(found, axis=1) * np.linalg.norm(int8, axis=1)
        cosine = float(((found * int8).sum(axis=1) / norms).mean())
        heard = sum(
            found[[name == file for name in files]].max(axis=0).argmax() == truth[files.index(file)]
            for file in set(files)
        )
        return cosine, float((found.argmax(axis=1) == truth).mean()), int(heard)

    cosine, top1, heard = judge(None)
    print(f"cosine to the published int8 {cosine:.3f}, window top-1 {top1:.3f}, files {heard}/{len(set(files))}")
    assert cosine > 0.95
    assert top1 > 0.35  # chance is 0.01
    assert heard >= 8
    wrong, wrong_top1, _ = judge(True)
    assert wrong < 0.7
    assert wrong_top1 < 0.2
