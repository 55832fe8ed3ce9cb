"""What was checked, what was found instead, and which requests each client made."""

import collections, contextlib, time, traceback


class Report:
    """Counts checks by kind. A check that fails is printed where it happens, and the next ones go on."""

    def __init__(self):
        self.counts, self.failures, self.skipped = collections.Counter(), [], []
        self.cells = collections.defaultdict(set)
        self.kind = "?"

    @contextlib.contextmanager
    def stage(self, kind):
        """Checks of one kind; what a check cannot survive ends the kind, not the run."""
        outer, self.kind, started = self.kind, kind, time.monotonic()
        try:
            yield
        except Exception:
            self.fail(f"ended early:\n{traceback.format_exc(limit=-6)}")
        if self.counts[kind]:
            print(f"{kind}: {self.counts[kind]} checks in {time.monotonic() - started:.1f} s", flush=True)
        self.kind = outer

    def fail(self, text):
        self.failures.append(f"{self.kind}: {text}")
        print(f"FAILED {self.kind}: {text}", flush=True)

    def check(self, holds, text):
        """Counts one check; `text` says what was found and what was expected."""
        self.counts[self.kind] += 1
        if not holds:
            self.fail(text)
        return bool(holds)

    def equal(self, found, expected, what):
        return self.check(found == expected, f"{what}: found {found!r:.600}, expected {expected!r:.600}")

    def skip(self, reason):
        self.skipped.append(f"{self.kind}: {reason}")
        print(f"SKIPPED {self.kind}: {reason}", flush=True)

    def does(self, client, row, part="all"):
        """Notes for the matrix in the documentation that a client does what a row of it says, or a part of that."""
        self.cells[row, client].add(part)

    def end(self):
        """Prints the summary, which is the last line; the exit code."""
        for text in self.skipped:
            print(f"skipped: {text}")
        for text in self.failures:
            print(f"failed: {text.splitlines()[0]:.200}")
        kinds = ", ".join(f"{kind} {count}" for kind, count in self.counts.items())
        total = sum(self.counts.values())
        verdict = f"{len(self.failures)} failed" if self.failures else "all hold"
        print(f"serving: {total} checks, {verdict} ({kinds})")
        return 1 if self.failures or not total else 0
