"""Writes the functions that an idle Serin runs, and then those of its first requests, as a linker script.

    just order

Runs the binary under callgrind with the config of `benches/peers`: it starts and waits, proxies, and is scraped and
probed; and starts once more, with a state. A function belongs to the first of these that runs it. The names are cut before the hash that a
compiler puts at their ends, and to a whole module where most of it has run, so that the script survives changes of the
source; what it names and the linker does not find is no error, and costs memory alone.
"""

import bisect
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "benches/peers"))
from proxies import SERIN  # noqa: E402

# Of what a name cut short stands for, so much has to have run.
MOSTLY = 0.9

HEAD = """\
/* Which functions come first: those that a start runs, those of a request, those of a scrape; then those that the compiler
   takes for unlikely, which are small and everybody's, and then the rest. Written by `just order`. */
SECTIONS
{
  .text :
  {"""

TAIL = """\
    *(.text.unlikely.*)
    *(.text .text.*)
  }
}
INSERT BEFORE .fini;"""


def serve(listener: socket.socket):
    """A backend that says yes."""

    def answer(client: socket.socket):
        while client.recv(65536):
            client.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 64\r\n\r\n" + bytes(64))

    while True:
        threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()


def ask(port: int, path: str, times: int):
    """That many requests on one connection."""
    with socket.create_connection(("127.0.0.1", port)) as connection, connection.makefile("rb") as answer:
        for number in range(times):
            canary = "x-canary: always\r\n" if number % 10 == 9 else ""
            connection.sendall(f"GET {path} HTTP/1.1\r\nhost: localhost\r\n{canary}\r\n".encode())
            length = 0
            while (line := answer.readline()) not in (b"\r\n", b""):
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            answer.read(length)


def run(binary: str, work: Path) -> list[set[int]]:
    """The addresses that run in each stage."""
    backends = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    for backend in backends:
        threading.Thread(target=serve, args=(backend,), daemon=True).start()
    ports = []
    for _ in range(2):
        with socket.create_server(("127.0.0.1", 0)) as free:
            ports.append(free.getsockname()[1])
    web, admin = ports
    stable, canary = (backend.getsockname()[1] for backend in backends)
    text = SERIN.format(port=web, backend=stable, second_backend=canary, directory=work)
    (work / "config.yaml").write_text(text.replace('"127.0.0.1:0"', f'"127.0.0.1:{admin}"'))

    def start():
        time.sleep(15)

    def requests():
        for _ in range(8):
            ask(web, "/a/path?and=query", 125)

    def scrape():
        for path in ("/metrics", "/healthz", "/readyz", "/api/v1/rollouts"):
            ask(admin, path, 2)

    first = watch(binary, str(work / "config.yaml"), work, [start, requests, scrape])
    # Now there is a state to be read; and the file is named as from where it is.
    again = watch(binary, "config.yaml", work, [start])
    return [first[0] | again[0], *first[1:]]


def watch(binary: str, config: str, work: Path, stages) -> list[set[int]]:
    """The addresses that run in each stage of one process."""
    out = Path(tempfile.mkdtemp(dir=work)) / "calls"
    process = subprocess.Popen(
        ["valgrind", "--tool=callgrind", "--dump-instr=yes", f"--callgrind-out-file={out}",
         binary, "run", "--config", config, "--workers", "2"], cwd=work, stderr=subprocess.DEVNULL)  # fmt: skip
    try:
        found = []
        for number, stage in enumerate(stages, 1):
            stage()
            time.sleep(2)
            subprocess.run(["callgrind_control", "-d", str(process.pid)], check=True, stdout=subprocess.DEVNULL)
            dump = out.with_suffix(f".{number}")
            while not dump.exists():
                time.sleep(0.1)
            time.sleep(2)
            found.append(addresses(dump, Path(binary).name))
        return found
    finally:
        process.terminate()
        process.wait()


def addresses(dump: Path, binary: str) -> set[int]:
    """Callgrind's format: a position is absolute, or relative to the one before it."""
    found, objects, ours, position = set(), {}, False, 0
    for line in dump.read_text().splitlines():
        if named := re.match(r"(c?ob)=\((\d+)\)(?: (.*))?", line):
            if named[3]:
                objects[named[2]] = named[3]
            if named[1] == "ob":
                ours = Path(objects[named[2]]).name == binary
        elif line[:1] in tuple("0123456789+-*"):
            at = line.split()[0]
            if at != "*":
                position = position + int(at) if at[0] in "+-" else int(at, 16)
            if ours:
                found.add(position)
    return found


def functions(binary: str) -> list[tuple[int, int, str]]:
    """Address, size and mangled name, by address."""
    names = subprocess.run(["nm", "-n", "-S", binary], check=True, capture_output=True, text=True).stdout
    fields = (line.split() for line in names.splitlines())
    return [(int(f[0], 16), int(f[1], 16), f[3]) for f in fields if len(f) == 4 and f[2] in "tTwW"]


def parts(name: str) -> list[str]:
    """A name's parts, outermost first, without the hash: joined, and with a star behind, they are a pattern."""
    name = re.sub(r"\.(llvm\.)?\d+$", "", name)
    if name.startswith("_R"):
        # The hash of a crate; and at the end the crate that the function was compiled for.
        name = re.sub(r"Cs[0-9a-zA-Z]+_", "Cs*_", name)
        last = re.search(r"Cs\*_(\d+)(\w+)$", name)
        return [name[: last.start()] if last and len(last[2]) == int(last[1]) else name]
    if not name.startswith("_ZN"):
        return [name]
    found, at = ["_ZN"], 3
    while length := re.match(r"\d+", name[at:]):
        at += len(length[0])
        part = name[at : at + int(length[0])]
        at += int(length[0])
        if re.fullmatch(r"h[0-9a-f]{16}", part):
            break
        if part.startswith("_$") and len(found) == 1:
            # `<a::b as c::d>`: its length says nothing, and it has parts of its own.
            pieces = re.split(r"(\.\.|\$u20\$|\$C\$|\$GT\$)", part)
            found.append("*" + pieces[0])
            found += [pieces[i] + pieces[i + 1] for i in range(1, len(pieces) - 1, 2)]
        else:
            found.append(length[0] + part)
    return found


class Node:
    """All names that begin with the same parts."""

    def __init__(self):
        self.bytes, self.ran, self.stage, self.below = 0, 0, 99, {}

    def patterns(self, name: str):
        for part, node in sorted(self.below.items()):
            if node.ran >= MOSTLY * node.bytes or (node.ran and not node.below):
                yield node.stage, f"{name}{part}*"
            elif node.ran:
                yield from node.patterns(name + part)


def main(binary: str):
    binary = str(Path(binary).resolve())
    with tempfile.TemporaryDirectory() as work:
        stages = run(binary, Path(work))
    symbols = functions(binary)
    starts = [symbol[0] for symbol in symbols]
    first: dict[int, int] = {}
    for stage, ran in enumerate(stages):
        for address in ran:
            index = bisect.bisect_right(starts, address) - 1
            if index >= 0 and address < starts[index] + symbols[index][1]:
                first.setdefault(index, stage)
    root = Node()
    for index, (_, size, name) in enumerate(symbols):
        node = root
        for part in parts(name):
            node = node.below.setdefault(part, Node())
            node.bytes += size
            if index in first:
                node.ran += size
                node.stage = min(node.stage, first[index])
    print(HEAD)
    for _, pattern in sorted(root.patterns("")):
        print(f"    *(.text.{pattern})")
    print(TAIL)
    for stage, name in enumerate(["a start", "a request", "a scrape"]):
        size = sum(symbols[index][1] for index, at in first.items() if at == stage)
        print(f"{name}: {size / 1024:.0f} KiB of functions", file=sys.stderr)


main(sys.argv[1])
