#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the rules of programs that are forked from a pool's interpreter, which has imported numpy and seeded `random`."""
import berth

failed = []


def check(rule, holds, seen=""):
    if not holds:
        failed.append(rule)
        print("does not hold: %s: %s" % (rule, seen))


def python(lease, code, **options):
    execution = lease.execute(code=code, language="python", **options)
    out, err = bytearray(), bytearray()
    for event in execution:
        if isinstance(event, berth.Output):
            (out if event.stream == berth.Stream.STDOUT else err).extend(event.data)
    return execution, bytes(out).decode(), bytes(err).decode()


# Every process of root but the first, with what can be done to it.
ATTACK = """
import ctypes, os, signal
libc = ctypes.CDLL(None, use_errno=True)
mine = {os.getpid()}
for pid in sorted(int(n) for n in os.listdir('/proc') if n.isdigit()):
    if pid == 1 or pid in mine or os.stat('/proc/%d' % pid).st_uid != 0:
        continue
    done = []
    for name, act in (
        ('kill', lambda: os.kill(pid, signal.SIGKILL)), ('stop', lambda: os.kill(pid, signal.SIGSTOP)),
        ('signal 0', lambda: os.kill(pid, 0)), ('group', lambda: os.killpg(pid, signal.SIGTERM)),
        ('mem', lambda: open('/proc/%d/mem' % pid, 'rb')), ('write', lambda: open('/proc/%d/mem' % pid, 'wb')),
        ('environ', lambda: open('/proc/%d/environ' % pid, 'rb').read()),
        ('maps', lambda: open('/proc/%d/maps' % pid).read()), ('fd', lambda: os.listdir('/proc/%d/fd' % pid)),
        ('cwd', lambda: os.readlink('/proc/%d/cwd' % pid)), ('exe', lambda: os.readlink('/proc/%d/exe' % pid)),
        ('oom', lambda: open('/proc/%d/oom_score_adj' % pid, 'w').write('1000') and 0),
        ('limits', lambda: __import__('resource').prlimit(pid, 7, (1, 1))),
        ('affinity', lambda: os.sched_setaffinity(pid, {0})), ('nice', lambda: os.setpriority(0, pid, 19)),
    ):
        try:
            # Of a process that has just ended, an empty text can be read.
            if act() not in ('', b''): done.append(name)
        except OSError:
            pass
    if libc.ptrace(16, pid, 0, 0) == 0: done.append('attach')
    if libc.ptrace(0x4206, pid, 0, 0) == 0: done.append('seize')
    class IO(ctypes.Structure): _fields_ = [('base', ctypes.c_void_p), ('size', ctypes.c_size_t)]
    room = ctypes.create_string_buffer(8)
    local, remote = IO(ctypes.addressof(room), 8), IO(0x400000, 8)
    if libc.process_vm_readv(pid, ctypes.byref(local), 1, ctypes.byref(remote), 1, 0) >= 0: done.append('vm_readv')
    pidfd = libc.syscall(434, pid, 0)
    if pidfd >= 0 and libc.syscall(438, pidfd, 3, 0) >= 0: done.append('getfd')
    if pidfd >= 0 and libc.syscall(424, pidfd, 9, 0, 0) == 0: done.append('pidfd kill')
    print(pid, open('/proc/%d/comm' % pid).read().strip(), *done)
"""


# The number and the start of the interpreter.
ZYGOTE = """
import os
pids = [p for p in os.listdir('/proc') if p.isdigit() and p != '1' and os.stat('/proc/' + p).st_uid == 0]
print(min((int(p), open('/proc/%s/stat' % p).read().split()[21]) for p in pids))
"""


def randoms(lease):
    code = "import random, numpy, os, uuid; print(random.random(), numpy.random.rand(), uuid.uuid4(), os.urandom(8).hex())"
    seen = [python(lease, code) for _ in range(12)]
    check("each is forked", all(one[0].warm for one in seen))
    for column in range(4):
        values = {one[1].split()[column] for one in seen}
        check("random numbers of kind %d are never the same" % column, len(values) == 12, values)


def exec_instead(lease):
    """What is unusual is executed, and works."""
    for rule, options in (
        ("other variables of Python", dict(env={"PYTHONHASHSEED": "7"})), ("another locale", dict(env={"LC_ALL": "C"})),
        ("what may go on", dict(keep_background=True)),
    ):
        execution, out, err = python(lease, "import sys; print(hash('x') == hash('x'), sys.argv)", **options)
        check("%s: executed" % rule, not execution.warm and out == "True ['-c']\n", (execution.warm, out, err))
    execution, out, _ = python(lease, "import os; print(os.getcwd())", cwd="/tmp")
    check("another directory is forked", execution.warm and out == "/tmp\n", out)
    execution, _, _ = python(lease, "print(1)", cwd="/nowhere")
    check("a missing directory is an error", execution.end.start_failure.name == "BAD_CWD", execution.end)
    lease.run(shell="echo 'x = 1' > /workspace/numpy.py")
    execution, out, _ = python(lease, "import numpy; print(numpy.__file__)")
    check("a file that hides a module is imported", not execution.warm and out == "/workspace/numpy.py\n", out)
    lease.run(shell="rm -r /workspace/*")
    lease.run(shell="mkdir -p $(python3 -m site --user-site)")
    execution, out, _ = python(lease, "import sys, site; print(site.getusersitepackages() in sys.path)")
    check("packages of the user are found", not execution.warm and out == "True\n", out)
    lease.run(shell="rm -r /workspace/.local")
    execution, out, _ = python(lease, "#" * (120 << 10) + "\nprint('long')")
    check("long code runs", out == "long\n", out)
    execution = lease.execute(["python3", "-c", "print(1)"])
    list(execution)
    check("argv is always executed", not execution.warm)


def at_once(lease):
    """Several at the same time are separate: each has its own end, and takes what it has left along."""
    left = ("import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork(): os._exit(0)\n"
            "    [os.close(n) for n in range(3)]; time.sleep(600)\n"
            "os.wait(); open('/tmp/go%d', 'w').close()\nwhile not os.path.exists('/tmp/end%d'): time.sleep(0.005)\nprint(%d)")
    running = [lease.execute(code=left % (n, n, n), language="python") for n in range(4)]
    for execution in running:
        execution.id
    lease.run(shell="until [ -e /tmp/go0 -a -e /tmp/go1 -a -e /tmp/go2 -a -e /tmp/go3 ]; do sleep 0.01; done")
    check("all are forked", all(execution.warm for execution in running))
    sleepers = ("python3", "-c", "import os; print(sum(os.stat('/proc/' + n).st_uid == os.getuid() for n in os.listdir('/proc') if n.isdigit()) - 1)")
    before = int(lease.run(sleepers).text)
    check("each has two processes", before == 8, before)
    for n, execution in enumerate(running):
        lease.run(shell="touch /tmp/end%d" % n)
        out = b"".join(event.data for event in execution if isinstance(event, berth.Output))
        check("its output is its own", out == b"%d\n" % n, out)
        check("its end is its own", execution.end.exit_code == 0, execution.end)
        after = int(lease.run(sleepers).text)
        check("what it has left is gone with its end", after == 6 - 2 * n, after)


def ends(lease):
    execution, _, _ = python(lease, "import time; time.sleep(60)", timeout=0.3)
    check("a time-out ends it", execution.end.cause.name == "TIMED_OUT", execution.end)
    execution, _, _ = python(lease, "import os, time\nos.fork(); os.fork()\nwhile True: pass", timeout=0.3, grace=0.1)
    check("a time-out ends what it has forked", execution.end.cause.name == "TIMED_OUT", execution.end)
    execution, _, _ = python(lease, "while True: pass", cpu_time=0.2)
    check("CPU time is limited", execution.end.cause.name == "CPU_TIME_LIMIT", execution.end)
    check("CPU time is counted", 0.1 < execution.end.usage.user < 5, execution.end.usage)
    execution, _, _ = python(lease, "x = bytearray(1 << 30)\nfor i in range(0, len(x), 4096): x[i] = 1")
    check("memory is limited", execution.end.cause.name in ("OUT_OF_MEMORY", "EXITED"), execution.end)
    stuck = lease.execute(code="print(1, flush=True)\nimport time; time.sleep(60)", language="python")
    for event in stuck:
        if isinstance(event, berth.Output) and event.stream == berth.Stream.STDOUT:
            stuck.cancel()
    check("a cancel ends it", stuck.end.cause.name == "CANCELLED", stuck.end)
    slow = lease.execute(code="print(1, flush=True)\nimport time; time.sleep(60)", language="python")
    for event in slow:
        if isinstance(event, berth.Output) and event.stream == berth.Stream.STDOUT:
            slow.signal("INT")
    check("an interrupt is one", slow.end.signal == 2, slow.end)


def attacks(lease):
    execution, out, err = python(lease, ATTACK)
    lines = out.splitlines()
    check("there is something to attack", execution.warm and any("python3" in line for line in lines), out + err)
    for line in lines:
        # Where a process is shown, its name and numbers are.
        check("nothing can be done to a process of root", len(line.split()) == 2, line)
    first = {line.split()[0] for line in lines}
    execution, out, _ = python(lease, ATTACK)
    check("it forks as before", execution.warm and first & {line.split()[0] for line in out.splitlines()}, out)
    python(lease, "import builtins, sys, os, numpy\nbuiltins.print = None\nnumpy.array = None\nsys.path.append('/tmp/evil')\n"
                  "os.environ['EVIL'] = '1'\nsys.modules['json'] = 5\nsys.excepthook = 1")
    execution, out, err = python(lease, "import sys, os, json, numpy; print(json.dumps([len(numpy.array([1])), '/tmp/evil' in sys.path, 'EVIL' in os.environ]))")
    check("nothing stays of a program", execution.warm and out == "[1, false, false]\n", out + err)


def contexts(client, lease):
    with lease.context("python") as context:
        result = context.run("import random, os; x = random.random(); print(os.getuid() > 0, __name__)")
        check("a context has its user and module", result.text == "True __main__\n", result.text)
        forked = "print('berth_zygote' in open('/proc/self/cmdline').read())"
        check("a context is forked", context.run(forked).text == "True\n")
        trace = context.run("def f(): return 1 / 0\nf()").failure
        check("its traces have none of ours", not any("berth" in line for line in trace.traceback), trace)
        code = "import random, numpy; print(random.random(), numpy.random.rand())"
        others = [lease.context("python") for _ in range(3)]
        numbers = [other.run(code).text for other in others]
        check("random numbers differ in contexts", len({n for line in numbers for n in line.split()}) == 6, numbers)
        for other in others:
            other.run("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
        with lease.context("python") as after:
            check("the next context after killed ones is forked, too", after.run(forked).text == "True\n")
        execution, out, _ = python(lease, "print(2)")
        check("programs are forked beside a context", execution.warm and out == "2\n")
        copy = context.fork()
        check("a copy has what the original has", copy.run("print(x is not None)").text == "True\n")
        copy.run("import os; os._exit(3)")
        check("the original lives", context.run("print('on')").text == "on\n")


def main():
    members = set()
    with berth.Client() as client:
        for _ in range(2):
            with client.acquire(wait=30) as lease:
                # One container, which is reset between the leases, and keeps its interpreter.
                members.add((lease.member, python(lease, ZYGOTE)[1]))
                for part in (randoms, exec_instead, at_once, ends, attacks):
                    print("#", part.__name__, flush=True)
                    part(lease)
                print("# contexts", flush=True)
                contexts(client, lease)
    check("a reset keeps the interpreter", len(members) == 1, members)
    raise SystemExit(len(failed) > 0)


main()
