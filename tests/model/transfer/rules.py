"""The rules of the protocol, by name. Each can be taken away to see what then breaks."""

# Rules without which a run must fail: the proof that the model can fail.
BEARING = {
    "ack-after-commit": "the core acknowledges only after the database commit",
    "once": "the core applies a body that is committed no second time",
    "keep-sets": "the committed numbers of an epoch are never pruned",
    "new-epoch": "a boot (or a tmpfs floor that is gone) begins a new epoch",
    "ever-given": "the next number is past the largest ever given, not past the largest held",
    "digest": "(epoch, number, digest) names a body: another one under a known number is applied too",
    "fork": "two bodies under one number mark the epoch as forked: its numbers may hide losses",
    "session": "an ack names the session of the send it answers; the agent ignores others",
    "floor": "the header states the oldest number that is still held of its epoch",
    "cut-end": "an end without an exact number speaks for every number that the core ever heard of",
    "prev": "the header names the epoch before; the core keeps a row for it even if never heard",
    "ask": "the core asks for epochs that are open and silent; the agent states them again",
    "fold-doubt": "a committed number of a folded epoch that comes again may hide a loss: a fork",
    "abandon": "an epoch that the core asks for in vain for a day becomes a possible gap",
    "heal": "gap = lost minus committed: a batch that arrives late shrinks it",
    "next-event": "a write compares next_event; an owner that meets another one drops its cache",
    "keyframe": "full keyframes after each connect and drop, and periodically",
    "clamp": "an anchor is never later than any send allows",
    "derive": "the core keeps (boot, mono) and one anchor a boot, no wall times",
    "time-base": "boot.id names a time base: a trusted anchor that jumps makes a new one and a new epoch",
    "age": "fields that were read earlier than the record say so",
}

# Rules that safety does not rest on: without them nothing is lost unseen or doubled, only
# shown later, less exactly, or with more work.
EASING = {
    "push": "a boot pushes an epoch_end of the epoch before, without being asked",
    "end": "an orderly end states one past the last number; without it the tail stays possible",
    "fold": "of an epoch that is over and accounted for the digests go, its numbers stay",
    "fence": "a write needs the lease's owner and term (next-event alone already keeps it right)",
    "ack-anchor": "an agent without trusted time makes its anchor from the core's time in acks",
}

ALL = {**BEARING, **EASING}

# For each bearing rule a scenario that fails soon without it.
PROOF = {
    "ack-after-commit": "network",
    "once": "network",
    "keep-sets": "reboot",
    "new-epoch": "cut-drops",
    "ever-given": "kill9",
    "digest": "cloned-vm",
    "fork": "restored-vm",
    "session": "cloned-vm",
    "floor": "drops",
    "cut-end": "cut",
    "prev": "restored-core",
    "ask": "restored-core",
    "fold-doubt": "restored-vm",
    "abandon": "restored-card",
    "heal": "drops",
    "next-event": "restored-live",
    "keyframe": "drops",
    "clamp": "clock-lies",
    "derive": "clock",
    "time-base": "restored-vm",
    "age": "network",
}
