# SPDX-License-Identifier: MIT
"""Turns benchmark rows into a table on the terminal, SVG charts, and the page
docs/PERFORMANCE.md. Losses stand beside wins, in the order of measuring."""

import shutil

from bench_micro import TARGETS, VARIANTS

TITLES = {
    "microcosts": "One call on hot data",
    "hot": "Servers on files in memory",
    "slow": "Servers on a file system that takes 2 ms to answer, one client",
    "events": "Event-loop servers, one worker, every file asked for once",
    "events_more": "Event-loop servers: clients' rates, waits, memory, idleness",
    "tools": "Tools that walk trees, nothing cached",
    "tools_hot": "Tools that walk trees in memory, and small processes",
    "fuse_entries": "Promises: entries into the kernel",
    "fuse_batch": "Promises: time and CPU per file in memory",
    "fuse_filter": "Promises: time and CPU per file behind a seccomp filter",
    "fuse_reader": "Promises: a blocking server with a slow reader",
    "fuse_auto": "Promises: does `auto` know when they pay?",
    "fuse_cold": "Promises: files that wait",
    "record": "What it costs to look",
    "estimate": "What a recording foretells, and what `auto` then gains",
    "atcall": "Where the open of a cold file belongs",
    "slowfs": "What the test file system itself carries",
}

INTROS = {
    "microcosts":
        "What an interposed call costs more than the plain one. `null` is a preload that only\n"
        "forwards: less than that no interposer can cost.",
    "hot":
        "Nothing to gain here: the library must cost next to nothing. A ratio of 1 is the plain\n"
        "server, below 1 is a loss.",
    "slow":
        "Every file is asked for once, by one client that waits for it, so nothing is cached and\n"
        "nothing overlaps by itself. The timeouts are how long the kernel may trust names and\n"
        "attributes (libfuse's default is 1 s). The notes say how many requests a\n"
        "file took, without and with the library. Green: target met, or none set; amber: gained\n"
        "less; red: lost.",
    "events":
        "16 KiB files, one request under way on each connection, all connections kept. All sides\n"
        "are up at once on the same file system and run in rotation. *Against aio threads*:\n"
        "`without` is nginx with that setting. The notes give latencies and the worker's CPU\n"
        "seconds per 1,000 requests, the kernel's io-wq threads included, of both sides, and how\n"
        "often the library looked ahead rightly.",
    "events_more":
        "Absolute figures. For memory and context switches the target is about the difference,\n"
        "for the others about the side with the library.",
    "tools":
        "5,000 files of 4 to 32 KiB in 100 directories; over sshfs 1,000 in 20; `du, large tree`:\n"
        "100,000 small ones in 100. The caches are dropped before every run, and sshfs is mounted\n"
        "anew. On slowfs the plain side has 250 of the 5,000 files (`ls -lR`\n"
        "with the library 1,000), or a run would take a minute\n"
        "(but `git status`, which starts threads by the number of files): the figures are files per\n"
        "second. To start the program is in them, to read it from the disk is not. tar, cp and rsync\n"
        "write to tmpfs. In the notes, without and with the library: CPU seconds per 1,000 files,\n"
        "children included; the largest process; and what the library counted in a run. `lftp mget`:\n"
        "500 files, and the library is in vsftpd (`FUSE_AIO_PRESPAWN=1`).",
    "tools_hot":
        "The 5,000 files on the local disk, all of it cached; `make` of a C project of 13 files; a\n"
        "hundred processes that do nothing (`find -exec true`) or print one file (`sh loop`: cat).\n"
        "The library must cost next to nothing. What it takes to load it is in all figures, and is\n"
        "most of the last three; the notes hold it against a preload that does nothing.",
    "fuse_entries":
        "Kernel entries of all the server's processes per file of 4 KiB in memory, plain and with\n"
        "`FUSE_AIO_MODE=fuse`, while 16 kept connections have one request under way on each (busybox:\n"
        "4, a connection for each file). Less is better. Counted by `perf stat`: under strace every\n"
        "call takes so long that the library takes the disk for a slow one. Apache's figures are\n"
        "for a file five directories deep; with `AllowOverride All` it looks for a .htaccess in each.",
    "fuse_batch":
        "A program that opens a batch of files, sends each behind a header of 200 bytes to a\n"
        "connection of its own (writev, sendfile, close), polls all of them once, and so on; plain\n"
        "and with `fuse`. Above 1: promises are faster. CPU is that of the process in ns per file,\n"
        "without and with, the kernel's workers included. The files are a disk's, in memory; those of\n"
        "tmpfs are read in the call, because a ring would give them to a worker. No targets: these are\n"
        "what promises gain or cost where nothing waits.",
    "fuse_filter":
        "The same behind a filter of 50 instructions, as containers have one, with\n"
        "`FUSE_AIO_RING=1`. The kernel notes for which calls such a filter says yes whatever their\n"
        "arguments, and does not run it for those; *filter run at each entry* looks at an argument.",
    "fuse_reader":
        "A server of one thread that serves one connection after the other, every call blocking.\n"
        "One client asks for 900 KiB and reads 64 KiB of it each 100 ms; then fifty ask for 16 KiB,\n"
        "all at once. Milliseconds until the fifty are served, without and with the library. The\n"
        "server's send buffer is 64 KiB: what the kernel gives a connection over the loopback by\n"
        "itself holds all of the file, and nobody would wait.",
    "fuse_auto":
        "*without* is the better one of plain and `fuse`, *with* is `auto`, all three in turn: below\n"
        "1, `auto` has chosen wrongly, or what it spends on finding out is too much.",
    "fuse_cold":
        "Every file asked for once, by one client, on a file system that takes 2 ms to answer.\n"
        "*without* is `auto`, *with* is `fuse`, which must not lose what `auto` gains. The notes say\n"
        "how many requests a file took.",
    "record":
        "nginx on files in memory, 16 KiB, 64 connections, without and under the tool that watches.\n"
        "`fuse-aio record` writes every file call down; `strace -c` and `perf trace -s` only count.",
    "estimate":
        "1,000 files on the slow file system. *without*: how many times faster `fuse-aio report` says\n"
        "that `auto` would be, from a recording of a plain run; *with*: how many times faster it is.\n"
        "The difference is the error of the estimate: 1 would be none.",
    "atcall":
        "Files of 16 KiB, each opened, read and closed once without the library. plain: the calls.\n"
        "hint: `posix_fadvise(WILLNEED)` behind the open. ring: the open and the hint linked on a\n"
        "ring, waited for. The ratio is the second of the pair in the notes to the first.",
    "slowfs":
        "Lookup, open, read of 16 KiB, flush and release per file. The two columns are one file\n"
        "at a time and 128 at a time.",
}


def number(x):
    return f"{x:,.0f}" if abs(x) >= 100 else f"{x:.1f}"


def value_text(row):
    if row.family == "microcosts":
        return f"{row.value:+.1f} ns"
    if row.family == "slowfs":
        return number(row.value)
    if row.family == "events_more":
        return f"{number(row.value)} {row.unit}"
    return f"{row.value:.2f} x"


def spread_text(row):
    if row.family in ("slowfs", "events_more"):
        return f"{number(row.low)} to {number(row.high)}"
    digits = 1 if row.family == "microcosts" else 2
    return f"{row.low:.{digits}f} to {row.high:.{digits}f}"


def target_text(row):
    if row.target is None:
        return ""
    digits = 0 if row.target >= 10 else 2
    return ("<= " if row.at_most else ">= ") + f"{row.target:.{digits}f}"


def verdict(row):
    return {None: "", True: "yes", False: "NO"}[row.met]


HEAD = ("", "without", "with", "unit", "difference", "quartiles", "target", "met", "notes")


def cells(row):
    return (row.name, number(row.without), number(row.with_), row.unit, value_text(row),
            spread_text(row), target_text(row), verdict(row), row.notes)


def print_rows(rows):
    for family in dict.fromkeys(r.family for r in rows):
        lines = [HEAD] + [cells(r) for r in rows if r.family == family]
        widths = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]
        print(f"\n{TITLES[family]}")
        for line in lines:
            print("  " + "  ".join(c.ljust(w) if i in (0, 3, 8) else c.rjust(w)
                                   for i, (c, w) in enumerate(zip(line, widths))).rstrip(),
                  flush=True)


# --- charts ------------------------------------------------------------------

GREY, GREEN, AMBER, RED = "#9aa0a6", "#188038", "#f9ab00", "#c5221f"
SIDES = {"plain": GREY, "fuse": "#1a73e8", "auto": AMBER}


def _plot():
    import matplotlib
    matplotlib.use("Agg")
    # The same rows give the same bytes: no dates, no random ids.
    matplotlib.rcParams["svg.hashsalt"] = "fuse_aio"
    matplotlib.rcParams["svg.fonttype"] = "path"
    from matplotlib import pyplot
    return pyplot


def _save(plt, figure, path):
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
    return path


def ratio_chart(plt, rows, title, path):
    rows = rows[::-1]

    def color(r):
        if r.value < min(1, r.target or 1):
            return RED
        return GREEN if r.met is not False else AMBER

    figure, axes = plt.subplots(figsize=(9, 1.2 + 0.38 * len(rows)))
    axes.barh([r.name for r in rows], [r.value for r in rows], color=[color(r) for r in rows],
              height=0.6, xerr=[[max(0, r.value - r.low) for r in rows],
                                [max(0, r.high - r.value) for r in rows]],
              ecolor="#444", capsize=3)
    axes.axvline(1, color="#202124", lw=1)
    most = max(r.high for r in rows)
    gap = 1.08 if most > 10 else 1.02
    for i, r in enumerate(rows):
        axes.text(max(r.high, r.value) * gap, i, f"{r.value:.2f} x", va="center", fontsize=9)
        if r.target:
            axes.plot([r.target] * 2, [i - 0.42, i + 0.42], color="#444", lw=1.2, ls=":")
    if most > 10:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_xlim(min(0.5, *(r.low * 0.8 for r in rows)), most * 2.2)
    else:
        axes.set_xlim(0, most * 1.12 + 0.1)
    axes.set_xlabel("rate with : without; bars: median, whiskers: quartiles, dotted: target",
                    fontsize=9)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return _save(plt, figure, path)


def micro_chart(plt, rows, path):
    ops = list(dict.fromkeys(r.extra["op"] for r in rows))
    variants = VARIANTS[1:]
    colors = dict(zip(variants, (GREY, "#8ab4f8", "#1a73e8", "#f9ab00")))
    figure, axes = plt.subplots(figsize=(8, 4.2))
    for n, v in enumerate(variants):
        found = [next(r for r in rows if r.extra == {"op": op, "variant": v}) for op in ops]
        axes.bar([i + (n - 1.5) * 0.2 for i in range(len(ops))], [r.value for r in found], 0.2,
                 label=v, color=colors[v])
    axes.set_xticks(range(len(ops)), ops, rotation=30, ha="right", fontsize=8)
    axes.axhline(TARGETS["auto"], color="#444", lw=0.8, ls=":")
    axes.axhline(0, color="#202124", lw=0.8)
    axes.set_ylabel("ns over the plain call")
    axes.legend(frameon=False, fontsize=8, ncols=4)
    axes.set_title("What interposing costs a call (dotted: the target for off and auto)",
                   loc="left", fontsize=11)
    return _save(plt, figure, path)


def entries_chart(plt, rows, title, path):
    variants = tuple(rows[0].extra["entries"])
    figure, axes = plt.subplots(figsize=(9, 4))
    for n, v in enumerate(variants):
        at = [i + (n - 1) * 0.26 for i in range(len(rows))]
        bars = axes.bar(at, [r.extra["entries"][v] for r in rows], 0.26, label=v, color=SIDES[v])
        axes.bar_label(bars, fmt="%.1f", fontsize=8)
    for i, r in enumerate(rows):
        axes.plot([i - 0.4, i + 0.4], [r.target * r.without] * 2, color="#444", lw=1.2, ls=":")
    axes.set_xticks(range(len(rows)), [r.name.replace(", ", "\n") for r in rows], fontsize=8)
    axes.legend(frameon=False, fontsize=8)
    axes.set_title(f"{title} per file (dotted: half of plain)", loc="left", fontsize=11)
    return _save(plt, figure, path)


def batch_chart(plt, rows, title, path):
    """Time and CPU time per file over the size of a batch, a panel for each kind."""
    panels = {}
    for r in rows:
        panels.setdefault(r.name.rsplit(", ", 1)[0], []).append(r)
    lines = (len(panels) + 2) // 3
    figure, grid = plt.subplots(lines, 3, figsize=(9.5, 0.4 + 3.1 * lines))
    for one in grid.flat[len(panels):]:
        one.remove()
    for one, (label, some) in zip(grid.flat, panels.items()):
        counts = [r.extra["batch"] for r in some]
        for side, color in SIDES.items():
            for key, style in (("wall_ns", "-"), ("process_ns", ":")):
                one.plot(counts, [r.extra["sides"][side][key] / 1000 for r in some], style,
                         color=color, marker="." if style == "-" else None,
                         label=side if style == "-" else None)
        one.set_xscale("log", base=2)
        one.set_xticks(counts, [str(c) for c in counts], fontsize=8)
        one.set_ylim(bottom=0)
        one.set_xlabel("files in a batch", fontsize=8)
        one.set_title(label, loc="left", fontsize=9)
    grid.flat[0].set_ylabel("µs per file; dotted: CPU", fontsize=9)
    grid.flat[0].legend(frameon=False, fontsize=8)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return _save(plt, figure, path)


def charts(rows, out):
    """SVG files for what was measured; none where matplotlib is missing."""
    try:
        plt = _plot()
    except ImportError:
        print("no charts: python3-matplotlib is not installed")
        return []
    made = []
    micro = [r for r in rows if r.family == "microcosts"]
    if micro:
        made.append(micro_chart(plt, micro, out / "microcosts.svg"))
    for family, draw in CHARTS.items():
        some = [r for r in rows if r.family == family]
        if some:
            made.append(draw(plt, some, TITLES[family].replace("`", ""), out / f"{family}.svg"))
    return made


CHARTS = {
    **dict.fromkeys(("hot", "slow", "events", "tools", "tools_hot", "atcall"), ratio_chart),
    "fuse_entries": entries_chart, "fuse_batch": batch_chart, "fuse_filter": batch_chart,
    **dict.fromkeys(("fuse_reader", "fuse_auto", "fuse_cold"), ratio_chart),
}


# --- the page ----------------------------------------------------------------

PAGE = """\
# Performance

Made by `make bench BENCH=--publish`, a section at a time if need be (`--only NAME --publish`); do
not edit. Medians of paired runs in alternating order; the quartiles are those of the paired ratios
(or differences). Client and server share the machine's cores. Absolute figures move from machine to
machine; ratios and their order hold better.
"""

STAMP = """\
{cpu}, {cores} cores, Linux {kernel} ({arch}), {libc}, {date}; {rounds} rounds or more. Targets met:
{met} of {targets}.{missed}
"""


def table(rows):
    lines = ["| " + " | ".join(HEAD) + " |", "|---|--:|--:|---|--:|--:|--:|---|---|"]
    lines += ["| " + " | ".join(cells(r)) + " |" for r in rows]
    return "\n".join(lines)


def section(results, family, rows, chart):
    judged = [r for r in rows if r.met is not None]
    missed = [f"{r.name} ({value_text(r)}, target {target_text(r)})" for r in judged if not r.met]
    parts = [f"{INTROS[family]}\n"]
    if chart:
        parts.append(f"![{TITLES[family]}](img/{family}.svg)\n")
    parts.append(table(rows) + "\n")
    parts.append(STAMP.format(**results["machine"], rounds=min(r.rounds for r in rows),
                              met=len(judged) - len(missed), targets=len(judged),
                              missed=" Missed: " + "; ".join(missed) + "." if missed else ""))
    return "\n".join(parts)


def publish(results, rows, made, docs):
    """Writes the page; sections that were not measured now stay as they are."""
    img = docs / "img"
    img.mkdir(parents=True, exist_ok=True)
    for chart in made:
        shutil.copy(chart, img / chart.name)
    page = docs / "PERFORMANCE.md"
    old = page.read_text().split("\n## ")[1:] if page.exists() else []
    sections = dict(part.split("\n\n", 1) for part in old)
    for family in dict.fromkeys(r.family for r in rows):
        sections[TITLES[family]] = section(results, family,
                                           [r for r in rows if r.family == family],
                                           any(c.name == f"{family}.svg" for c in made))
    text = PAGE + "".join(f"\n## {title}\n\n{sections[title].strip()}\n"
                          for title in TITLES.values() if title in sections)
    if results["skipped"]:
        text += "\nLeft out on this machine: " + "; ".join(results["skipped"]) + ".\n"
    page.write_text(text)
