# SPDX-License-Identifier: Apache-2.0
# A Python that has started, has imported what its pool wants, and forks the programs of its container: Python 3.8 or newer,
# its standard library, and nothing else. It is root of the container, without any right but to change its user; programs
# are not, so that they can neither signal it nor read it.
#
# Descriptor 3 is a socket to the agent. From there come, after this text, the size of a configuration and a line
# feed, and the configuration: texts that end with a NUL: the driver of contexts, the warm-up code, and the modules to import.
# The answer is "r", the version and a line feed; or "f", and words until the end of the stream.
#
# Then each byte that comes has a descriptor with it, the socket of a new process, which is forked at once and waits for what
# it is to become. It is forked twice, so that the agent is its parent, and tells on that socket "p", its number and a line
# feed; or "n" comes, and why there is none. What the new process is to become comes there in one message, with the three
# standard descriptors: "p" (a program) or "c" (a context), the size of what follows, a line feed, and texts that end with a
# NUL: user, group, mark, OOM score, working directory, the number of arguments, the arguments, the environment. The answer is
# one byte: "r", it begins; or "n", it can't, and has changed nothing that anybody would see.
#
# A program is run by Python's own C code, with no frame of this file below it: `serve` ends with an exception that nobody
# catches, and what Python then calls to show it runs the program. So the stack, messages, sys.exit, interrupts and all that
# has to do with them are what they are in `python3 -c`.
import sys

CONTROL = 3
SELF = "<berth>"
MAX_WORDS = 16 << 10
# With these, a BLAS would start threads, which a fork does not copy.
SINGLE = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
          "BLIS_NUM_THREADS", "RAYON_NUM_THREADS")
fresh = set(sys.modules)
main = sys.modules["__main__"]
own = set(main.__dict__)
import posix as os
import atexit
import gc


class Refusal(Exception):
    pass


def hide():
    """The last thing at the end of a process: what was imported beforehand is left as it is. To take it apart would copy it."""
    if not is_quick:
        for name in kept:
            if name not in fresh:
                sys.modules.pop(name, None)


is_quick = False  # Then nothing is taken apart that was there before, and this would only touch it.
kept = {}
seen = set(fresh)  # By programs.
preloaded = set()
hidden = []  # From programs.


def prepare(preload, warmup):
    """Imports what the pool wants.

    Raises Refusal with words if it can't, or if the result could not be forked."""
    atexit.register(hide)
    for name in {"atexit", "gc"} - fresh:
        if sys.version_info < (3, 10):
            seen.add(name)  # Loaded again, it would forget what was registered.
        else:
            del sys.modules[name]
    set_variables = [name for name in SINGLE if name.encode() not in os.environ]
    environ = sys.modules["os"].environ
    writes = sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    for name in set_variables:
        environ[name] = "1"
    what = ""
    try:
        for what in preload:
            __import__(what)
        if warmup:
            what = ""
            space = {"__name__": "__warmup__", "__builtins__": __builtins__}
            exec(compile(warmup, "<warmup>", "exec", dont_inherit=True), space)
    except BaseException as error:
        import traceback
        report = traceback.TracebackException(type(error), error, error.__traceback__)
        report.stack[:] = [frame for frame in report.stack if frame.filename != SELF
                           and not frame.filename.startswith("<frozen importlib")]
        raise Refusal(("%s can't be imported:\n" % what if what else "its warm-up code failed:\n") + "".join(report.format()))
    finally:
        for name in set_variables:
            environ.pop(name, None)
        sys.dont_write_bytecode = writes


def check():
    """Whether the process can be forked: one thread, no descriptor that programs would share."""
    threads = len(os.listdir("/proc/self/task"))
    if threads != 1:
        raise Refusal("it has %d threads after what it was to import, and a fork copies one" % threads)
    for name in os.listdir("/proc/self/fd"):
        if int(name) <= CONTROL:
            continue
        try:
            target = os.readlink("/proc/self/fd/" + name)
        except OSError:
            continue  # That of the list itself.
        if target in ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom"):
            continue  # Nothing of it is shared.
        raise Refusal("it holds %s open after what it was to import, which all programs would share" % target)


def tools():
    """What is needed to fork and to become a program. Programs do not see these modules, unless they were imported for them."""
    global socket, signal, libc, python, partial, caller, io, resource, weak, os_module, flags, thread_count, callbacks
    import _io as io
    import _signal as signal
    import _socket as socket
    import ctypes
    import os as os_module
    from _thread import _count as thread_count
    from _weakref import ref as weak
    from functools import partial
    from _operator import methodcaller as caller
    libc = ctypes.CDLL(None, use_errno=True)
    python = ctypes.pythonapi
    python.PyRun_SimpleStringFlags.argtypes = (ctypes.c_char_p, ctypes.c_void_p)
    # Those of -c, for which an encoding line is a comment since 3.10.
    flags = (ctypes.c_int * 2)(0x800, sys.version_info[1]) if sys.version_info >= (3, 10) else None
    callbacks = atexit._ncallbacks()
    python.Py_IncRef(ctypes.py_object(kept))  # For ever, also while Python ends.
    try:
        import resource
    except ImportError:
        resource = None


def load_driver(text):
    """What contexts need, as Language.pythonStart would load it. Nothing of it runs."""
    import builtins
    first, later = text.split("\n#: later\n", 1)
    module = type(sys)("berth_context")
    module.__builtins__ = dict(builtins.__dict__)
    module.LATER = "\n" * (first.count("\n") + 2) + later
    exec(compile(first, SELF, "exec", dont_inherit=True), module.__dict__)
    import linecache, select, signal, traceback
    module.later("show")
    return module


def read_all(size):
    data = b""
    while len(data) < size:
        more = os.read(CONTROL, size - len(data))
        if not more:
            os._exit(0)
        data += more
    return data


def serve():
    global driver
    size = b""
    while size[-1:] != b"\n":
        size += read_all(1)
    driver_text, warmup, *preload = [text.decode() for text in read_all(int(size)).split(b"\0")[:-1]]
    for name in set(main.__dict__) - own:
        del main.__dict__[name]
    try:
        prepare(preload, warmup)
        kept.update(sys.modules)
        if preload or warmup:
            seen.update(kept)
            preloaded.update(name.split(".")[0] for name in kept if name not in fresh)
        tools()
        driver = load_driver(driver_text) if driver_text else None
        check()
        if libc.prctl(4, 0, 0, 0, 0) != 0:
            raise Refusal("it can't be hidden from programs")
    except BaseException as error:
        words = str(error) if isinstance(error, Refusal) else "%s: %s" % (type(error).__name__, error)
        write_all(CONTROL, b"f" + words.encode("utf-8", "replace")[-MAX_WORDS:])
        os._exit(1)
    null = os.open("/dev/null", os.O_RDWR)
    for place in 0, 1, 2:
        os.dup2(null, place)
    os.close(null)
    # Made here, once: to go through all names would copy the memory that they are in.
    hidden.extend(name for name in sys.modules if name not in seen)
    gc.collect()
    gc.freeze()
    version = "%d.%d.%d" % sys.version_info[:3]
    write_all(CONTROL, b"r%s\n" % version.encode())
    control = socket.socket(fileno=CONTROL)
    while True:
        end = receive(control, 1, 1)[1]
        if not end:
            os._exit(0)
        if make(end[0]):
            return become(end[0], control)


def write_all(descriptor, data):
    while data:
        data = data[os.write(descriptor, data):]


def receive(sock, size, count):
    """Bytes and descriptors; nothing at the end of the stream."""
    data, notes, _, _ = sock.recvmsg(size, socket.CMSG_SPACE(4 * count), socket.MSG_CMSG_CLOEXEC)
    ends = []
    for level, kind, note in notes:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            ends += [int.from_bytes(note[at:at + 4], sys.byteorder) for at in range(0, len(note) - 3, 4)]
    return data, ends


def make(end):
    """Forks a process that is the agent's child.

    Returns whether this is it."""
    try:
        between = os.fork()
    except OSError as error:
        tell(end, b"n%s\n" % str(error).encode())
        os.close(end)
        return False
    if between == 0:
        told = os.pipe()
        try:
            pid = os.fork()
        except OSError as error:
            tell(end, b"n%s\n" % str(error).encode())
            os._exit(0)
        if pid > 0:
            # It ends, and so makes the agent the parent, when that has been told the number: it knows all of its children.
            os.close(told[1])
            os.read(told[0], 1)
            os._exit(0)
        try:
            write_all(end, b"p%d\n" % os.getpid())
        except OSError:
            os._exit(0)
        os.close(told[0])
        os.close(told[1])
        return True
    os.waitpid(between, 0)
    os.close(end)
    return False


def tell(end, data):
    try:
        write_all(end, data)
    except OSError:
        pass  # The agent does not want it any more.


# MARK: The new process

def become(end, control):
    """Waits for what it is to become, and becomes it. Returns only when a context has ended."""
    control.detach()
    os.close(CONTROL)
    try:
        os.setsid()
        reseed()
        kind, texts, ends = take(end)
        code = turn(texts, ends)
    except BaseException as error:
        tell(end, b"n")
        os._exit(0)
    if kind == b"c":
        return be_context(end)
    try:
        write_all(end, b"r")
    except OSError:
        os._exit(0)  # It is not wanted any more, and would not be known.
    os.close(end)
    raise start(code)


def take(end):
    with_ends = socket.socket(fileno=end)
    data, ends = receive(with_ends, 256 << 10, 3)
    with_ends.detach()
    if not data:
        os._exit(0)  # Not needed.
    head, _, rest = data.partition(b"\n")
    size = int(head[1:])
    while len(rest) < size:
        more = os.read(end, size - len(rest))
        if not more:
            os._exit(0)
        rest += more
    return head[:1], rest.split(b"\0")[:-1], ends


def turn(texts, ends):
    """Takes the user, the descriptors, the environment and the arguments.

    Returns the code; raises if the process would not be what an exec would have made."""
    uid, gid, mark, oom_score = map(int, texts[:4])
    directory, count = texts[4], int(texts[5])
    arguments, variables = texts[6:6 + count], texts[6 + count:]
    if oom_score:
        score = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
        os.write(score, b"%d" % oom_score)
        os.close(score)
    if mark and resource:
        resource.setrlimit(resource.RLIMIT_RTTIME, (mark, mark))
    for place, end in enumerate(ends):
        os.dup2(end, place)
        os.close(end)
    take_variables(variables)
    try:
        os.setgroups([gid])
    except OSError:
        # A container may deny it; harmless only if no other group is held.
        if set(os.getgroups()) - {gid}:
            raise
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    # The change of the user has taken its own /proc from it.
    if libc.prctl(4, 1, 0, 0, 0) != 0:
        raise Refusal("it can't be shown")
    os.chdir(directory)
    if has_other_modules():
        raise Refusal("an exec would import other modules")
    arguments = [os_module.fsdecode(argument) for argument in arguments]
    sys.argv[:] = ["-c", *arguments[3:]]
    if hasattr(sys, "orig_argv"):
        sys.orig_argv[:] = arguments
    for place, name in enumerate(("stdin", "stdout", "stderr")):
        stream = standard_stream(place, getattr(sys, name))
        setattr(sys, name, stream)
        setattr(sys, "__%s__" % name, stream)
    return texts[8] + b"\n"


def take_variables(variables):
    data = os.environ
    new = dict(variable.split(b"=", 1) for variable in variables)
    zone = data.get(b"TZ")
    for name in data:
        if name not in new:
            os.unsetenv(name)
    for name, value in new.items():
        if data.get(name) != value:
            os.putenv(name, value)
    data.clear()
    data.update(new)
    if new.get(b"TZ") != zone:
        import time
        time.tzset()


def has_other_modules():
    """Whether a file of the working directory, or of the user's own packages, would be imported where a module is in memory."""
    variables = os.environ
    site = sys.modules.get("site")
    if site is not None and site.ENABLE_USER_SITE:
        base = variables.get(b"PYTHONUSERBASE")
        if base is None:
            if b"HOME" not in variables:
                return True
            base = variables[b"HOME"] + b"/.local"
        packages = base + b"/lib/python%d.%d/site-packages" % sys.version_info[:2]
        try:
            os.stat(packages)
            if os_module.fsdecode(packages) not in sys.path:
                return True
        except OSError:
            pass
    if preloaded:
        with os.scandir(".") as entries:
            for number, entry in enumerate(entries):
                if number == 1000 or entry.name.split(".", 1)[0] in preloaded:
                    return True
    return False


def standard_stream(place, old):
    """As Python makes them at its start."""
    bare = place > 0 and old.write_through
    buffer = io.open(place, "wb" if place else "rb", 0 if bare else -1, closefd=False)
    raw = buffer if bare else buffer.raw
    raw.name = ("<stdin>", "<stdout>", "<stderr>")[place]
    text = io.TextIOWrapper(buffer, old.encoding, old.errors, "\n", line_buffering=old.line_buffering, write_through=bare)
    text.mode = "w" if place else "r"
    return text


def reseed():
    """Python's own generator is seeded by the fork."""
    for name in "numpy.random", "torch":
        module = sys.modules.get(name)
        if module is not None:
            module.seed()


def be_context(end):
    os.dup2(end, CONTROL, False)
    if end != CONTROL:
        os.close(end)
    write_all(CONTROL, b"r")
    driver.serve()


# MARK: A program

def start(code):
    """The exception that runs a program when it has left all frames behind."""
    for name in hidden:
        del sys.modules[name]
    renew_main()
    lines = sys.modules.get("linecache")
    if lines is not None and "<string>" in lines.cache:
        # Since 3.13, messages show lines of what -c has.
        text = code.decode()
        lines.cache["<string>"] = (len(text), None, [line + "\n" for line in text.splitlines()], "<string>")
    # Each of these is C code without a frame. One that returns another has it called.
    call = caller("__call__")
    run = partial(python.PyRun_SimpleStringFlags, code, flags)
    steps = [partial(setattr, sys, "excepthook", sys.__excepthook__)]
    for name in LAST:
        steps.append(partial(sys.__dict__.pop, name, None))
    steps.append(partial(list, map(result.append, map(call, [run]))))
    ends = [before_end, atexit._run_exitfuncs, end]
    steps.append(partial(list, map(call, filter(None, map(call, ends)))))

    class Start(BaseException):
        start = staticmethod(partial(list, map(call, steps)))
        hook = partial(max, key=caller("start"))

    sys.excepthook = Start.hook
    return Start()


LAST = "last_type", "last_value", "last_traceback", "last_exc"
result = []  # Of the program: 0, or -1 after an error.


def renew_main():
    """A module that is not frozen, so that the garbage collector sees what is in it."""
    new = type(sys)("__main__")
    names = dict(main.__dict__)
    if "__annotations__" in names:
        names["__annotations__"] = {}
    new.__dict__.clear()
    new.__dict__.update(names)
    sys.modules["__main__"] = new


def natural():
    """Python's own end. It takes apart more than it need, and so takes longer."""
    return partial(python.Py_Exit, 1 if result[0] else 0)


def was_interrupted():
    return result[0] != 0 and getattr(sys, "last_type", None) is KeyboardInterrupt


def before_end():
    global is_quick
    threading = sys.modules.get("threading")
    if was_interrupted():
        if threading is not None:
            threading._shutdown()
    elif thread_count() or sys.version_info < (3, 10) and atexit._ncallbacks() != callbacks:
        return natural()
    is_quick = True
    return None


def end():
    """Ends as Python does, but for the modules that were there before."""
    global is_quick
    try:
        interrupted = was_interrupted()
        for stream in sys.stdout, sys.stderr:
            if stream is not None and not stream.closed:
                stream.flush()
        take_apart()
        for stream in sys.stdout, sys.stderr:
            if stream is not None and not stream.closed:
                stream.flush()
        libc.fflush(None)
    except BaseException:
        # Something that can't be flushed: Python has its own words, and exit code, for that.
        is_quick = False
        hide()
        return natural()
    if interrupted:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(1 if result[0] else 0)


def take_apart():
    """Ends what the program has made: files are written, __del__ is called, in Python's own order."""
    for name in LAST:
        sys.__dict__.pop(name, None)
    modules = sys.modules
    left = []
    names = []
    for name in reversed(modules):
        if name in seen:
            break  # Those that were there before are the first.
        names.append(name)
    for name in names[::-1] + ["__main__"]:
        module, modules[name] = modules[name], None
        if module is not None:
            try:
                left.append(weak(module))
            except TypeError:
                pass
    module = None
    gc.collect()
    for module in [one() for one in reversed(left)]:
        if isinstance(module, type(sys)):
            names = module.__dict__
            for is_first in True, False:
                for name in list(names):
                    private = name[:1] == "_" and name[1:2] != "_"
                    if name != "__builtins__" and private == is_first:
                        names[name] = None
    del module
    gc.collect()
