"""Fuzzing by hand, as long as one likes:

    python -m tests.fuzz --seconds 300                  every target, shared evenly
    python -m tests.fuzz --seconds 300 --target tflite  one of them
    python -m tests.fuzz --ci                           what CI does: a fixed number of inputs, a fixed seed

What breaks a promise is written to tests/corpus/TARGET/, where a test replays it.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz import native
from tests.fuzz.driver import Outcome, fuzz
from tests.fuzz.models import models_for
from tests.fuzz.targets import all_targets

CORPUS = Path(__file__).resolve().parents[1] / "corpus"
_FOREVER = 2**40


def main() -> int:
    """Gives the exit code: 1 where a promise is broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz the readers of untrusted input.")
    parser.add_argument("--seconds", type=float, default=60.0, help="for all targets together")
    parser.add_argument("--target", action="append", help="only this one; may be given again")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--ci", action="store_true", help="a fixed number of inputs instead of a time")
    parser.add_argument("--models", type=Path, help="a folder with small.keras and its bundle/; made where not given")
    parser.add_argument("--list", action="store_true", help="name the targets")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="birdnet-fuzz-") as scratch:
        return _run(asked, Path(scratch))


def _run(asked: argparse.Namespace, scratch: Path) -> int:
    model, bundle = models_for(asked.models, scratch)
    targets = {target.name: target for target in all_targets(model, bundle)}
    harnesses = {harness.corpus: harness for harness in native.HARNESSES}
    names = [*targets, *harnesses]
    if asked.list:
        print("\n".join(names))
        return 0
    chosen = [name for name in names if not asked.target or name in asked.target]
    if not chosen:
        print(f"no such target; there are {', '.join(names)}", file=sys.stderr)
        return 2
    broken = 0
    print(f"{'target':<18}{'inputs':>12}{'refused':>10}{'failures':>10}{'seconds':>9}{'peak MB':>9}")
    for name in chosen:
        folder = scratch / name
        folder.mkdir()
        share, began = asked.seconds / len(chosen), time.monotonic()
        if name in targets:
            count, limit = (targets[name].ci, None) if asked.ci else (_FOREVER, share)
            outcome = fuzz(targets[name], folder, seed=asked.seed, inputs=count, seconds=limit)
        else:
            limits = {"inputs": harnesses[name].ci} if asked.ci else {"seconds": share}
            outcome = native.run_harness(harnesses[name], folder, CORPUS, seed=asked.seed, **limits)
        _show(outcome, time.monotonic() - began)
        broken += len(outcome.failures)
    return 1 if broken else 0


def _show(outcome: Outcome, seconds: float) -> None:
    print(
        f"{outcome.target:<18}{outcome.tried:>12,}{outcome.refused:>10,}{len(outcome.failures):>10}{seconds:>9.1f}"
        f"{outcome.peak_bytes >> 20:>9}",
        flush=True,
    )
    for failure in outcome.failures:
        folder = CORPUS / outcome.target
        folder.mkdir(parents=True, exist_ok=True)
        case = folder / hashlib.sha256(failure.data).hexdigest()[:16]
        case.write_bytes(failure.data)
        print(f"  {case}: {failure.why.strip()}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
