"""Subscribes to a run's report server from its first moment on, and compares what comes with a recording.

events.py RUNINFO RECORDED TOOLS: RUNINFO is the folder in which the run's own folder appears, RECORDED the events of
the real server, TOOLS the folder of the comparators. Ends with 0 when both say the same."""
import asyncio
import collections
import glob
import json
import os
import re
import sys
import time

sys.path.insert(0, sys.argv[3])
import pyats_compare  # noqa: E402
from pyats.reporter import ReportClient  # noqa: E402


def found(folder):
    until = time.time() + 60
    while time.time() < until:
        for path in glob.glob(os.path.join(folder, "*", "reporter.sock")):
            return path
        time.sleep(0.0005)
    sys.exit("no report server appeared")


def plain(value):
    """As the recording has it: a result by its parts, anything else that JSON does not know as text."""
    if hasattr(value, "value") and hasattr(value, "reason"):
        parts = {"value": value.value, "reason": value.reason, "data": plain(value.data)}
        return {key: part for key, part in parts.items() if part is not None}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value if value is None or isinstance(value, (bool, int, float)) else str(value)


def settled(event):
    """An event without what differs from run to run: times, offsets, numbers, addresses."""
    kept = {k: v for k, v in event.items() if k not in ("seq_num", "parent_seq_num", "runtime", "starttime", "stoptime")}
    for key in ("starttime", "stoptime"):
        if key in event:
            kept[key] = "TIME"
    if "logs" in kept:
        kept["logs"] = {k: v if k == "file" else "N" for k, v in kept["logs"].items()}
    text = pyats_compare.normal(json.dumps(kept, sort_keys=True))
    # Which of two parallel children comes first is chance.
    text = re.sub(r"\b(pcall|child) step \d", r"\1 step N", text)
    return list(event), text


async def listen(path):
    events = []

    async def heard(event):
        events.append(plain(event))

    client = ReportClient(path)
    try:
        await client.subscribe(heard)
    except Exception as why:  # the end of the stream
        print("subscription ended:", repr(why), file=sys.stderr)
    return events


def main():
    events = asyncio.run(listen(found(sys.argv[1])))
    with open(sys.argv[2], encoding="utf-8") as source:
        recorded = [json.loads(line) for line in source]
    ours = collections.Counter(repr(settled(event)) for event in events)
    theirs = collections.Counter(repr(settled(event)) for event in recorded)
    for text in (theirs - ours).elements():
        print("missing:", text[:1500])
    for text in (ours - theirs).elements():
        print("not recorded:", text[:1500])
    print(len(events), "events,", len(recorded), "recorded")
    seq = {event["seq_num"]: event for event in events}
    orphans = [e for e in events if e.get("parent_seq_num", 1) not in seq]
    print(len(orphans), "events of parents that were never told of")
    sys.exit(0 if ours == theirs and not orphans else 1)


main()
