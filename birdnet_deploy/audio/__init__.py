"""The input contract on the host: any recording -> PCM16 -> windows -> the model's input tensor -> int8."""

from birdnet_deploy.audio.frontend import model_input

__all__ = ["model_input"]
