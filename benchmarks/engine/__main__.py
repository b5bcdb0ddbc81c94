"""``python -m benchmarks.engine``: what the engine costs, model by model, form by form, layer by layer."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.engine import models, peer, tables
from benchmarks.engine.measure import FORMS, Measurement, compiler_version, measure

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    """Measures what the command line names and prints tables."""
    options = _parser().parse_args()
    with tempfile.TemporaryDirectory(prefix="engine-peer-") as scratch:
        _measure(options, Path(scratch))


def _measure(options: argparse.Namespace, scratch: Path) -> None:
    package = peer.download(scratch) if options.peer and options.layers else None
    print(f"gcc {compiler_version()}, QEMU mps3-an547; instructions from entry to return of network_run")
    found: list[tuple[str, Measurement]] = []
    for case in _cases(options):
        print(f"\n{case.name}: {case.source}", flush=True)
        by_form = []
        for form in options.forms:
            with tempfile.TemporaryDirectory(prefix="engine-") as folder:
                by_form.append(
                    measure(case.model, case.inputs, case.expected, form, Path(folder), layers=options.layers)
                )
            found.append((case.name, by_form[-1]))
        if options.layers:
            print(tables.layers_table(by_form), flush=True)
        if package is not None and by_form[0].form == "helium":
            result = peer.measure_peer(case.model, package, scratch / case.name)
            print(f"\nCMSIS-NN ({peer.PACKAGE}), layer by layer\n{tables.peer_table(by_form[0], result)}", flush=True)
    print(f"\n{tables.totals_table(found)}\n\n{tables.anchors_table()}")


def _cases(options: argparse.Namespace) -> Iterator[models.Case]:
    for name in options.models:
        if name == "anchor":
            yield models.anchor_case(options.shared)
        elif Path(name).suffix == ".tflite":
            yield models.file_case(Path(name))
        else:
            yield models.synthetic_case(name)
    for bundle in options.bundle:
        yield models.bundle_case(bundle, options.audio)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine", description=__doc__)
    parser.add_argument(
        "--models", nargs="*", default=list(models.SYNTHETIC), metavar="MODEL",
        help=f"of {', '.join(models.SYNTHETIC)}, anchor (needs --shared), or a full-int8 .tflite",
    )  # fmt: skip
    parser.add_argument("--bundle", nargs="*", default=[], type=Path, help="bundles of `birdnet-deploy convert`")
    parser.add_argument("--audio", type=Path, help="recordings for the bundles' inputs; else noise")
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared", help="the folder that holds the anchor")
    parser.add_argument("--forms", nargs="*", default=list(FORMS), choices=FORMS)
    parser.add_argument("--peer", action="store_true", help=f"count CMSIS-NN too (downloads {peer.PACKAGE})")
    parser.add_argument("--no-layers", dest="layers", action="store_false", help="totals only")
    return parser


if __name__ == "__main__":
    main()
