# SPDX-License-Identifier: Apache-2.0
"""A server under test, its pods, and the cluster that they are in."""
import base64
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading
import time
import uuid

BUILD = os.environ["BERTH_BUILD"]
KUBECTL = os.environ["BERTH_TEST_KUBECTL"]
STATE = os.environ["BERTH_TEST_KUBERNETES"]
CTL = os.environ["BERTH_KUBERNETES_CTL"]


class CheckFailed(Exception):
    pass


def require(condition, what) -> None:
    if not condition:
        raise CheckFailed(str(what))


def until(what: str, condition, seconds: float = 30) -> None:
    """Waits for a condition that has no event to wait for."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise CheckFailed(f"not within {seconds} s: {what}")
        time.sleep(0.05)


def kubectl(*arguments: str, check: bool = True) -> subprocess.CompletedProcess:
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    result = subprocess.run([KUBECTL, *arguments], capture_output=True, text=True, timeout=60, env=environment, check=False)
    if check and result.returncode:
        raise CheckFailed(f"kubectl {' '.join(arguments)}: {result.stderr}")
    return result


def pods(selector: str, namespace: str = "default") -> list:
    words = ["get", "pods", "--namespace", namespace, "--selector", selector, "--output", "json"]
    return json.loads(kubectl(*words).stdout)["items"]


def token_of(account: str, namespace: str) -> str:
    """The token of a service account, which such a cluster makes by itself."""
    names = ("get", "--namespace", namespace, "--output")
    until("it has a token", lambda: kubectl(*names, "jsonpath={.secrets[0].name}", "serviceaccount", account).stdout)
    secret = kubectl(*names, "jsonpath={.secrets[0].name}", "serviceaccount", account).stdout
    return base64.b64decode(kubectl(*names, "jsonpath={.data.token}", "secret", secret).stdout).decode()


def kubeconfig(directory: str, token: str, namespace: str) -> str:
    """Writes a kubeconfig that shows a token."""
    server = kubectl("config", "view", "--output", "jsonpath={.clusters[0].cluster.server}").stdout
    path = pathlib.Path(directory, "kubeconfig")
    path.write_text(json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": server, "certificate-authority": f"{STATE}/keys/ca.crt"}}],
        "users": [{"name": "u", "user": {"token": token}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": namespace}}],
    }))
    return str(path)


def berth(*arguments: str, check: bool = True, **options) -> subprocess.CompletedProcess:
    result = subprocess.run([f"{BUILD}/berth", *arguments], capture_output=True, text=True, timeout=120, check=False, **options)
    if check and result.returncode:
        raise CheckFailed(f"berth {' '.join(arguments)}: exit {result.returncode}: {result.stderr}")
    return result


class Server:
    """`berth serve` with members as pods. Leaving it ends it, and checks that no pod is left."""

    def __init__(self, *arguments: str, warm: bool = True, agent: bool = True, config: str = "", namespace: str = "default") -> None:
        self.arguments, self.warm, self.namespace = list(arguments), warm, namespace
        self.config = config or os.environ["KUBECONFIG"]
        if agent:
            self.arguments += ["--kubernetes-agent", f"host:{os.path.realpath(BUILD)}/berth-agent"]
        if "--image" not in self.arguments:
            self.arguments += ["--image", "python:3.9-slim"]
        if "--cpus" not in self.arguments:
            # What the members ask for must fit on this machine, which the nodes share.
            self.arguments += ["--cpus", "0.2"]
        self.instance = f"k-{uuid.uuid4().hex[:8]}"
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="berth-k8s-"))
        self.log = self.directory / "log"

    def start(self) -> "Server":
        command = [
            f"{BUILD}/berth", "serve", "--listen", "127.0.0.1:0", "--runtime", "kubernetes", "--instance", self.instance,
            "--state-dir", f"{self.directory}/state", "--log-level", "debug", "--kubernetes-config",
            self.config, "--create-timeout", "60s", *self.arguments,
        ]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True)
        line = self.process.stdout.readline()
        greeting = "berth: listening on "
        if not line.startswith(greeting):
            self.process.kill()
            raise CheckFailed(f"the server said {line!r}; its log:\n{self.log.read_text()}")
        self.address = line[len(greeting):].strip()
        if self.warm:
            began = time.monotonic()
            try:
                self.ready()
            except CheckFailed:
                self.process.kill()
                raise
            print(f"        all members were warm after {time.monotonic() - began:.1f} s", flush=True)
        return self

    def ready(self) -> None:
        pool = lambda: self.stats()["pools"][0]
        try:
            until("the pool is warm", lambda: pool()["idle"] >= pool()["target"], 40)
        except CheckFailed as failure:
            raise CheckFailed(f"{failure}; {pool()}; the log:\n{self.log.read_text()[-3000:]}") from failure

    def __enter__(self) -> "Server":
        try:
            return self.start()
        except Exception:
            self.end()
            raise

    def __exit__(self, kind, error, _trace) -> None:
        if error is not None:
            text = self.log.read_text()
            self.end()
            raise CheckFailed(f"{kind.__name__}: {error}\nthe server's log:\n{text[-6000:]}") from error
        code = self.end()
        require(code == 0, f"the server ended with {code}:\n{self.log_text[-3000:]}")
        until("no pod is left", lambda: not self.pods(), 20)

    def end(self) -> int:
        process = getattr(self, "process", None)
        if process is None:
            return 1
        process.terminate()
        try:
            code = process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        self.log_text = self.log.read_text()
        shutil.rmtree(self.directory, ignore_errors=True)
        return code

    # What it does

    def stats(self) -> dict:
        return json.loads(berth("stats", "--server", self.address, "--json").stdout.splitlines()[0])

    def run(self, *arguments: str, text: str = "", check: bool = True) -> subprocess.CompletedProcess:
        return berth("run", "--server", self.address, *arguments, input=text, check=check)

    def acquire(self) -> str:
        return berth("acquire", "--server", self.address, "--wait", "60s").stdout.strip()

    def release(self, lease: str) -> None:
        berth("release", "--server", self.address, lease)

    def start_in(self, lease: str, script: str, limit: str = "100s"):
        """Starts a program, waits for its first line, and says in which pod it is."""
        member = self.run("--lease", lease, "--", "cat", "/proc/sys/kernel/hostname").stdout.strip()
        program = subprocess.Popen(
            [f"{BUILD}/berth", "run", "--server", self.address, "--lease", lease, "--timeout", limit, "--", "sh", "-c", script],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        require(program.stdout.readline() == "ready\n", "the program did not start")
        names = [pod["metadata"]["name"] for pod in self.pods() if pod["metadata"]["labels"]["dev.berth.member"] == member]
        require(len(names) == 1, f"pods of {member}: {names}")
        return program, names[0]

    # Its pods

    @property
    def selector(self) -> str:
        return f"dev.berth.instance={self.instance}"

    def pods(self) -> list:
        return pods(self.selector, self.namespace)

    def ctl(self, *arguments: str) -> str:
        return subprocess.run([CTL, STATE, *arguments], check=True, capture_output=True, text=True, timeout=60).stdout

    def kill_container(self, name: str) -> None:
        """Kills the agent, from the node."""
        pod = next(pod for pod in self.pods() if pod["metadata"]["name"] == name)
        container = pod["status"]["containerStatuses"][0]["containerID"].split("//")[1]
        self.ctl("enter", pod["spec"]["nodeName"], "ctr", "-n", "k8s.io", "tasks", "kill", "--signal", "KILL", container)

    @contextlib.contextmanager
    def counting_posts(self):
        """Counts the pods that appear meanwhile, and how many there were at a time, by a watch of its own."""
        counted = Counting(self.selector)
        try:
            yield counted
        finally:
            counted.stop()


class Counting:
    """Pods of a selector by kubectl's watch: each that appears counts, until it is gone."""

    def __init__(self, selector: str) -> None:
        self.before = {pod["metadata"]["uid"] for pod in pods(selector)}
        self.count, self.most = 0, len(self.before)
        self.seen, self.there = set(self.before), set(self.before)
        self.process = subprocess.Popen(
            [KUBECTL, "get", "pods", "--selector", selector, "--watch", "--output-watch-events", "--output", "json"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self) -> None:
        decoder, text = json.JSONDecoder(), ""
        for line in self.process.stdout:
            text += line
            while True:
                try:
                    event, end = decoder.raw_decode(text.lstrip())
                except ValueError:
                    break
                text = text.lstrip()[end:]
                self.take(event["type"], event["object"]["metadata"]["uid"])

    def take(self, kind: str, uid: str) -> None:
        if kind == "DELETED":
            self.there.discard(uid)
            return
        if uid not in self.seen:
            self.count += 1
        self.seen.add(uid)
        self.there.add(uid)
        self.most = max(self.most, len(self.there))

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()
        self.thread.join()
