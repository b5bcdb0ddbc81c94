"""Deployment toolchain: a trained Keras DS-CNN bird-sound classifier, full int8, on a Cortex-M55 or STM32N6."""

__version__ = "0.1.0"
