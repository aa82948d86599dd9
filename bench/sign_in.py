#!/usr/bin/env python3
"""Sign-in over HTTP beside the bare password hash, and reads beside sign-ins.

  sign_in.py --harness DIR --hash EXECUTABLE [--pairs N] [--seconds S]

Many users from many addresses: each request is another user's, and comes from an address of its own
(X-Forwarded-For, from a trusted proxy), so that lockouts count as they do by default.
`cargo xtask bench sign-in` builds what it needs. Python 3.11 or later, its standard library only.
"""

import argparse
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import threading
from pathlib import Path

HERE = Path(__file__).resolve().parent
USERS = 256

SIGN_IN = """
local n, users, password = 0, %(users)d, "%(password)s"
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Host"] = "127.0.0.1"
math.randomseed(%(seed)d)
request = function()
  n = n + 1
  wrk.headers["X-Forwarded-For"] = string.format("10.%%d.%%d.%%d", math.random(0, 255), math.random(0, 255), math.random(1, 254))
  local body = string.format('{"login":"user%%d","password":"%%s","session":true}', n %% users, password)
  return wrk.format(nil, "/api/v1/auth/login", nil, body)
end
"""

# Each connection asks, reads, and pauses: a load that the machine has room for.
READ = """
wrk.headers["Cookie"] = "%(cookie)s"
wrk.headers["X-Forwarded-For"] = "10.1.2.3"
delay = function() return %(pause)d end
"""

RESULT = """
done = function(s, latency, requests)
  io.write(string.format('RESULT {"n":%d,"us":%d,"p50":%d,"p99":%d,"bad":%d}\\n', s.requests, s.duration,
    latency:percentile(50), latency:percentile(99),
    s.errors.status + s.errors.connect + s.errors.read + s.errors.write + s.errors.timeout))
end
"""


def wrk(run, name, script, path, conns, seconds):
    """Loads it; the figures of the run. In a session of its own, so that its priority is one of its own."""
    file = run.STATE / "run" / f"{name}.lua"
    file.write_text(script + RESULT)
    out = subprocess.Popen(
        ["wrk", "-t1", f"-c{conns}", f"-d{seconds}s", "--timeout", "60s", "-s", str(file),
         f"http://{run.HOST}:{run.PORTS['PORT']}{path}"],
        stdout=subprocess.PIPE, text=True)
    text, _ = out.communicate(timeout=seconds + 90)
    line = next((line for line in text.splitlines() if line.startswith("RESULT ")), None)
    if line is None:
        raise RuntimeError(f"wrk failed: {text}")
    return json.loads(line.removeprefix("RESULT "))


def add_users(run, binary):
    """USERS users with the hash of the one that the peer's start made."""
    folder = run.STATE / "run" / "palisade"
    database = sqlite3.connect(f"file:{folder}/palisade.db?mode=ro", uri=True)
    (found,) = database.execute("SELECT password FROM users WHERE name = 'bench'").fetchone()
    database.close()
    table = folder / "users.json"
    table.write_text(json.dumps(
        [{"name": f"user{n}", "password": found, "roles": ["user"]} for n in range(USERS)]))
    subprocess.run([binary, "import", "users", table, "--policy", folder / "palisade.toml"],
                   check=True, stdout=subprocess.DEVNULL)


def warn_of_sessions():
    """Whether the kernel shares the cores among sessions first, in which case no priority of a thread is heard outside."""
    try:
        on = Path("/proc/sys/kernel/sched_autogroup_enabled").read_text().strip() == "1"
    except OSError:
        on = False
    if on:
        print("sched_autogroup_enabled is 1: reads compete with hashing as sessions, not as threads. "
              "Set it to 0 for the run, as on a host with control groups or a client elsewhere.", flush=True)


def one_pair(run, peer, services, options, seed):
    """Quiet reads, the hash alone, sign-ins, and sign-ins beside reads; in this order, close together."""
    sign_in = SIGN_IN % {"users": USERS, "password": run.PASSWORD, "seed": seed}
    read = READ % {"cookie": peer.vars["cookie"], "pause": options.pause}
    reading = (run, "read", read, "/api/upf/processes", options.readers, options.seconds)
    signing = (run, "sign_in", sign_in, "/", options.conns, options.seconds)
    if options.priority:
        run.lift([peer.proc, *services], options.priority)
    quiet = wrk(*reading)
    before = os.times()
    alone = json.loads(subprocess.check_output([options.hash, str(options.seconds)], text=True))
    spent = os.times()
    alone["cpu"] = spent.children_user + spent.children_system - before.children_user - before.children_system
    cpu = peer.proc.cpu()
    signed = wrk(*signing)
    signed["cpu"] = peer.proc.cpu() - cpu
    beside = {}
    thread = threading.Thread(target=lambda: beside.update(wrk(*reading)))
    thread.start()
    both = wrk(*signing)
    thread.join()
    return {
        "hash_rate": alone["hashes"] / alone["seconds"],
        "hash_cpu_ms": alone["cpu"] / alone["hashes"] * 1e3,
        "rate": signed["n"] / signed["us"] * 1e6,
        "cpu_ms": signed["cpu"] / max(signed["n"], 1) * 1e3,
        "p50_ms": signed["p50"] / 1e3, "p99_ms": signed["p99"] / 1e3,
        "rate_beside": both["n"] / both["us"] * 1e6,
        "read_quiet_rate": quiet["n"] / quiet["us"] * 1e6,
        "read_quiet_p99_ms": quiet["p99"] / 1e3,
        "read_rate": beside["n"] / beside["us"] * 1e6,
        "read_p99_ms": beside["p99"] / 1e3,
        "bad": quiet["bad"] + signed["bad"] + both["bad"] + beside["bad"],
    }


def main():
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--harness", required=True, help="the folder of run.py and peers/")
    cli.add_argument("--hash", required=True, help="the executable of the bench 'hash' of palisade-access")
    cli.add_argument("--pairs", type=int, default=5)
    cli.add_argument("--seconds", type=int, default=4)
    cli.add_argument("--conns", type=int, default=32, help="sign-ins under way at once")
    cli.add_argument("--readers", type=int, default=16, help="connections that read")
    cli.add_argument("--pause", type=int, default=10, help="milliseconds between two reads of a connection")
    cli.add_argument("--priority", type=int, default=0, help="as root: the nice value of our sessions")
    options = cli.parse_args()
    sys.path.insert(0, options.harness)
    os.environ["PEERS_EXTRA"] = str(HERE / "peers")
    os.environ["BENCH_PROXIES"] = '["127.0.0.0/8"]'
    # The same for the server and for the command that adds users.
    os.environ["SECRET_KEY"] = "bench-only-00112233445566778899aabbccddeeff"
    os.environ["JWT_SECRET_KEY"] = "bench-only-ffeeddccbbaa99887766554433221100"
    import run

    warn_of_sessions()
    run.STATE.mkdir(parents=True, exist_ok=True)
    peer = run.load_peers()["palisade"]
    if why := peer.missing():
        sys.exit(f"palisade: {why}")
    run.want_free(*run.PORTS.values())
    upstream, rows = run.SERVICES["upstream"](), []
    sampler = None
    try:
        peer.start()
        add_users(run, os.environ["PALISADE_BIN"])
        sampler = run.Sampler(peer.proc)
        sampler.start()
        for number in range(options.pairs):
            row = one_pair(run, peer, [upstream], options, number + 1)
            rows.append(row)
            print(f"pair {number + 1}: " + ", ".join(f"{key} {value:.4g}" for key, value in row.items()), flush=True)
    finally:
        if sampler:
            sampler.over.set()
            sampler.join()
        peer.stop()
        upstream.stop()
    median = lambda of: statistics.median(map(of, rows))
    print(f"sign-ins over the hash alone: {median(lambda r: r['rate'] / r['hash_rate']):.2f} by rate, "
          f"{median(lambda r: r['hash_cpu_ms'] / r['cpu_ms']):.2f} by CPU")
    print(f"p99 of reads beside sign-ins over quiet: {median(lambda r: r['read_p99_ms'] / r['read_quiet_p99_ms']):.2f}")
    print(f"memory at most {sampler.peak / 2**20:.0f} MiB; answers that were not 2xx: {sum(r['bad'] for r in rows)}")


if __name__ == "__main__":
    main()
