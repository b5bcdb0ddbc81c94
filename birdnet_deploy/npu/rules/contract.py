"""BD3xx: the contract between model, labels, config and lock. These rules need a bundle."""

from __future__ import annotations

import math
from collections.abc import Iterator

from birdnet_deploy.artifacts import CONFIG_FILE, LOCK_FILE
from birdnet_deploy.npu.contract import Contract
from birdnet_deploy.npu.data import source
from birdnet_deploy.npu.graph import tensor_label
from birdnet_deploy.npu.rules.quantization import output_activations
from birdnet_deploy.npu.rules.rule import Hit, Rules
from birdnet_deploy.npu.subject import Subject

_RULES = Rules("graph", "contract")
_AGAIN = "run convert again"


def _contract(subject: Subject) -> Contract:
    assert subject.contract is not None  # rules of this module run on bundles only
    return subject.contract


@_RULES.add(
    "BD301", "labels-do-not-match-outputs", "error", source=source("contract"),
    fix="put the label file of this very model into the bundle: run convert again with --labels",
    bad='99 lines in labels.txt, 100 outputs', good='100 lines in labels.txt, 100 outputs',
)  # fmt: skip
def labels_do_not_match_outputs(subject: Subject) -> Iterator[Hit]:
    """There are as many labels as the model has outputs.

    Outputs are joined to labels by their place; one label more or less shifts every name behind it.
    """
    labels = _contract(subject).labels
    outputs = math.prod(subject.model.tensors[subject.model.outputs[0]].shape)
    if labels is not None and len(labels) != outputs:
        yield Hit(_contract(subject).labels_name, f"{len(labels)} labels but the model has {outputs} outputs")


@_RULES.add(
    "BD302", "labels-not-clean", "error", source=source("contract"),
    fix="write one clean UTF-8 label a line, once",
    bad='Parus major_Great Tit, twice', good='each species once',
)  # fmt: skip
def labels_not_clean(subject: Subject) -> Iterator[Hit]:
    """The label file has one clean, different label a line.

    Two equal labels cannot be told apart in results; control characters end up in C sources and terminals.
    """
    problem = _contract(subject).problems.get("labels")
    if problem:
        yield Hit(_contract(subject).labels_name, problem)


@_RULES.add(
    "BD303", "config-not-valid", "error", source=source("contract"), fix=f"mend {CONFIG_FILE}, or {_AGAIN}",
    bad='"sampel_rate": 22050', good='"sample_rate": 22050',
)  # fmt: skip
def config_not_valid(subject: Subject) -> Iterator[Hit]:
    """The model's config can be read and every key and value is valid.

    It decides what the frontend computes; nothing is guessed from a misspelt key.
    """
    problem = _contract(subject).problems.get("config")
    if problem:
        yield Hit(_contract(subject).config_name, problem)


@_RULES.add(
    "BD304", "config-does-not-match-input", "error", source=source("contract"),
    fix="use the config of this very model",
    bad='"num_mels": 80 beside a model of 64 rows', good='"num_mels": 64 beside a model of 64 rows',
)  # fmt: skip
def config_does_not_match_input(subject: Subject) -> Iterator[Hit]:
    """The config's frontend gives what the model's input takes.

    Otherwise the firmware fills the input with a picture of another shape, and every score is noise.
    """
    config = _contract(subject).config
    tensor = subject.fed.tensors[subject.fed.inputs[0]]
    taken = tuple(tensor.shape[1:])
    if config is None or not taken:
        return
    given = config.input_shape or config.computed_shape(taken[0])
    if taken != given:
        yield Hit(tensor_label(tensor), f"the config gives {list(given)} but the model takes {list(taken)}")


@_RULES.add(
    "BD305", "hop-does-not-match", "error", source=source("contract"),
    fix="remove hop_length, or mend sample_rate, chunk_duration or spec_width",
    bad='"hop_length": 256 where 66150 samples make 256 frames', good='"hop_length": 258, or no hop_length',
)  # fmt: skip
def hop_does_not_match(subject: Subject) -> Iterator[Hit]:
    """hop_length, where the config has it, is int(sample_rate * chunk_duration) // spec_width.

    Frames that are further apart or closer than in training stretch time; scores degrade without any error.
    """
    contract = _contract(subject)
    hop = contract.raw_config.get("hop_length")
    config = contract.config
    if config is None or hop is None or hop == config.hop_length:
        return
    yield Hit(contract.config_name, f"hop_length is {hop!r} but window and spec_width give {config.hop_length}")


@_RULES.add(
    "BD306", "class-names-differ", "error", source=source("contract"),
    fix="keep the order of training in both, or run convert again",
    bad='"class_names" sorted by the alphabet', good='"class_names" in the order of training',
)  # fmt: skip
def class_names_differ(subject: Subject) -> Iterator[Hit]:
    """The config's class_names, where it has them, are the labels in the same order.

    A list that somebody sorted names another species for nearly every output.
    """
    contract = _contract(subject)
    names = contract.config.class_names if contract.config else None
    if contract.labels is None or names is None or names == contract.labels:
        return
    pairs = enumerate(zip(names, contract.labels, strict=False), 1)
    where = contract.config_name
    line, names_there = next(((i, pair) for i, pair in pairs if pair[0] != pair[1]), (0, None))
    if names_there is None:
        yield Hit(where, f"class_names has {len(names)} names, {contract.labels_name} has {len(contract.labels)}")
    else:
        yield Hit(where, f"class_names has {names_there[0]!r} where line {line} has {names_there[1]!r}")


@_RULES.add(
    "BD307", "activation-applied-twice", "error", source=source("contract"),
    fix="set output_activation to none: the model applies it itself",
    bad='"output_activation": "softmax" beside a graph that ends in SOFTMAX', good='"output_activation": "none"',
)  # fmt: skip
def activation_applied_twice(subject: Subject) -> Iterator[Hit]:
    """output_activation says what the host still has to apply, so it is none where the model applies it.

    A softmax of a softmax makes all species nearly equal; a sigmoid of a sigmoid lies between 0.5 and 0.73.
    """
    config = _contract(subject).config
    if config is None or config.output_activation == "none":
        return
    for op in output_activations(subject):
        message = f"the model ends in {op.op} and the config has output_activation {config.output_activation!r}"
        yield Hit(subject.graph.label(op), message)


@_RULES.add(
    "BD308", "lock-stale", "error", source=source("contract"), fix=_AGAIN, needs=("graph", "contract", "lock"),
    bad="labels.txt edited by hand after convert", good="labels.txt given to convert --labels",
)  # fmt: skip
def lock_stale(subject: Subject) -> Iterator[Hit]:
    """Every file of the bundle is the one that birdnet.lock names by its SHA-256.

    The firmware carries the lock's hash; results of a bundle that was edited afterwards prove nothing.
    """
    contract = _contract(subject)
    if "lock" in contract.problems:
        yield Hit(LOCK_FILE, contract.problems["lock"])
    for line in contract.stale:
        yield Hit(LOCK_FILE, line)


RULES = tuple(_RULES.all)
