"""Everything that clients and tools of others say about serving nodes, in one run.

    main.py MURMUR WORK [--kserve] [--grpc] [--node PROGRAM] [--write] [--kills N] [--seed S] [--only KIND,…]

Ends with 1 if a check does not hold.
"""

import argparse, json, os, random, sys
from pathlib import Path
from parties import BIG_ARCHITECTURE, BIG_MODEL, MODEL, Federation, Process, until
from reference import held_out, published
from report import Report
from web import ask
import matrix, outage

# As many as fit into the minutes that a step of CI may take; the pulls are 100 in any case.
KILLS = 30
PULL_KILLS = 100
SWAPS = 10
KINDS = ["tritonclient", "grpc", "numpy", "examples", "artefacts", "curl", "metrics", "schemathesis", "pulls", "access", "swaps",
         "kills", "damage"]


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("murmur")
    parser.add_argument("work", type=Path)
    parser.add_argument("--kserve", action="store_true")
    parser.add_argument("--grpc", action="store_true")
    parser.add_argument("--node")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--only", type=lambda text: text.split(","), default=KINDS)
    return parser.parse_args()


def ready(node, model, version):
    return ask(node.place, "GET", f"/v2/models/{model}/versions/{version}/ready").status == 200


def train(federation):
    """A big model of version 0, and a run without an end: it stops with the processes and goes on with them.

    Returns the version of the small model that a node has stored and serves alone, without a coordinator.
    """
    federation.start_coordinator()
    federation.submit(federation.write_run(BIG_MODEL, BIG_ARCHITECTURE, 1))
    until(30, "version 0 of the big model", lambda: federation.versions(BIG_MODEL) == [0])
    federation.run("run", "stop", BIG_MODEL, "--home", federation.home / "coordinator")
    federation.start_workers()
    federation.submit(federation.write_run(MODEL, "mlp 64-128-10", 100_000))
    node = federation.node("serving", "--insecure-anonymous")
    until(90, "version 3 at the node", lambda: outage.stored(federation) >= 3 and ready(node, BIG_MODEL, "0"))
    federation.stop()
    node.end()
    return outage.stored(federation)


def stages_of(report, options):
    """Runs a kind of checks that is wanted, with choices of its own that follow from the seed."""
    def stage(kind, body):
        if kind in options.only or kind == "kserve":
            with report.stage(kind):
                body(random.Random(f"{options.seed} {kind}"))
    return stage


def alone(report, federation, options, served, data):
    """A node without a coordinator, before clients that only ask."""
    rows, labels = data
    weights = published(federation, served)
    admin = json.loads(federation.run("keys", "create", "operator", "--scope", "admin", "--scope", "model:read", "--home",
                                      federation.home / "serving", "--json").stdout)["key"]
    node = federation.node("serving", "--insecure-anonymous")
    until(30, "readiness", lambda: ready(node, MODEL, served) and ready(node, BIG_MODEL, "0"))

    report.equal("grpc" in node.endpoints, options.grpc, "gRPC among the node's addresses")
    stage = stages_of(report, options)
    if options.kserve:
        sys.argv = sys.argv[:1]  # It reads the arguments of whoever imports it.
        import kserve_client
        stage("kserve", lambda _: kserve_client.check(report, node, served, weights, rows))
        node.end()
        return
    # Only these need the packages of the other environment.
    import access, artefacts, examples, exposition, kills, library, predictions, rpc, schema, triton
    stage("tritonclient", lambda _: triton.check(report, node, served, weights, rows, admin))
    stage("grpc", lambda _: rpc.check(report, node, rows, options.work))
    stage("numpy", lambda _: predictions.check(report, node, weights, rows, labels))
    stage("examples", lambda _: examples.check(report, node, options.work))
    stage("artefacts", lambda _: artefacts.check(report, federation, node, options.work, rows, labels))
    stage("curl", lambda choices: library.check(report, node, options.work, choices))
    stage("metrics", lambda _: exposition.check(report, node, rows))
    stage("schemathesis", lambda _: schema.check(report, node, options.seed, options.work))
    stage("pulls", lambda choices: kills.Pulls(report, federation, node, options.work, choices).run(
        max(PULL_KILLS, options.kills)))
    report.kind = "end"
    report.check(node.end(), "SIGTERM: found the node to go on for 10 s")
    stage("access", lambda _: access.check(report, federation, rows))


def together(report, federation, options, data):
    """A node that follows a run, which goes on."""
    stage = stages_of(report, options)
    federation.start_coordinator()
    federation.start_workers()
    stage("swaps", lambda _: outage.swap(report, federation, data[0], SWAPS))
    stage("kills", lambda choices: outage.kill_node(report, federation, data[0], choices, options.kills))
    until(60, "a version that the node has not seen", lambda: federation.versions()[-1] > outage.stored(federation))
    federation.stop()
    stage("damage", lambda _: outage.damage(report, federation, data[0]))


def stages(report, federation, options):
    with report.stage("training"):
        served = train(federation)
        report.check(served >= 3, f"found version {served}, expected 3 or a later one")
    if report.failures:
        return
    data = held_out()
    with report.stage("node"):
        alone(report, federation, options, served, data)
    if not options.kserve and {"swaps", "kills", "damage"} & set(options.only):
        with report.stage("federation"):
            together(report, federation, options, data)
    with report.stage("matrix"):
        matrix.settle(report, options.write)


def main():
    options = arguments()
    # Everything is on this machine, whatever proxy the environment names.
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        os.environ.pop(name, None)
    print(f"seed {options.seed}")
    report = Report()
    try:
        federation = Federation(options.murmur, options.node or options.murmur, options.work, options.grpc)
        stages(report, federation, options)
    finally:
        Process.end_all()
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
