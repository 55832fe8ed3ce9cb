"""schemathesis: requests made from the node's own description of itself, right ones and wrong ones."""

import re, subprocess, sys
from parties import MODEL

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
EXAMPLES, SECONDS = 20, 30
# Names that schemathesis makes up are nobody's here: a second run knows those that are somebody's.
NAMES = {"made-up names": "", "names of what is there": f"""
[parameters]
"path.model" = "{MODEL}"
"path.version" = "latest"
"path.selector" = "latest"
"""}


def check(report, node, seed, work):
    for what, parameters in NAMES.items():
        folder = work / what.replace(" ", "-")
        folder.mkdir()
        configuration = folder / "schemathesis.toml"
        configuration.write_text(parameters)
        run(report, node, seed, folder, configuration, what)


def run(report, node, seed, folder, configuration, what):
    done = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", "--config-file", configuration, "run", node.url + "/openapi.json",
         "--checks", CHECKS, "--phases", "examples,coverage,fuzzing", "--max-examples", str(EXAMPLES), "--max-time",
         str(SECONDS), "--seed", str(seed), "--generation-database", "none", "--continue-on-failure", "--request-timeout",
         "10", "--warnings", "off", "--no-color", "--suppress-health-check", "all"],
        capture_output=True, text=True, timeout=5 * SECONDS, cwd=folder)
    found = re.search(r"^\s*(\d+) generated", done.stdout, re.M)
    count = int(found[1]) if found else 0
    report.counts[report.kind] += max(0, count - 1)
    report.check(done.returncode == 0 and count > 0,
                 f"{what}: schemathesis ended with {done.returncode}:\n{done.stdout[-8000:]}{done.stderr[-2000:]}")
