# SPDX-License-Identifier: Apache-2.0
# The interpreter's side of a Python context: Python 3.8 or newer, its standard library, and nothing else.
#
# Descriptor 3 is control, a socket to the agent. From there come lines, some with bytes behind them:
#
#     run ID MAX_EVENT SIZE        and SIZE bytes of code, a piece to run
#     complete ID CURSOR SIZE      and code; inspect ID CURSOR DETAIL SIZE likewise
#     fork ID 0                    and an empty line: it is to become two
#     ack                          an event was taken: what is written from now on comes after it
#
# and there goes, as a letter, the size of what follows and a line feed: r (ready, with the version, and of a copy its pid),
# e (a piece has ended: ID, exit code, CPU times in microseconds), g (the descriptors of a copy may come), x (it has forked:
# ID and, if not, why), and events, messages of berth.v1 in protobuf: d (Display), f (Failure), p (Prompt),
# c (CompleteResponse), i (InspectResponse).
#
# It is executed in a namespace of its own with builtins of its own, so that what a piece does to its own cannot break it.
# What only some pieces need is below "#: later", and is compiled when it is first needed: a context shall start as fast as
# Python does. Nothing here runs before `serve`: it may as well be loaded long before, and forked.
import os as theirs
import sys

CONTROL = 3
LOST = 16  # SIGSTKFLT, which nothing else uses: what ends by it has lost its control, and the agent says so.
SELF = "<berth>"
MAX_TRACEBACK = 256 << 10
main = sys.modules["__main__"]
space = main.__dict__
os = type(sys)("os")  # As it is now, whatever a piece puts into it.
os.__dict__.update(theirs.__dict__)
write, read = os.write, os.read


class Control:
    """The socket to the agent. An interrupt waits while it is used: half a message would be none."""

    def __init__(self):
        self.buffer = b""
        self.busy = 0
        self.interrupted = False
        self.running = None
        self.identity = None

    def find(self):
        found = os.fstat(CONTROL)
        return found.st_dev, found.st_ino

    def begin(self):
        self.identity = self.find()

    def is_whole(self):
        """A piece can close it, and something else may have its number by now: nothing is to be written to that."""
        try:
            return self.find() == self.identity
        except OSError:
            return False

    def interrupt(self, number, frame):
        if self.running is None or self.running != os.getpid():
            if self.running is not None:
                raise KeyboardInterrupt  # A forked child of a piece.
        elif self.busy:
            self.interrupted = True
        else:
            raise KeyboardInterrupt

    def __enter__(self):
        self.busy += 1

    def __exit__(self, *_):
        self.busy -= 1
        if self.interrupted and not self.busy:
            self.interrupted = False
            raise KeyboardInterrupt

    def fill(self):
        try:
            data = read(CONTROL, 65536)
        except OSError:
            lost()
        if not data:
            if self.running is not None or not self.is_whole():
                lost()
            if piece.is_copy:
                os._exit(0)  # What is to be done at the end is the original's.
            raise SystemExit
        self.buffer += data

    def line(self):
        while b"\n" not in self.buffer:
            self.fill()
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.decode().split(" ")

    def take(self, size):
        while len(self.buffer) < size + 1:
            self.fill()
        data, self.buffer = self.buffer[:size], self.buffer[size + 1:]
        return data

    def send(self, kind, data=b""):
        data = memoryview(b"%s%d\n%s" % (kind, len(data), data))
        if not self.is_whole():
            lost()
        try:
            while data:
                data = data[write(CONTROL, data):]
        except OSError:
            lost()


class Piece:
    """What is known of the code that runs."""

    def __init__(self):
        self.count = 0
        self.max_event = 0
        self.flags = 0x2000  # Top-level await.
        self.sources = {}
        self.last = None
        self.is_copy = False


control = Control()
piece = Piece()
lock = None


def lost():
    """Ends this process: nothing can be heard or said any more."""
    try:
        import _signal
        try:
            _signal.signal(LOST, _signal.SIG_DFL)
        except ValueError:
            pass  # Not in the main thread.
        _signal.pthread_sigmask(_signal.SIG_UNBLOCK, [LOST])
        os.kill(os.getpid(), LOST)
    finally:
        os._exit(1)


def event(kind, data):
    """Sends an event in its place among the output, and waits until it has been taken. Threads take turns."""
    global lock
    if control.running != os.getpid():
        return  # Between pieces, or in a forked child: nobody would take it.
    if lock is None:
        import _thread
        lock = _thread.RLock()
    flush()
    with control, lock:
        if control.running is None:
            return
        control.send(kind, data)
        while control.line() != ["ack"]:
            pass


def flush():
    for name in ("stdout", "stderr", "__stdout__", "__stderr__"):
        try:
            getattr(sys, name).flush()
        except Exception:
            pass


def later(name):
    """Something of the second part of this file."""
    if name not in globals():
        exec(compile(LATER, SELF, "exec"), globals())
    return globals()[name]


def run(code, file):
    """Runs a piece.

    Returns its exit code."""
    import linecache
    lines = [line + "\n" for line in code.split("\n")]
    if piece.last not in linecache.cache:
        linecache.cache.update(piece.sources)  # It was emptied, or another one was loaded.
    linecache.cache[file] = piece.sources[file] = (len(code), None, lines, file)
    piece.last = file
    if "from __future__" in code:
        later("learn_features")(code)
    tree = compile(code, file, "exec", piece.flags | 0x400, True)
    last = tree.body[-1] if tree.body else None
    if type(last).__name__ != "Expr":
        evaluate(compile(tree, file, "exec", piece.flags, True))
        return 0
    tree.body.pop()
    if tree.body:
        evaluate(compile(tree, file, "exec", piece.flags, True))
    import _ast
    value = evaluate(compile(_ast.Expression(last.value), file, "eval", piece.flags, True))
    if value is None or hides(lines, last):
        return 0
    space["___"], space["__"], space["_"] = space.get("__"), space.get("_"), value
    later("show")(value, result=True)
    return 0


def hides(lines, last):
    """A semicolon behind the last expression: its value is not to be shown."""
    rest = "".join(lines[last.end_lineno - 1:]).encode("utf-8", "replace")[last.end_col_offset:]
    return rest.lstrip(b" \t)\n").startswith(b";")


def evaluate(code):
    if code.co_flags & 0x80:
        return later("run_coroutine")(eval(code, space))
    return eval(code, space)


def serve():
    import signal
    signal.signal(signal.SIGINT, control.interrupt)
    os.set_inheritable(CONTROL, False)
    control.begin()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)
    os.environ.setdefault("MPLBACKEND", "agg")
    import builtins
    builtins.input = read_line
    builtins.display = display
    sys.meta_path.insert(0, Finder())
    sys.argv[:] = [""]
    control.send(b"r", version())
    warm()
    while True:
        words = control.line()
        if words == ["ack"]:
            continue  # Of an event that a piece has written by itself.
        verb, *numbers, size = words
        code = control.take(int(size)).decode("utf-8", "replace")
        numbers = [int(number) for number in numbers]
        if verb == "run":
            run_piece(code, *numbers)
        elif verb == "fork":
            later("copy")(*numbers)
        else:
            answer(verb, code, *numbers)


def version():
    return b"%d.%d.%d" % sys.version_info[:3]


def warm():
    """Loads what most pieces need, unless one is waiting already."""
    import select
    if not select.select([CONTROL], [], [], 0)[0]:
        import linecache, traceback
        later("show")


def run_piece(code, number, max_event):
    piece.count, piece.max_event = piece.count + 1, max_event
    before = os.times()
    sys.stdin = open(0, closefd=False)
    status = 1
    try:
        try:
            control.running = os.getpid()
            status = run(code, "<piece %d>" % piece.count)
        except BaseException as error:
            sys.settrace(None)
            sys.setprofile(None)
            status = later("fail")(error)
        sys.settrace(None)
        sys.setprofile(None)
        if "matplotlib.pyplot" in sys.modules:
            try:
                later("show_figures")()
            except BaseException as error:
                status = later("fail")(error)
        flush()
    except BaseException:
        # Interrupted again on the way out.
        pass
    finally:
        if os.getpid() != control.running:
            os._exit(status)  # A child that a piece has forked, and that has run to its end.
        end(number, status, before)


def end(number, status, before):
    control.busy = 1
    flush()
    if lock is not None:
        lock.acquire()  # A thread may be showing something: its event is to be whole.
    control.running = None
    if lock is not None:
        lock.release()
    after = os.times()
    used = [int(1e6 * (after[i] + after[i + 2] - before[i] - before[i + 2])) for i in (0, 1)]
    while True:
        try:
            control.send(b"e", b"%d %d %d %d" % (number, status, *used))
            break
        except BaseException:
            pass
    control.busy, control.interrupted = 0, False


def answer(verb, code, number, *where):
    try:
        control.running = os.getpid()
        later(verb)(code, *where)
    except BaseException:
        pass
    finally:
        end(number, 0, os.times())


def varint(number):
    data = bytearray()
    while number > 127:
        data.append(number & 127 | 128)
        number >>= 7
    data.append(number)
    return bytes(data)


def field(number, value):
    """A field of a message; nothing where it has its default."""
    if not value:
        return b""
    if isinstance(value, int):
        return varint(number << 3) + varint(int(value))
    if isinstance(value, str):
        value = value.encode("utf-8", "replace")
    return varint(number << 3 | 2) + varint(len(value)) + value


def read_line(prompt="", /):
    """input(): the prompt is an event, the answer comes by standard input."""
    return ask(str(prompt), False)


def ask(text, is_password):
    event(b"p", field(2, text) + field(3, is_password))
    line = sys.stdin.readline()
    if not line:
        raise EOFError("end of input: the piece has none, or it was ended")
    return line[:-1] if line.endswith("\n") else line


def display(*objects, **options):
    """Shows objects, each in the forms that it has. With display_id, returns a handle whose update() shows another in its
    place."""
    return later("display_all")(*objects, **options)


class Finder:
    """Does what is to be done to a module right after it has been loaded."""

    wanted = ("matplotlib.pyplot", "getpass", "IPython.display")

    def find_spec(self, name, path, target=None):
        if name not in self.wanted:
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(name, path, target)
            if spec is not None and hasattr(spec.loader, "exec_module"):
                load = spec.loader.exec_module

                def exec_module(module):
                    load(module)
                    later("adapt")(module)

                spec.loader.exec_module = exec_module
                return spec
        return None


#: later
class LoudBuffer(list):
    """Lines of a traceback, of a bounded size in all."""

    def add(self, text, left=MAX_TRACEBACK):
        left -= sum(map(len, self))
        for line in text.split("\n"):
            if left <= 0:
                return
            self.append(line[:left])
            left -= len(line)


def text_of(make):
    try:
        return str(make())
    except BaseException as error:
        return "<its text could not be had: %s>" % type(error).__name__


def fail(error):
    """Reports an exception; our own frames are not shown.

    Returns the piece's exit code."""
    import traceback
    if isinstance(error, SystemExit) and error.code in (None, 0):
        return 0
    lines = LoudBuffer()
    try:
        report = traceback.TracebackException(type(error), error, error.__traceback__)
        strip(report, set())
        for text in report.format():
            lines.add(text[:-1] if text.endswith("\n") else text)
    except BaseException as problem:
        del lines[:]
        lines.add("%s: the traceback could not be made: %s" % (type(error).__name__, type(problem).__name__))
    message = text_of(lambda: error)[:MAX_TRACEBACK]
    if isinstance(error, SyntaxError):
        message = text_of(lambda: "%s (%s, line %s)" % (error.msg, error.filename, error.lineno))
    if control.running != os.getpid() or not control.is_whole():
        # A forked child, or a piece that has closed its control: there is no other way to say it.
        if not isinstance(error, SystemExit):
            flush()
            write(2, ("\n".join(lines) + "\n").encode("utf-8", "replace"))
        elif not isinstance(error.code, int):
            flush()
            write(2, (message + "\n").encode("utf-8", "replace"))
    event(b"f", field(2, type(error).__name__) + field(3, message) + b"".join(
        varint(4 << 3 | 2) + varint(len(data)) + data for data in (line.encode("utf-8", "replace") for line in lines)))
    if isinstance(error, SystemExit):
        return error.code & 255 if isinstance(error.code, int) else 1
    return 1


def strip(report, seen):
    if report is None or id(report) in seen:
        return
    seen.add(id(report))
    report.stack[:] = [frame for frame in report.stack if frame.filename != SELF]
    strip(report.__cause__, seen)
    strip(report.__context__, seen)
    for one in getattr(report, "exceptions", None) or ():
        strip(one, seen)


def learn_features(code):
    """What was imported from __future__ holds for later pieces."""
    import __future__
    flags = compile(code, "<features>", "exec", piece.flags, True).co_flags
    for name in __future__.all_feature_names:
        piece.flags |= flags & getattr(__future__, name).compiler_flag


loop = None


def run_coroutine(coroutine):
    """One loop for all pieces: what one has started goes on whenever another awaits something."""
    import asyncio
    global loop
    if loop is None or loop.is_closed():
        loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    task = loop.create_task(coroutine)
    try:
        return loop.run_until_complete(task)
    except KeyboardInterrupt:
        task.cancel()
        try:
            loop.run_until_complete(task)
        except asyncio.CancelledError:
            pass
        raise KeyboardInterrupt from None  # Where the loop stood says nothing of the piece.


# MARK: Copies

RANDOM = (("random", "seed"), ("numpy.random", "seed"))


def copy(number):
    """Has it made by a child, which then waits a moment for the next to be wanted: so one fork makes each copy, and none is a
    child of this process, which a piece could wait for. Nothing runs here meanwhile."""
    words, ends, notes = threads(), [], []
    try:
        # Loaded here once, and not in every copy.
        import _socket, select, signal, time
        try:
            import resource
        except ImportError:
            pass
        if not words:
            control.send(b"g")
            ends = receive(_socket)
            words = "" if ends else "it is not wanted any more"
        if not words:
            flush()
            notes = os.pipe()
            write(notes[1], b"%d\n" % number)
            pid = os.fork()
            if pid == 0:
                return make_copies(number, ends, notes)
            while ends:
                os.close(ends.pop())
            wait_for(pid)
            # The one that it was about to make when it was ended.
            number = int(read(notes[0], 65536).split()[-1])
            words = "the copy ended before it took any code" if number else ""
    except BaseException as error:
        words = "%s: %s" % (type(error).__name__, text_of(lambda: error))
    for end in [*ends, *notes]:
        os.close(end)
    if words:
        tell(CONTROL, number, words)


def wait_for(pid):
    try:
        os.waitpid(pid, 0)
    except OSError:
        pass  # Where children are ignored.


def tell(control, number, words):
    text = ("%d %s" % (number, words)).strip().encode("utf-8", "replace")[:250]
    write(control, b"x%d\n%s" % (len(text), text))


def threads():
    """Why this can't be copied, if it has threads of Python: they would not be in the copy."""
    import _thread
    count = _thread._count()
    if not count:
        return ""
    names = []
    try:
        threading = sys.modules["threading"]
        names = [str(one.name) for one in threading.enumerate() if one is not threading.main_thread()]
    except BaseException:
        pass
    return "%s in it%s" % (
        "a thread runs" if count == 1 else "%d threads run" % count, ": " + ", ".join(names)[:150] if names else "")


def receive(_socket):
    socket = _socket.socket(fileno=CONTROL)
    try:
        _, messages, _, _ = socket.recvmsg(1, _socket.CMSG_SPACE(32), _socket.MSG_CMSG_CLOEXEC)
    finally:
        socket.detach()
    ends = []
    for _, _, data in messages:
        ends += memoryview(data[:len(data) // 4 * 4]).cast("i")
    return ends


def make_copies(number, ends, notes):
    """In a child of the original. It never returns; in each copy, this does."""
    own = os.getpid()
    try:
        words = library_threads()
        while True:
            # What goes wrong from now on, the copy's own control tells: the original is to be idle before anybody hears of it.
            tell(CONTROL, number, words)
            write(notes[1], b"0\n")
            if words:
                break
            pid = 1
            try:
                pid = os.fork()
            except BaseException as error:
                tell(ends[3], number, "%s: %s" % (type(error).__name__, text_of(lambda: error)))
            if pid == 0:
                for end in notes:
                    os.close(end)
                return become_copy(number, ends)
            for end in ends:
                os.close(end)
            number = next_copy()
            if not number:
                break
            write(notes[1], b"%d\n" % number)
            control.send(b"g")
            import _socket
            ends = receive(_socket)
            words = "" if ends else "it is not wanted any more"
    finally:
        if os.getpid() == own:
            os._exit(0)


def library_threads():
    """Why this can't be copied: threads of libraries that know of forks have been ended for this one, a moment ago."""
    import time
    parent, left = "/proc/%d/task" % os.getppid(), 20
    while len(os.listdir(parent)) > 1 and left:
        left -= 1
        time.sleep(0.0005)
    count = len(os.listdir(parent)) - 1
    if not count:
        return ""
    return "%s in it, of a library" % ("a thread runs" if count == 1 else "%d threads run" % count)


def next_copy():
    """The number of the copy that is wanted next, or 0: what else comes is the original's. So it is to be if a copy has ended:
    the supervisor hears of that when its parent, this process, has ended too."""
    import _socket, select, signal
    if control.buffer or signal.getsignal(signal.SIGCHLD) != signal.SIG_DFL:
        return 0  # With a handler, or without news of children, a copy's end might never be heard of.
    socket = _socket.socket(fileno=CONTROL)
    try:
        for _ in range(10):
            if os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                return 0
            if select.select([CONTROL], [], [], 0.01)[0]:
                order = socket.recv(64, _socket.MSG_PEEK)
                if order[:5] != b"fork " or order[-4:] != b" 0\n\n" or order.count(b"\n") != 2:
                    return 0
                read(CONTROL, len(order))
                return int(order[5:-4])
    finally:
        socket.detach()
    return 0


def become_copy(number, ends):
    global lock
    try:
        ends = list(ends)
        for place, end in enumerate(ends):
            while end <= CONTROL:
                end = os.dup(end)  # A piece has closed what was there.
            ends[place] = end
        for place, end in enumerate(ends):
            os.dup2(end, place, place != CONTROL)
        for end in set(ends):
            os.close(end)
        control.begin()
        os.setsid()
        mark(number)
        control.buffer, control.busy, control.interrupted, control.running = b"", 0, False, None
        lock, piece.is_copy = None, True
        renew_loop()
        for module, seed in RANDOM:
            if module in sys.modules:
                getattr(sys.modules[module], seed)()
        control.send(b"r", version() + b" %d" % os.getpid())
    except BaseException as error:
        try:
            tell(CONTROL, number, "%s: %s" % (type(error).__name__, text_of(lambda: error)))
        finally:
            os._exit(1)


def mark(number):
    """What a copy starts, and leaves behind, is known by this. Nobody needs the limit: it is of real-time scheduling."""
    try:
        import resource
        most = resource.getrlimit(resource.RLIMIT_RTTIME)[1]
        value = (1 << 60) - number
        if most == resource.RLIM_INFINITY or value < most:
            resource.setrlimit(resource.RLIMIT_RTTIME, (value, value))
    except (ImportError, AttributeError, ValueError, OSError):
        pass


def renew_loop():
    """The loop goes on in both: each with a queue of events, and a way to be woken, of its own."""
    global loop
    if loop is None or loop.is_closed():
        return
    try:
        import selectors
        selector = selectors.DefaultSelector()
        for key in list(loop._selector.get_map().values()):
            selector.register(key.fileobj, key.events, key.data)
        loop._selector.close()
        loop._selector = selector
        loop._close_self_pipe()
        loop._make_self_pipe()
    except Exception:
        # Not closed: that would change what the original waits for.
        kept.append(loop)
        loop = None


kept = []


# MARK: What is shown

METHODS = (
    ("text/html", "_repr_html_"), ("text/markdown", "_repr_markdown_"), ("image/svg+xml", "_repr_svg_"),
    ("image/png", "_repr_png_"), ("application/pdf", "_repr_pdf_"), ("image/jpeg", "_repr_jpeg_"),
    ("text/latex", "_repr_latex_"), ("application/json", "_repr_json_"),
    ("application/javascript", "_repr_javascript_"),
)


def method(value, name):
    """A method by which a value says how it is shown. Not of classes, which have those of their instances."""
    if isinstance(value, type):
        return None
    # Who has any attribute that is asked for has none of these.
    if getattr(value, "_ipython_canary_method_should_not_exist_", None) is not None:
        return None
    found = getattr(value, name, None)
    return found if callable(found) else None


def forms(value, include=None, exclude=None):
    """A value in the forms that it has, by their MIME types."""
    bundle = {"text/plain": None}
    own = method(value, "_repr_mimebundle_")
    given = own(include=include, exclude=exclude) if own else None
    if isinstance(given, tuple):
        given = given[0]
    if given:
        bundle.update(given)
    for mime, name in METHODS:
        found = None if mime in bundle else method(value, name)
        form = found() if found else None
        if isinstance(form, tuple):
            form = form[0]
        if form is not None:
            bundle[mime] = form
    if bundle["text/plain"] is None:
        bundle["text/plain"] = plain(value)
    if is_figure(value) and "image/png" not in bundle:
        bundle["image/png"] = figure_png(value)
    return {mime: form for mime, form in bundle.items()
            if form is not None and (not include or mime in include) and (not exclude or mime not in exclude)}


def plain(value):
    return repr(value)


def data_of(mime, form):
    if isinstance(form, (bytes, bytearray)):
        return bytes(form)
    if isinstance(form, str):
        if mime in ("image/png", "image/jpeg", "image/gif", "application/pdf"):
            # As notebooks write it.
            import base64
            return base64.b64decode(form)
        return form.encode("utf-8", "replace")
    import json
    return json.dumps(form).encode()


def publish(bundle, result=False, id="", update=False):
    """Shows forms. Those that would make the event too large are only named."""
    parts, left_out, size = [], [], 256
    items = [(mime, data_of(mime, form)) for mime, form in bundle.items()]
    for mime, data in sorted(items, key=lambda item: len(item[1])):
        size += len(data) + len(mime) + 32
        if size > piece.max_event:
            size -= len(data)
            left_out.append(field(1, mime) + field(2, len(data)))
        else:
            parts.append((mime, data))
    order = list(bundle)
    parts.sort(key=lambda part: order.index(part[0]))
    message = b"".join(field(2, field(1, mime) + field(2, data)) for mime, data in parts)
    message += field(3, id) + field(4, update) + field(5, result) + b"".join(field(6, one) for one in left_out)
    event(b"d", message)


def show(value, result=False, id="", update=False, include=None, exclude=None):
    own = method(value, "_ipython_display_")
    if own:
        own()
        return
    publish(forms(value, include, exclude), result, id, update)


class DisplayHandle:
    """Something shown that may be replaced."""

    def __init__(self, display_id=None):
        self.display_id = display_id or os.urandom(8).hex()

    def display(self, value, **options):
        display(value, display_id=self.display_id, **options)

    def update(self, value, **options):
        update_display(value, display_id=self.display_id, **options)

    def __repr__(self):
        return "<DisplayHandle display_id=%s>" % self.display_id


def display_all(*objects, include=None, exclude=None, display_id=None, raw=False, update=False, clear=False,
                metadata=None, transient=None, **_):
    handle = None
    if display_id is not None:
        handle = DisplayHandle(None if display_id is True else str(display_id))
    for value in objects:
        if raw:
            publish(dict(value), False, handle.display_id if handle else "", update)
        else:
            show(value, False, handle.display_id if handle else "", update, include, exclude)
    return handle


def update_display(value, *, display_id, **options):
    display_all(value, display_id=display_id, update=True, **options)


def publish_display_data(data, metadata=None, *, transient=None, update=False, **_):
    publish(dict(data), False, str((transient or {}).get("display_id", "")), update)


# MARK: Modules that are adapted

def adapt(module):
    name = module.__name__
    if name == "getpass":
        module.getpass = lambda prompt="Password: ", stream=None: ask(str(prompt), True)
    elif name == "matplotlib.pyplot":
        module.show = lambda *_, **__: show_figures()
    else:
        ours = {"display": display, "update_display": update_display, "publish_display_data": publish_display_data,
                "DisplayHandle": DisplayHandle, "clear_output": lambda wait=False: None}
        for loaded in list(sys.modules.values()):
            if getattr(loaded, "__name__", "").startswith(("IPython.display", "IPython.core.display")):
                for attribute, value in ours.items():
                    if hasattr(loaded, attribute):
                        setattr(loaded, attribute, value)


def is_figure(value):
    module = sys.modules.get("matplotlib.figure")
    return module is not None and isinstance(value, module.Figure)


def figure_png(figure):
    import io
    file = io.BytesIO()
    figure.savefig(file, format="png", bbox_inches="tight")
    return file.getvalue()


def show_figures():
    """Shows the figures that are open, and closes them."""
    pyplot = sys.modules["matplotlib.pyplot"]
    try:
        for number in pyplot.get_fignums():
            figure = pyplot.figure(number)
            publish({"text/plain": plain(figure), "image/png": figure_png(figure)})
    finally:
        pyplot.close("all")


# MARK: For editors

def place(code, cursor):
    """The name at a place in code: what is before its last dot, and its last part up to the place; and its whole end."""
    data = code.encode()
    start = min(cursor, len(data))
    text = data[:start].decode("utf-8", "ignore")
    begin = len(text)
    while begin and (text[begin - 1].isalnum() or text[begin - 1] in "_."):
        begin -= 1
    rest = data[start:].decode("utf-8", "ignore")
    tail = 0
    while tail < len(rest) and (rest[tail].isalnum() or rest[tail] == "_"):
        tail += 1
    return text[begin:], rest[:tail], text


def lookup(path):
    """The value that a dotted name has now, as far as it can be had without running anything of it.

    Returns (value,) or nothing."""
    import builtins, inspect
    first, *rest = path.split(".")
    if first in space:
        value = space[first]
    elif first in builtins.__dict__:
        value = builtins.__dict__[first]
    else:
        return ()
    for name in rest:
        try:
            found = inspect.getattr_static(value, name)
        except AttributeError:
            return ()
        if isinstance(found, property) or hasattr(type(found), "__get__") and not callable(found):
            if not isinstance(found, (staticmethod, classmethod)):
                return ()
        value = getattr(value, name) if callable(found) or isinstance(found, (staticmethod, classmethod)) else found
    return (value,)


def complete(code, cursor):
    path, _, text = place(code, cursor)
    head, dot, name = path.rpartition(".")
    if dot:
        names = [one for value in lookup(head) for one in dir(value)]
    else:
        import builtins, keyword
        names = [*space, *dir(builtins), *keyword.kwlist]
    names = sorted({one for one in names if isinstance(one, str) and one.startswith(name)
                    and (name or not one.startswith("_"))}, key=lambda one: (one.startswith("_"), one))
    end = len(text.encode())
    start = end - len(name.encode())
    event(b"c", b"".join(field(1, one) for one in names[:1000]) + field(2, start) + field(3, end))


def inspect(code, cursor, detail):
    import importlib
    tools = importlib.import_module("inspect")
    before, after, _ = place(code, cursor)
    found = lookup((before + after).strip("."))
    if not found:
        return event(b"i", b"")
    value, parts = found[0], []
    name = (before + after).strip(".")
    try:
        parts.append(name + str(tools.signature(value)))
    except (TypeError, ValueError):
        parts.append("%s: %s" % (name, type(value).__name__))
    if not callable(value):
        parts.append(text_of(lambda: repr(value))[:10000])
    parts.append(text_of(lambda: tools.getdoc(value) or "")[:100000])
    if detail:
        try:
            parts.append(tools.getsource(value)[:100000])
        except (TypeError, OSError):
            pass
    event(b"i", field(1, True) + field(2, field(1, "text/plain") + field(2, "\n\n".join(part for part in parts if part))))
