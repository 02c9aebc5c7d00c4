#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What Berth must do on a cluster: each check is a function whose sentence can be true or false.

    checks.py [WORD…]    runs the checks, or those in whose sentences one of the words occurs

Tests/Kubernetes/run starts it beside a cluster of its own. The last line is "N passed, N failed".
"""
import concurrent.futures
import json
import os
import pathlib
import socket
import sys
import tempfile
import time
import traceback

from cluster import BUILD, STATE, CheckFailed, Server, berth, kubeconfig, kubectl, require, token_of, until

CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


@check
def runs_programs() -> None:
    """a program's output, input and exit code come through a pod as through any member"""
    with Server() as server:
        result = server.run("-i", "--", "sh", "-c", "echo out; cat; echo err >&2; exit 7", text="in\n", check=False)
        require(result.returncode == 7 and result.stdout == "out\nin\n" and result.stderr == "err\n", result)
        size = 8 << 20
        require(len(server.run("--", "head", "-c", str(size), "/dev/zero").stdout) == size, "output is missing")
        names = server.run("--", "sh", "-c", "id -un; echo $HOME; pwd; touch /tmp/a /workspace/b && echo written").stdout
        require(names == "berth\n/workspace\n/workspace\nwritten\n", names)


@check
def hardened() -> None:
    """a program in a pod has no capabilities, no token, no writable root, no node's disk, and Berth's filter of calls"""
    with Server() as server:
        status = server.run("--", "cat", "/proc/self/status").stdout
        fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            require(int(fields[name], 16) == 0, f"{name}: {fields[name]}")
        require(fields["NoNewPrivs"].strip() == "1" and fields["Seccomp"].strip() == "2", status)
        require(int(fields["Uid"].split()[0]) >= 1000, fields["Uid"])
        for path in ("/x", "/etc/x", "/.berth/x", "/.berth/termination-log", "/dev/termination-log"):
            result = server.run("--", "sh", "-c", f"echo x > {path}", check=False)
            require(result.returncode != 0, f"{path} can be written to")
        require(server.run("--", "ls", "/var/run/secrets", check=False).returncode != 0, "a token is mounted")
        environment = server.run("--", "env").stdout
        require("KUBERNETES" not in environment, environment)
        # The container runtime's own profile allows this one, Berth's does not.
        program = "import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)"
        result = server.run("--", "python3", "-c", program, check=False)
        require(result.returncode == 1 and "Operation not supported" in result.stderr, result)
        limits = server.run("--", "sh", "-c", "ulimit -n; ulimit -p").stdout.split()
        require(limits == ["4096", "128"], limits)


@check
def doctor() -> None:
    """doctor says what the cluster has, makes a pod if asked, and names what a right that is missing is granted with"""
    agent = ("--kubernetes-agent", f"host:{os.path.realpath(BUILD)}/berth-agent")
    everything = berth("doctor", "--runtime", "kubernetes", "--try", *agent).stdout
    print("        " + everything.replace("\n", "\n        "))
    require("it allows what the server does with pods: get,list,watch,create,delete" in everything
            and "a pod with python:3.9-slim was made and its agent reached in" in everything
            and everything.endswith("berth serve can run here, on kubernetes\n"), everything)
    until("its pod is gone", lambda: not json.loads(kubectl("get", "pods", "--output", "json").stdout)["items"], 20)
    kubectl("create", "namespace", "doctor")
    directory = tempfile.TemporaryDirectory()
    try:
        kubectl("create", "serviceaccount", "nobody", "--namespace", "doctor")
        kubectl("create", "quota", "few", "--hard", "pods=0", "--namespace", "doctor")
        config = kubeconfig(directory.name, token_of("nobody", "doctor"), "doctor")
        poor = berth("doctor", "--runtime", "kubernetes", "--kubernetes-config", config, check=False)
        remedy = next(line.partition("fix it with: ")[2] for line in poor.stdout.splitlines() if "fix it with" in line)
        require(poor.returncode == 1 and "it does not allow get, list, watch, create, delete of pods in the namespace doctor"
                in poor.stdout and "--serviceaccount doctor:nobody" in remedy, poor.stdout)
        for command in remedy.split(" && "):
            kubectl(*command.split()[1:])
        mended = berth("doctor", "--runtime", "kubernetes", "--kubernetes-config", config).stdout
        require("quotas can't be seen with these rights" in mended, mended)
        seen = berth("doctor", "--runtime", "kubernetes", "--kubernetes-namespace", "doctor").stdout
        require("lacks    quota few: 0 of 0 pods are used" in seen, seen)
    finally:
        directory.cleanup()
        kubectl("delete", "namespace", "doctor", "--wait=false")


@check
def resets() -> None:
    """a pod that is released is reset, proven clean, and used again: no other pod is made"""
    with Server("--reuse", "reset", "--size", "1", "--max", "1") as server:
        before = [pod["metadata"]["uid"] for pod in server.pods()]
        for round in range(5):
            lease = server.acquire()
            seen = server.run("--lease", lease, "--", "sh", "-c", "ls -A /tmp /workspace /dev/shm; touch /tmp/x /dev/shm/y").stdout
            require(seen.split() == ["/dev/shm:", "/tmp:", "/workspace:"], f"round {round}: {seen}")
            server.release(lease)
        stats = server.stats()["pools"][0]
        require(stats["recycled"] == 5 and stats["creates"] == 1, stats)
        require([pod["metadata"]["uid"] for pod in server.pods()] == before, "there is another pod")


@check
def warm_acquires_make_nothing() -> None:
    """acquires and releases with resets make no pod"""
    with Server("--reuse", "reset", "--size", "1", "--max", "1") as server:
        server.release(server.acquire())
        with server.counting_posts() as posts:
            for _ in range(20):
                server.release(server.acquire())
        require(posts.count == 0, f"{posts.count} pods were made")


@check
def a_lost_container() -> None:
    """a container that is killed ends its program as CONTAINER_LOST at once, and is replaced"""
    with Server("--size", "1", "--max", "3") as server:
        lease = server.acquire()
        program, pod = server.start_in(lease, "echo ready; sleep 1000")
        began = time.monotonic()
        server.kill_container(pod)
        program.wait(20)
        took = time.monotonic() - began
        words = program.stderr.read()
        require(program.returncode == 125 and "went away" in words, f"{program.returncode} {words}")
        print(f"        {took * 1000:.0f} ms, with the tool that kills")
        require(took < 2, f"{took:.2f} s")
        until("a member is warm again", lambda: server.stats()["pools"][0]["idle"] >= 1)


@check
def a_deleted_pod() -> None:
    """a pod that somebody deletes goes on for the grace, ends its program as DRAINING, and is replaced; never more than max"""
    with Server("--size", "2", "--max", "3") as server:
        lease = server.acquire()
        program, pod = server.start_in(lease, "echo ready; sleep 1000")
        with server.counting_posts() as posts:
            began = time.monotonic()
            kubectl("delete", "pod", pod, "--wait=false", "--grace-period=6")
            until("the server has seen it", lambda: "takes a member back" in server.log.read_text(), 5)
            require(server.run("--lease", lease, "--", "echo", "still here").stdout == "still here\n", "the lease ended")
            program.wait(20)
            took, words = time.monotonic() - began, program.stderr.read()
            print(f"        the program ended {took:.2f} s after the deletion was asked for, with a grace of 6 s")
            require(program.returncode == 125 and f"the pod {pod} is being deleted" in words, f"{program.returncode} {words}")
            require(3 < took < 8, f"{took:.2f} s")
            until("two members are warm again", lambda: server.stats()["pools"][0]["idle"] == 2, 60)
            until("the deleted pod is gone", lambda: len(server.pods()) == 2, 60)
        require(posts.most <= 3, f"{posts.most} pods at a time")


@check
def a_cordoned_node() -> None:
    """on a node that is cordoned no member is leased any more: idle ones move to another, a lease goes on until it is released"""
    with Server("--size", "2", "--max", "4") as server:
        lease = server.acquire()
        program, pod = server.start_in(lease, "echo ready; sleep 4; echo done")
        node = next(one["spec"]["nodeName"] for one in server.pods() if one["metadata"]["name"] == pod)
        kubectl("cordon", node)
        try:
            def elsewhere() -> bool:
                pods = [one for one in server.pods() if one["metadata"]["name"] != pod]
                return all(one["spec"].get("nodeName") != node for one in pods) and server.stats()["pools"][0]["idle"] == 2
            until("two idle members are on other nodes", elsewhere, 60)
            require(program.wait(20) == 0, program.stderr.read())
            require(server.run("--lease", lease, "--", "echo", "still here").stdout == "still here\n", "the lease ended")
            server.release(lease)
            until("its pod is gone", lambda: all(one["metadata"]["name"] != pod for one in server.pods()), 60)
            require("is cordoned" in server.log.read_text(), server.log.read_text()[-3000:])
        finally:
            kubectl("uncordon", node)


@check
def no_more_than_max() -> None:
    """however many callers wait, and however soon they come again, there are never more pods than the pool's max"""
    with Server("--size", "2", "--max", "4") as server, server.counting_posts() as posts:
        with concurrent.futures.ThreadPoolExecutor(8) as callers:
            results = list(callers.map(lambda _: server.run("--wait", "100s", "--", "true"), range(16)))
        require(len(results) == 16, results)
        until("the pool is warm again", lambda: server.stats()["pools"][0]["idle"] == 2, 60)
        require(posts.most <= 4, f"{posts.most} pods at a time")
        print(f"        {posts.count} pods were made for 16 leases, at most {posts.most} at a time")


@check
def a_killed_server() -> None:
    """a server killed by SIGKILL leaves no pod for 10 s, nor for a minute one that was just being created"""
    server = Server("--size", "6", "--max", "7", "--batch", "6").start()
    lease = server.acquire()
    server.start_in(lease, "echo ready; sleep 1000")
    there = {pod["metadata"]["uid"] for pod in server.pods() if pod["status"]["phase"] == "Running"}
    # The lease has made room for another one, which is under way.
    until("a seventh is created", lambda: len(server.pods()) == 7)
    server.process.kill()
    server.process.wait()
    began = time.monotonic()
    until("none of the six is left", lambda: not there & {pod["metadata"]["uid"] for pod in server.pods()}, 10)
    print(f"        the six were gone {time.monotonic() - began:.1f} s after the kill")
    # A kubelet ends what it is just starting in its own time.
    until("no pod is left", lambda: not server.pods(), 60)
    print(f"        the last {time.monotonic() - began:.1f} s after the kill")


@check
def two_servers() -> None:
    """two servers in one namespace do not touch each other's pods, when one starts, and when one is killed"""
    with Server("--size", "2", "--max", "2") as one:
        before = {pod["metadata"]["uid"] for pod in one.pods()}
        two = Server("--size", "2", "--max", "2").start()
        two.process.kill()
        two.process.wait()
        until("the other's pods are gone", lambda: not two.pods(), 30)
        require({pod["metadata"]["uid"] for pod in one.pods()} == before, "pods of the first have changed")
        require(one.run("--", "echo", "alive").stdout == "alive\n", "the first does not serve")


@check
def hopeless_pods() -> None:
    """an image that no node gets, and a pod that no node has room for, are failed creates at once, with their cause"""
    for arguments, cause, words in (
        (["--image", "no.such.registry.invalid/x:1"], "image", "no.such.registry.invalid/x:1"),
        (["--memory", "900g"], "memory", "no node takes the pod"),
    ):
        with Server(*arguments, "--size", "2", "--max", "2", warm=False) as server, server.counting_posts() as posts:
            began = time.monotonic()
            until("the breaker is open", lambda: server.stats()["pools"][0]["breaker"] == "open", 30)
            took = time.monotonic() - began
            stats = json.dumps(server.stats()["pools"][0])
            require(cause in stats.lower() and words in stats, stats)
            print(f"        {words}: after {took:.1f} s")
            # A kubelet that is waiting for a registry takes its time.
            until("the hopeless pod is gone", lambda: not server.pods(), 90)
            require(posts.count <= 1, f"{posts.count} pods were made")


@check
def rights() -> None:
    """the rights of packaging/kubernetes are enough, and a server without them says at its start what it lacks"""
    manifest = str(pathlib.Path(__file__).resolve().parents[2] / "packaging/kubernetes/berth.yaml")
    kubectl("apply", "--filename", manifest)
    try:
        kubectl("delete", "--namespace", "berth", "deployment", "berth")
        with tempfile.TemporaryDirectory() as directory:
            config = kubeconfig(directory, token_of("berth", "berth"), "berth")
            with Server(config=config, namespace="berth") as server:
                require(server.run("--", "echo", "hello").stdout == "hello\n", "no hello")
                require(len(server.pods()) > 0, "its pods are elsewhere")
    finally:
        kubectl("delete", "--filename", manifest, "--ignore-not-found", "--wait=false")
    try:
        Server(config=f"{STATE}/kubeconfig-no-rights", warm=False).start()
    except CheckFailed as failure:
        require("cannot list resource" in str(failure) and "docs/kubernetes.md" in str(failure), failure)
    else:
        raise CheckFailed("it starts without rights")


@check
def ways_of_the_agent() -> None:
    """a pod gets the agent from an init container, or has it in its image"""
    with Server("--kubernetes-agent", "init:docker.io/library/berth-agent:test", agent=False) as server:
        require(server.run("--", "echo", "hello").stdout == "hello\n", "no hello")
    image = "docker.io/library/berth-agent:test"
    with Server("--image", image, "--kubernetes-agent", "image:/berth-agent", agent=False) as server:
        require(server.run("--", "/berth-agent", "--version").stdout.startswith("berth-agent"), "no version")


@check
def the_agent_listens_once() -> None:
    """nobody but the server gets in: a wrong secret is turned away, and after the server's nothing listens"""
    with Server("--size", "1", "--max", "1") as server:
        address = server.pods()[0]["status"]["podIP"]
        try:
            socket.create_connection((address, 7412), timeout=3).close()
        except ConnectionRefusedError:
            return
        raise CheckFailed("the agent listens still")


@check
def the_api_is_down() -> None:
    """while the API server is down, leases go on and programs run; when it is back, the pool fills again"""
    with Server("--size", "2", "--max", "3", "--reuse", "reset", "--backoff", "1s") as server:
        lease = server.acquire()
        server.ctl("stop", "kube-apiserver")
        try:
            require(server.run("--lease", lease, "--", "echo", "alive").stdout == "alive\n", "a lease does not serve")
            require(server.run("--", "echo", "alive").stdout == "alive\n", "a warm member does not serve")
        finally:
            server.ctl("start", "kube-apiserver")
        until("the API answers", lambda: kubectl("get", "--raw", "/readyz", check=False).stdout == "ok", 60)
        kubectl("delete", "pod", server.pods()[0]["metadata"]["name"], "--wait=false")
        until("two members are there again", lambda: len([p for p in server.pods() if p["status"]["phase"] == "Running"]) == 2, 60)
        require(len(server.pods()) <= 3, "too many pods")


@check
def a_cut_node() -> None:
    """a node that is cut off ends its programs in under a minute and no others; when it is back, the pool is whole again"""
    arguments = ["--size", "2", "--max", "6", "--backoff", "1s", "--create-timeout", "20s"]
    with Server(*arguments) as server, server.counting_posts() as posts:
        programs = {}
        for _ in range(4):
            program, pod = server.start_in(server.acquire(), "echo ready; sleep 1000", "500s")
            node = next(one["spec"]["nodeName"] for one in server.pods() if one["metadata"]["name"] == pod)
            programs.setdefault(node, program)
            if len(programs) == 2:
                break
        require(len(programs) == 2, f"all pods are on {list(programs)}")
        (lost, program), (_, other) = programs.items()
        server.ctl("cut", lost)
        try:
            began = time.monotonic()
            program.wait(60)
            require(program.returncode == 125, program.returncode)
            print(f"        the program ended {time.monotonic() - began:.0f} s after the cut")
            require(other.poll() is None, "a program of the other node has ended")
        finally:
            server.ctl("join", lost)
        until("two members are warm", lambda: server.stats()["pools"][0]["idle"] == 2, 120)
        require(other.poll() is None, "a program of the other node has ended")
        require(posts.most <= 6, f"{posts.most} pods at a time")
        other.terminate()


def main() -> int:
    words = [word.lower() for word in sys.argv[1:]]
    passed = failed = 0
    for function in CHECKS:
        sentence = " ".join((function.__doc__ or "").split())
        if words and not any(word in f"{function.__name__} {sentence}".lower() for word in words):
            continue
        began = time.monotonic()
        try:
            function()
            passed += 1
            print(f"ok      {sentence} ({time.monotonic() - began:.0f} s)", flush=True)
        except Exception as error:
            failed += 1
            text = str(error) if isinstance(error, CheckFailed) else traceback.format_exc()
            print(f"FAILED  {sentence} ({time.monotonic() - began:.0f} s)\n        "
                  + text.strip().replace("\n", "\n        "), flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
