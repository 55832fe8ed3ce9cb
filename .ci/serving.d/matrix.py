"""The matrix of Protocols/inference.md: what each client does with a node, as the run found it."""

import re
from parties import ROOT

PAGE = ROOT / "Protocols/inference.md"
MARKS = "<!-- the matrix, written by .ci/serving --write -->\n", "<!-- end of the matrix -->\n"
CLIENTS = ["tritonclient", "tritonclient, asyncio", "kserve"]
# Named in any of three ways, and refused where one is named that is not there.
PARTS = ["no version", "number", "alias", "unknown model", "unknown version", "unknown alias"]


def text(parts):
    """A cell: all that a row stands for, or those parts of it that the client can and did ask for."""
    return "yes" if "all" in parts or parts == set(PARTS) else ", ".join(part for part in PARTS if part in parts)


def read(table):
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line.startswith("|")]
    return {(row, client): cell for row, *cells in rows[2:] for client, cell in zip(CLIENTS, cells) if cell != "–"}


def write(cells):
    rows = sorted({row for row, _ in cells})
    lines = [["", *CLIENTS], ["---"] * (1 + len(CLIENTS))]
    lines += [[row, *(cells.get((row, client), "–") for client in CLIENTS)] for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def settle(report, is_written):
    """Compares what was found with the page, or writes it there. Cells of clients that did not run stay."""
    page = PAGE.read_text()
    start, end = page.index(MARKS[0]) + len(MARKS[0]), page.index(MARKS[1])
    known = read(page[start:end])
    found = {key: text(parts) for key, parts in report.cells.items()}
    if is_written:
        PAGE.write_text(page[:start] + write({**known, **found}) + page[end:])
        return
    for (row, client), cell in sorted(found.items()):
        report.equal(known.get((row, client)), cell, f"{PAGE.name}, '{row}', {client}; '.ci/serving --write' writes it")
