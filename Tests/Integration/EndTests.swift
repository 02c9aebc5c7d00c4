// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthSchema
import Foundation
import Testing
import TestSupport

@Suite("How programs in real containers end, and containers under them", .serialized)
struct EndTests {
    @Test("every exit code and every signal that kills comes through as it is", arguments: Runtime.allCases)
    func codesAndSignals(_ runtime: Runtime) async throws {
        try await ServerProcess.with(runtime, ["--size", "1"]) { server in
            let client = try await BerthClient.connect(to: try ServerAddress(server.address))
            defer { client.close() }
            let lease = try await client.acquire()
            for code in 0...255 {
                let ended = try await client.run(Command(shell: "exit \(code)"), in: lease).ended
                #expect(
                    ended.cause == .exited && ended.exitCode == Int32(code) && ended.signal == 0, "\(code): \(ended)")
            }
            // Those that stop, go on, or are ignored by who does not ask for them.
            let harmless = [SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH]
            for signal in Int32(1)...64 where !harmless.contains(signal) {
                // Not the shell's own kill, which may not know all of them. Python ignores two of them by itself.
                let script =
                    "import os, signal, time\nfor n in (13, 25): signal.signal(n, signal.SIG_DFL)\n"
                    + "os.kill(os.getpid(), \(signal)); time.sleep(60)"
                let ended = try await client.run(Command(["python3", "-c", script]), in: lease).ended
                #expect(ended.cause == .signalled && ended.signal == signal, "\(signal): \(ended)")
            }
        }
    }

    @Test(
        "a container that its runtime kills ends its executions as lost, with what they wrote",
        arguments: Runtime.allCases)
    func killedByRuntime(_ runtime: Runtime) async throws {
        try await ServerProcess.with(runtime, ["--size", "1"]) { server in
            let client = try await BerthClient.connect(to: try ServerAddress(server.address))
            defer { client.close() }
            let lease = try await client.acquire()
            let idle = client.execute(Command(shell: "echo on; sleep 1000"), in: lease)
            let busy = client.execute(Command(shell: "echo on; while :; do echo y; done"), in: lease)
            let reading = Task { try await idle.collect() }
            var (written, isKilled) = (0, false)
            for try await event in busy {
                if case .output(let output) = event { written += output.data.count }
                if case .ended(let ended) = event {
                    #expect(ended.cause == .containerLost, "\(ended)")
                    #expect(ended.message == "the container went away")
                    #expect(ended.stdoutBytes == written, "what was written before is not lost, and counted")
                }
                guard !isKilled, written > 100_000 else { continue }
                isKilled = true
                try await server.killContainer(of: lease.member)
            }
            #expect(isKilled)
            let output = try await reading.value
            #expect(output.ended.cause == .containerLost)
            #expect(output.text == "on\n")
            let told = try await server.run(["--lease", lease.token, "--", "true"])
            #expect(told.status == 125, "\(told)")
            // Another takes its place.
            #expect(try await client.run(Command(["echo", "on"]), wait: .seconds(60)).text == "on\n")
        }
    }

    @Test("a dockerd that dies disturbs no execution; one that stops takes its containers, and each end is told")
    func engineStops() async throws {
        try await OwnDockerd.with(image: "busybox:latest") { dockerd in
            let flags = ["--docker-host", dockerd.endpoint, "--image", "busybox:latest", "--size", "1"]
            try await ServerProcess.with(.docker, flags, engine: dockerd.endpoint) { server in
                let client = try await BerthClient.connect(to: try ServerAddress(server.address))
                defer { client.close() }
                var command = Command(shell: "while read line; do echo got $line; done")
                command.keepsStdinOpen = true
                let execution = client.execute(command, wait: .seconds(60))
                var output = execution.makeAsyncIterator()
                func exchange(_ word: String) async throws {
                    try await execution.write(Array("\(word)\n".utf8))
                    var text = ""
                    while !text.hasSuffix("got \(word)\n") {
                        guard let event = try await output.next() else { throw NeverHappened(description: "\(word)") }
                        if case .output(let piece) = event { text += String(decoding: piece.data, as: UTF8.self) }
                    }
                }
                try await exchange("before")
                try await dockerd.stop(by: SIGKILL)
                try await exchange("without an engine")
                // As it starts again it ends what ran under it.
                try await dockerd.start()
                var ended: Ended?
                while let event = try await output.next() {
                    if case .ended(let end) = event { ended = end }
                }
                #expect(ended?.cause == .containerLost, "\(String(describing: ended))")

                _ = try await client.resetBackoff()
                let next = client.execute(Command(shell: "echo on; exec sleep 1000"), wait: .seconds(60))
                for try await event in next {
                    if case .output = event { try await dockerd.stop(by: SIGTERM) }
                    if case .ended(let ended) = event { #expect(ended.cause == .containerLost, "\(ended)") }
                }
                // The server lives on, says what is wrong, and goes on when the engine is back.
                let refused = try await server.run(["--wait", "1s", "--", "true"])
                #expect(refused.status == 125, "\(refused)")
                try await dockerd.start()
                _ = try await client.resetBackoff()
                #expect(try await client.run(Command(["echo", "back"]), wait: .seconds(60)).text == "back\n")
            }
        }
    }
}

extension ServerProcess {
    /// Kills a container through its runtime, as an operator would.
    func killContainer(of member: String) async throws {
        if runtime == .native {
            // There is no tool for it: its first process is the container.
            kill(try await agent(of: member), SIGKILL)
            return
        }
        let program =
            if let endpoint {
                try Program(try tool("docker"), ["-H", endpoint, "kill", "berth-\(instance)-\(member)"])
            } else {
                try Program(
                    try tool("runc"), ["--root", "\(stateDirectory)/\(instance)/runc", "kill", member, "KILL"])
            }
        guard try await program.end() == 0 else { throw NeverHappened(description: "\(member): \(program.err)") }
    }
}
