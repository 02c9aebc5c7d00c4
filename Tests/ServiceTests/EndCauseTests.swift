// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthRPC
import BerthSchema
import Foundation
import NIOCore
import Pool
import Service
import Testing
import TestSupport

/// Out of memory needs a container, and is among the integration tests.
@Suite("Each cause of an end, provoked")
struct EndCauseTests {
    private func run(
        _ request: ExecuteRequest, then: ((TestServer, BerthClient, Lease) async throws -> Void)? = nil
    ) async throws -> (Ended, RawStream) {
        var result: (Ended, RawStream)?
        try await TestServer.with { server, client in
            let lease = try await client.acquire()
            let connection = try await RawConnection.open(server)
            var request = request
            request.lease = lease.token
            request.cwd = "/tmp"
            let stream = connection.execute(request)
            if let then {
                try await stream.read(stdout: 1)
                try await then(server, client, lease)
            }
            result = (try await stream.finish(), stream)
            connection.close()
        }
        guard let result else { throw NeverHappened(description: "a result") }
        return result
    }

    @Test("exited, signalled")
    func byItself() async throws {
        let exited = try await run(ExecuteRequest(shell: "exit 200")).0
        #expect(exited.cause == .exited)
        #expect(exited.exitCode == 200)
        let signalled = try await run(ExecuteRequest(shell: "kill -9 $$")).0
        #expect(signalled.cause == .signalled)
        #expect(signalled.signal == 9)
    }

    @Test("timed out, idle, out of CPU time: with what was written by then")
    func limitsOfTime() async throws {
        let late = try await run(ExecuteRequest(shell: "echo x; sleep 1000", timeoutMilliseconds: 1000))
        #expect(late.0.cause == .timedOut)
        #expect(late.0.message == "the program's time-out of 1 s passed")
        #expect(late.1.stdout.text == "x\n")
        let idle = try await run(ExecuteRequest(shell: "echo x; sleep 1000", idleTimeoutMilliseconds: 100))
        #expect(idle.0.cause == .idleTimeout)
        #expect(idle.1.stdout.text == "x\n")
        let busy = try await run(ExecuteRequest(shell: "while :; do :; done", cpuTimeMilliseconds: 100))
        #expect(busy.0.cause == .cpuTimeLimit)
    }

    @Test("output limit: killed, or cut and counted")
    func outputLimit() async throws {
        let killed = try await run(
            ExecuteRequest(shell: "seq 1 100000; sleep 1000", maxOutputBytes: 1000, outputPolicy: .kill))
        #expect(killed.0.cause == .outputLimit)
        #expect(killed.0.message == "the program wrote more than 1000 bytes to stdout, its limit")
        #expect(killed.1.stdout.count == 1000)
        let cut = try await run(ExecuteRequest(shell: "seq 1 100000; echo e >&2", maxOutputBytes: 1000))
        #expect(cut.0.cause == .exited)
        #expect(cut.1.stdout.count == 1000)
        #expect(cut.0.stdoutBytes == 588_895)
        #expect(cut.0.stdoutTruncated == 587_895)
        #expect(cut.0.stderrTruncated == 0)
        #expect(cut.1.stderr.text == "e\n")
    }

    @Test("start failures, in words")
    func startFailures() async throws {
        let cases: [(ExecuteRequest, StartFailure, String)] = [
            (ExecuteRequest(argv: ["no-such-program"]), .programNotFound, "no-such-program"),
            (ExecuteRequest(argv: ["/etc/passwd"]), .programNotExecutable, "/etc/passwd"),
            (ExecuteRequest(argv: ["/tmp"]), .programNotExecutable, "/tmp: Permission denied"),
        ]
        for (request, failure, words) in cases {
            let (ended, stream) = try await run(request)
            #expect(ended.cause == .startFailed)
            #expect(ended.startFailure == failure)
            #expect(ended.message.contains(words))
            #expect(stream.started == nil, "it never ran")
        }
    }

    @Test(
        "a member that is taken back: its lease goes on for the grace, then what runs ends as DRAINING, and says why",
        arguments: [true, false])
    func eviction(byTheServer: Bool) async throws {
        let words = "the pod p is being deleted"
        let (ended, stream) = try await run(ExecuteRequest(shell: "echo x; sleep 1000")) { server, client, lease in
            let member = MemberID(lease.member)
            server.runtime.evict(member, Eviction(words, grace: byTheServer ? .milliseconds(300) : .seconds(1000)))
            #expect(try await client.run(.shell("echo still here"), in: lease).stdout.text == "still here\n")
            if !byTheServer { kill(try #require(server.runtime.process(of: member)), SIGKILL) }
        }
        #expect(ended.cause == .draining)
        #expect(ended.message == words)
        #expect(stream.stdout.text == "x\n")
    }

    @Test("a lease that is released, or whose time passes, or whose connection closes: cancelled, and which is said")
    func leaseEnds() async throws {
        let released = try await run(ExecuteRequest(shell: "echo x; sleep 1000")) { _, client, lease in
            try await client.release(lease)
        }
        #expect(released.0.cause == .cancelled)
        #expect(released.0.message == "the lease was released")
        try await TestServer.with(
            FleetConfiguration(pools: [PoolConfiguration(size: 1)], connectionGrace: .milliseconds(50))
        ) { server, _ in
            let holder = try await BerthClient.connect(to: server.address)
            let lease = try await holder.acquire()
            let connection = try await RawConnection.open(server)
            let stream = connection.execute(
                ExecuteRequest(lease: lease.token, shell: "echo x; sleep 1000", cwd: "/tmp"))
            try await stream.read(stdout: 1)
            holder.close()
            let ended = try await stream.finish()
            #expect(ended.cause == .cancelled)
            #expect(ended.message == "the connection that held the lease closed")
            connection.close()
        }
    }

    @Test(
        "the container is lost in the middle of output, of input, of nothing: one end, and what was written before it")
    func containerLost() async throws {
        for script in ["echo x; sleep 1000", "seq 1 1000000000", "echo x; cat > /dev/null"] {
            let (ended, stream) = try await run(ExecuteRequest(shell: script, keepsStdinOpen: true)) {
                server, _, lease in
                let agent = try #require(server.runtime.process(of: MemberID(lease.member)))
                kill(agent, SIGKILL)
            }
            #expect(ended.cause == .containerLost)
            #expect(ended.message == "the container went away")
            #expect(stream.stdout.count >= 1)
            #expect(ended.stdoutBytes == stream.stdout.count)
        }
    }

    @Test("a server that shuts down")
    func draining() async throws {
        let (ended, _) = try await run(ExecuteRequest(shell: "echo x; sleep 1000")) { server, _, _ in
            server.service.drain()
            server.service.endAll()
        }
        #expect(ended.cause == .draining)
        #expect(ended.message == "the server is shutting down")
    }

    @Test("the call's deadline passes: the program is gone")
    func deadline() async throws {
        try await TestServer.with { server, client in
            let lease = try await client.acquire()
            let connection = try await RawConnection.open(server)
            let error = await withCheckedContinuation { continuation in
                connection.rpc.stream(
                    service: PoolService.name, method: "Execute",
                    ExecuteRequest(lease: lease.token, shell: "sleep 1000", cwd: "/tmp"), timeout: .milliseconds(100)
                ) { event in
                    if case .end(let error) = event { continuation.resume(returning: error) }
                }
            }
            #expect(error?.code == .deadlineExceeded)
            try await eventually("it has ended") { try await client.stats().executions == 0 }
            connection.close()
        }
    }
}
