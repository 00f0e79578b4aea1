# SPDX-License-Identifier: MIT
"""The reader and every format under libFuzzer for a bounded time, and whole files
with bytes changed at random."""
import random
import subprocess

import pytest

import harness
import recordings as R
from reports import tool

SECONDS = 20


@pytest.mark.limit(240)
def test_fuzz(tmp_path):
    clang, make = harness.needs("clang", "make")
    (tmp_path / "probe.c").write_text("int LLVMFuzzerTestOneInput(void *p, unsigned long n)"
                                      "{ (void)p; (void)n; return 0; }")
    probe = subprocess.run([clang, "-fsanitize=fuzzer,address", "-o", "probe", "probe.c"], cwd=tmp_path,
                           capture_output=True)
    if probe.returncode:
        pytest.skip("clang has no libFuzzer (package libclang-rt-14-dev)")
    target = "build/fuzz/fuzz_recording"
    made = subprocess.run([make, "-s", target], cwd=harness.ROOT, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for name, data in R.seeds().items():
        (corpus / name).write_bytes(data)
    done = subprocess.run([harness.ROOT / target, f"-max_total_time={SECONDS}", "-timeout=10", "-rss_limit_mb=2048",
                           f"-artifact_prefix={tmp_path}/", corpus], capture_output=True, text=True,
                          errors="replace", timeout=SECONDS + 60)
    assert done.returncode == 0, done.stderr[-3000:]


def test_bytes_at_random(tmp_path):
    rng = random.Random(7)
    whole = R.sample().data(2_000_000)
    used = [at for at in range(len(whole)) if whole[at]]
    for _ in range(100):
        data = bytearray(whole)
        for at in rng.choices(used, k=rng.choice((1, 3, 30))):
            data[at] = rng.randrange(256)
        (tmp_path / "r").write_bytes(data)
        done = tool("report", "-f", rng.choice(("table", "json", "folded", "perfetto")), tmp_path / "r")
        assert done.returncode in (0, 1) and (done.stdout or done.stderr)
