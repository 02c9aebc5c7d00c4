// SPDX-License-Identifier: Apache-2.0

import AgentSchema
import BerthSchema
import Glibc
import Testing
import TestSupport

@Suite("What a program finds")
struct IsolationTests {
    @Test(
        "only standard input, output and error are open, at rest and beside other executions",
        arguments: AgentProcess.Way.allCases)
    func descriptors(way: AgentProcess.Way) throws {
        let agent = try AgentProcess(way)
        let other = try agent.start(["cat"]) { $0.stdin = [UInt8](repeating: 0, count: 200_000) }
        // ls itself has the folder open that it lists.
        #expect(try agent.run(["ls", "/proc/self/fd"]).text == "0\n1\n2\n3\n")
        #expect(try agent.run(["ls", "/proc/self/fd"]) { $0.stdin = [1] }.text == "0\n1\n2\n3\n")
        _ = try agent.finish(other)
    }

    @Test("the environment and the arguments are exactly as asked", arguments: AgentProcess.Way.allCases)
    func environment(way: AgentProcess.Way) throws {
        let agent = try AgentProcess(way)
        let env = ["B=2", "A=x=y", "EMPTY=", "TEXT=ä€😀 \n'\"", "B=3"]
        #expect(
            try agent.run(["/usr/bin/env", "-0"]) { $0.env = env.map { SystemString($0) } }.stdout
                == Array(env.map { $0 + "\0" }.joined().utf8))
        #expect(try agent.run(["/usr/bin/env", "-0"]) { $0.env = [] }.stdout.isEmpty)
        let words = ["", " ", "a b", "-n", "ä"]
        let arguments = ["python3", "-c", "import sys; print(sys.argv[1:])"] + words
        #expect(try agent.run(arguments).text == "['', ' ', 'a b', '-n', 'ä']\n")
    }

    @Test("a program without a slash is looked up in the PATH of the request", arguments: AgentProcess.Way.allCases)
    func path(way: AgentProcess.Way) throws {
        let agent = try AgentProcess(way)
        #expect(try agent.run(["true"]) { $0.env = ["PATH=/no/such:/usr/bin:/bin"] }.ended.cause == .exited)
        #expect(try agent.run(["true"]) { $0.env = ["PATH=/no/such"] }.ended.startFailure == .programNotFound)
        #expect(try agent.run(["true"]) { $0.env = [] }.ended.cause == .exited)
        #expect(
            try agent.run(["true"]) {
                $0.env = ["PATH="]
                $0.cwd = "/usr/bin"
            }.ended.cause == .exited)
    }

    @Test(
        "signals are unblocked and at their default, in a session of its own, without new privileges or core files",
        arguments: AgentProcess.Way.allCases)
    func clean(way: AgentProcess.Way) throws {
        let agent = try AgentProcess(way)
        let outcome = try agent.run(
            shell:
                "grep -E 'Sig(Blk|Ign)|NoNewPrivs' /proc/self/status; ulimit -c; ps -o pid=,sid=,pgid= -p $$; umask; pwd"
        ) {
            $0.cwd = "/usr"
        }
        let lines = outcome.text.split(separator: "\n").map { $0.split { $0 == " " || $0 == "\t" }.map(String.init) }
        #expect(lines[0] == ["SigBlk:", "0000000000000000"])
        #expect(lines[1] == ["SigIgn:", "0000000000000000"])
        #expect(lines[2] == ["NoNewPrivs:", "1"])
        #expect(lines[3] == ["0"])
        let pid = String(try #require(outcome.pid))
        #expect(lines[4] == [pid, pid, pid])
        #expect(lines[5] == ["0022"])
        #expect(lines[6] == ["/usr"])
    }

    @Test(
        "the asked user and group are all that is left, and cannot touch the agent",
        arguments: AgentProcess.Way.allCases)
    func user(way: AgentProcess.Way) throws {
        try #require(getuid() == 0, "this test needs root: run it as root")
        let agent = try AgentProcess(way)
        let script = """
            id -u; id -g; id -G; grep -E 'Cap(Prm|Eff)' /proc/self/status
            kill -9 \(agent.pid) 2>/dev/null; echo $?
            kill -9 $PPID 2>/dev/null; echo $?
            cat /proc/\(agent.pid)/environ >/dev/null 2>&1; echo $?
            cat /proc/self/oom_score_adj
            """
        let lines = try agent.run(shell: script) {
            $0.uid = 1000
            $0.gid = 1001
        }.text.split(separator: "\n").map(String.init)
        #expect(Array(lines[0..<3]) == ["1000", "1001", "1001"])
        #expect(lines[3...4].allSatisfy { $0.hasSuffix("\t0000000000000000") })
        #expect(Array(lines[5..<9]) == ["1", "1", "1", "500"])
        #expect(try agent.run(["true"]).ended.cause == .exited)
    }

    @Test("an agent without privileges runs programs as itself, and as nobody else")
    func unprivileged() throws {
        try #require(getuid() == 0, "this test needs root: run it as root")
        let agent = try AgentProcess(wrapper: ["setpriv", "--reuid=61235", "--regid=61235", "--clear-groups"])
        let outcome = try agent.run(["id", "-u"]) {
            $0.uid = 61235
            $0.gid = 61235
        }
        #expect(outcome.text == "61235\n")
        let refused = try agent.run(["id", "-u"]) {
            $0.uid = 1000
            $0.gid = 61235
        }
        #expect(refused.ended.cause == .startFailed)
        #expect(refused.ended.message == "cannot run id as user 1000, group 61235: Operation not permitted")
    }

    @Test("as process 1 of its own namespace it does all the same, and its end is everything's end")
    func processOne() async throws {
        try #require(getuid() == 0, "this test needs root: run it as root")
        let agent = try AgentProcess(wrapper: ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"])
        let answer = try Agent.PingResponse(decoding: agent.call("Ping", Agent.PingRequest()).payload)
        #expect(answer.pid == 1)
        #expect(answer.version == "0.1.0")
        // Orphans of an earlier execution would show in a later one.
        _ = try agent.run(shell: "(setsid sleep 1000 &); sleep 0.05; exit 0")
        let outcome = try agent.run(["ps", "-A", "-o", "stat=,comm="])
        let names = outcome.text.split(separator: "\n").map { String($0.split(separator: " ").last ?? "") }
        #expect(names == ["berth-agent", "ps"])
        // kill spares process 1 and who calls it.
        #expect(try agent.run(shell: "kill -9 1; kill -TERM -1; echo on") { $0.uid = 1000 }.text == "on\n")
        let marker = "BERTH_TEST_ONE=\(getpid())"
        let left = try agent.start(shell: "echo on; sleep 1000") { $0.env.append(SystemString(marker)) }
        _ = try agent.stdout(left, count: 3)
        #expect(!processes(withEnvironment: marker).isEmpty)
        agent.closeStream()
        #expect(agent.waitForExit(within: 5))
        #expect(processes(withEnvironment: marker).isEmpty)
    }
}
