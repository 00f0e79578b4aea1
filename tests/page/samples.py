# SPDX-License-Identifier: MIT
"""Reports as the page gets them: a rich one in which every figure is known, an
empty one, one with a single call, and one whose names are hostile."""

import copy
import math
import random

OPS = ["open", "stat", "fstat", "read", "sendfile", "close"]
FATES = ["adopted", "used", "dropped", "failed"]

HOSTILE = {
    "markup": "</script><script>window.hacked=1</script><img src=x onerror=window.hacked=1>",
    "comment": "<!--<script>",
    "quotes": "\"'`&quot;&#39;${1}\\\" onmouseover=\"window.hacked=1",
    "control": "a\x00b\x07c\x1b[31md\r\ne\x7f\x9bf",
    "order": "abc\u202egpj.exe\u2066\u200f",
    "right_to_left": "/srv/שלום/مرحبا/file",
    "emoji": "/srv/\U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467/é\u2028x",
    "long": "/" + "x" * 1998 + "/",
    "words": "/srv/" + "word " * 300,
    "empty": "",
    "proto": "__proto__",
}


def empty():
    """A recording in which nothing happened."""
    return {
        "version": 1, "command": "true", "started": "2025-03-12T14:03:22Z", "duration_ns": 0,
        "complete": True, "stacks": False, "dropped": 0, "passed_over": 0, "processes": [],
        "calls": [], "by": "site", "rows": [], "sequences": [],
        "chains": {"started": [], "spans": []},
        "held": {"count": 0, "late": 0, "ns": quantiles(0)},
        "fallbacks": [], "counters": {}, "regimes": [],
        "estimate": {"blocked_ns": 0, "hidden_ns": 0, "close_ns": 0, "window_ns": 0, "walk_ns": 0,
                     "walks": 0, "wall_ns": None, "times": None},
        "histograms": [], "heat": {"step_ns": 0, "levels_ns": [], "rows": []}, "flame": [],
    }


def quantiles(ns):
    return {"p50": ns, "p90": 2 * ns, "p99": 8 * ns, "max": 20 * ns}


def call(op, count, ns, **more):
    return {"op": op, "count": count, "failed": 0, "cold": count // 10, "settled": 0, "foreseen": 0,
            "bytes": 0, "blocked_ns": count * ns, "ns": quantiles(ns)} | more


def one_call():
    data = empty()
    data.update(
        command="cat /etc/hostname", duration_ns=1_000_000, calls=[call("open", 1, 5000)],
        processes=[{"process": 1, "pid": 77, "parent": 0, "program": "/bin/cat", "mode": "observe",
                    "begin_ns": 0, "end_ns": None}],
        histograms=[{"op": "open", "buckets": [[4864, 5120, 1]]}],
        heat={"step_ns": 1_000_000, "levels_ns": [4096], "rows": [[1]]},
        flame=[{"stack": ["cat", "open"], "blocked_ns": 5000, "count": 1}])
    data["estimate"]["blocked_ns"] = 5000
    return data


# Of each class: median of fast and of slow calls in ns, share of the slow ones.
LATENCIES = {"open": (2600, 2.1e6, 0.10), "stat": (1500, 1.6e6, 0.06), "fstat": (450, 0, 0),
             "read": (4200, 1.2e6, 0.09), "sendfile": (7000, 600e3, 0.04), "close": (700, 1.9e6, 0.004)}


def measured(rng, op, count):
    """A class of calls and its buckets: log-linear, 16 in a power of two."""
    fast, slow, part = LATENCIES[op]
    times = sorted(int(math.exp(rng.gauss(math.log(slow), 0.5)) if rng.random() < part else
                       math.exp(rng.gauss(math.log(fast), 0.45))) for _ in range(3000))
    each, found = count // len(times), {}
    for ns in times:
        octave = 2 ** (ns.bit_length() - 1)
        low = octave + octave // 16 * ((ns - octave) * 16 // octave)
        found[low] = found.get(low, 0) + each
    made = call(op, each * len(times), 0) | {
        "cold": each * sum(ns >= 100_000 for ns in times), "blocked_ns": each * sum(times),
        "ns": {q: times[int(at * (len(times) - 1))] for q, at in
               (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1))}}
    return made, [[low, low + 2 ** (low.bit_length() - 1) // 16, n] for low, n in sorted(found.items())]


def heat(rng, steps, step_ns, histograms):
    """The same calls spread over time, in waves."""
    levels = [2 ** i for i in range(7, 26)]
    waves = [0.5 + math.sin(s / 23) ** 2 + rng.random() / 3 for s in range(steps)]
    rows = []
    for level in levels:
        n = sum(b[2] for h in histograms for b in h["buckets"] if level <= b[0] < 2 * level)
        rows.append([int(n / steps * w * rng.uniform(0.6, 1.4) + rng.random()) if n else 0 for w in waves])
    return {"step_ns": step_ns, "levels_ns": levels, "rows": rows}


def spans(rng, duration_ns, count):
    made = []
    for i in range(count):
        start = int(rng.random() ** 1.3 * duration_ns * 0.95)
        ready = start + int(rng.expovariate(1 / 3e6))
        fate = rng.choices(FATES, (70, 22, 6, 2))[0]
        end = ready + int(rng.expovariate(1 / 5e6))
        made.append({"start_ns": start, "ready_ns": None if fate == "failed" else ready, "end_ns": end,
                     "by": rng.choice(["open", "stat", "request", "walk"]), "fate": fate,
                     "file": f"/srv/www/{i % 97:02}/image-{i}.webp"})
    return made


def flame():
    """400 ms, of which 160 in ngx_open_cached_file."""
    main = ["nginx", "main", "ngx_master_process_cycle", "ngx_worker_process_cycle",
            "ngx_process_events_and_timers", "ngx_epoll_process_events", "ngx_http_process_request"]
    static = main + ["ngx_http_core_content_phase", "ngx_http_static_handler"]
    return [
        {"stack": static + ["ngx_open_cached_file", "ngx_open_file_wrapper", "openat64+0x51", "open"],
         "blocked_ns": 120_000_000, "count": 1200},
        {"stack": static + ["ngx_open_cached_file", "fstat64+0x1b", "fstat"],
         "blocked_ns": 40_000_000, "count": 1200},
        {"stack": static + ["ngx_http_output_filter", "ngx_linux_sendfile_chain", "sendfile"],
         "blocked_ns": 150_000_000, "count": 3100},
        {"stack": main + ["ngx_http_finalize_request", "ngx_pool_run_cleanup_file", "close"],
         "blocked_ns": 60_000_000, "count": 1200},
        {"stack": ["nginx", "main", "ngx_init_cycle", "ngx_conf_read_file", "read"],
         "blocked_ns": 29_999_000, "count": 40},
        {"stack": ["nginx", "main", "ngx_time_init", "stat"], "blocked_ns": 1_000, "count": 1},
    ]


def rich():
    rng = random.Random(7)
    duration = 12_400_000_000
    data = empty()
    counts = {"open": 9_000, "stat": 3_000, "fstat": 9_000, "read": 3_000, "sendfile": 12_000,
              "close": 9_000}
    made = {op: measured(rng, op, n) for op, n in counts.items()}
    calls = [made[op][0] for op in OPS]
    histograms = [{"op": op, "buckets": made[op][1]} for op in OPS]
    calls[0].update(failed=120, settled=400, foreseen=210)
    calls[3]["bytes"], calls[4]["bytes"] = 393_216_000, 24_000_000_000
    data.update(
        command="nginx -p /srv/www -c conf/nginx.conf -g 'daemon off;'", duration_ns=duration,
        stacks=True, calls=calls,
        processes=[{"process": i + 1, "pid": 4000 + i, "parent": min(i, 1), "program": "/usr/sbin/nginx",
                    "mode": "observe", "begin_ns": i * 1_000_000, "end_ns": duration - 5_000_000 if i else None}
                   for i in range(3)],
        by="file",
        rows=[{"name": f"/srv/www/{i:02}/image-{i}.webp", "detail": "", "count": 490 - 3 * i,
               "cold": 44 - i // 2, "bytes": 9_048_576 * (60 - i), "blocked_ns": int(1.9e8 * 0.93 ** i),
               "ns": quantiles(40_000 - 300 * i)} for i in range(60)],
        sequences=[
            {"signature": "open fstat sendfile close", "count": 8_800, "bytes": 24_000_000_000,
             "blocked_ns": 2_900_000_000, "ns": quantiles(60_000)},
            {"signature": "stat open fstat read close", "count": 480, "bytes": 393_216_000,
             "blocked_ns": 180_000_000, "ns": quantiles(90_000)}],
        chains={"started": [
            {"by": "request", "count": 8_000, "adopted": 7_100, "used": 600, "dropped": 280, "failed": 20,
             "bytes": 2_097_152_000, "ready_ns": quantiles(2_100_000)},
            {"by": "stat", "count": 400, "adopted": 0, "used": 380, "dropped": 20, "failed": 0,
             "bytes": 1_048_576, "ready_ns": quantiles(900_000)}],
            "spans": spans(rng, duration, 2000)},
        held={"count": 7_900, "late": 12, "ns": quantiles(2_300_000)},
        fallbacks=[{"reason": "stale", "help": "what a chain opened is not what the path means now",
                    "count": 12},
                   {"reason": "ring_full", "help": "as many operations in flight as the ring takes",
                    "count": 3}],
        counters={"calls": 45_000, "sequences": 9_000, "chains": 8_400, "adopted": 7_100,
                  "waited_ns": 310_000_000, "hits": 8_080, "misses": 300},
        regimes=[{"dev": "0:52", "mount": "/srv/www", "op": "open", "wait_ns": 2_140_000, "cold": True},
                 {"dev": "8:1", "mount": None, "op": "read", "wait_ns": 61_000, "cold": False}],
        histograms=histograms, heat=heat(rng, 180, duration // 180, histograms), flame=flame())
    blocked = sum(c["blocked_ns"] for c in calls)
    hidden = {"close_ns": calls[5]["blocked_ns"] // 2, "window_ns": calls[4]["blocked_ns"] // 4,
              "walk_ns": calls[0]["blocked_ns"] // 3}
    data["estimate"] = hidden | {"blocked_ns": blocked, "hidden_ns": sum(hidden.values()), "walks": 14,
                                 "wall_ns": None, "times": None}
    return data


def hostile():
    """The rich one, with every name a hostile one."""
    data = copy.deepcopy(rich())
    bad = list(HOSTILE.values())
    data.update(command=" ".join(bad), started=bad[0], dropped=5, passed_over=2, complete=False,
                counters={b: 1 for b in bad})
    at = 0
    for rows, keys in ((data["processes"], ("program", "mode")), (data["calls"], ("op",)),
                       (data["rows"], ("name", "detail")), (data["sequences"], ("signature",)),
                       (data["chains"]["started"], ("by",)), (data["chains"]["spans"], ("file",)),
                       (data["fallbacks"], ("reason", "help")), (data["regimes"], ("dev", "mount", "op")),
                       (data["histograms"], ("op",))):
        for row in rows:
            for key in keys:
                row[key] = bad[at % len(bad)]
                at += 1
    data["flame"] = [{"stack": [b, bad[0], b], "blocked_ns": 1000 + i, "count": 1}
                     for i, b in enumerate(bad)]
    return data
