// SPDX-License-Identifier: Apache-2.0

import AgentSchema
import Berth
import BerthRPC
import BerthSchema
import Foundation
import NIOCore
import Pool
import Service
import Testing
import TestSupport

@testable import AgentLink

@Suite("Output that nobody reads keeps neither a member nor an end nor memory")
struct LateReaderTests {
    @Test("G33: the end of a program is known and its member free after its time-out, though its output is never read")
    func neverRead() async throws {
        try await TestServer.with { server, client in
            let lease = try await client.acquire()
            let connection = try await RawConnection.open(server)
            for window in [UInt64(0), 64 << 10] {
                let stream = connection.execute(
                    ExecuteRequest(
                        lease: lease.token, shell: "exec yes", cwd: "/tmp", timeoutMilliseconds: 500,
                        graceMilliseconds: 500, windowBytes: window))
                _ = try await stream.next()
                if window == 0 { connection.rpc.pauseReading() }
                try await eventually("its end is known") {
                    let other = try await RawConnection.open(server)
                    defer { other.close() }
                    let answer: ListExecutionsResponse = try await other.call(
                        "ListExecutions", ListExecutionsRequest(lease: lease.token))
                    try await Task.sleep(for: .milliseconds(50))
                    return answer.executions.first?.ended?.cause == .timedOut
                }
                #expect(server.service.executionCount == 0)
                connection.rpc.resumeReading()
                // What was held for a late reader comes to its end.
                let ended = try await stream.finish(acknowledging: connection, lease: lease.token)
                #expect(ended.cause == .timedOut)
                #expect(stream.stdout.count + stream.dropped.reduce(0) { $0 + $1.count } == Int(ended.stdoutBytes))
            }
            connection.close()
        }
    }

    @Test(
        "G33: a program that has ended with more output than a window holds is known to have ended before its time-out")
    func endedUnread() async throws {
        try await TestServer.with { server, client in
            let lease = try await client.acquire()
            let connection = try await RawConnection.open(server)
            let stream = connection.execute(
                ExecuteRequest(
                    lease: lease.token, argv: ["head", "-c", "1100000", "/dev/zero"], cwd: "/tmp",
                    timeoutMilliseconds: 600_000, windowBytes: 64 << 10))
            _ = try await stream.next()
            try await eventually("its end is known") { server.service.executionCount == 0 }
            #expect(try await stream.finish(acknowledging: connection, lease: lease.token).cause == .exited)
            #expect(stream.stdout.count == 1_100_000)
            connection.close()
        }
    }

    @Test(
        "what a program writes without end to a client that does not read comes to rest in its ring",
        arguments: [0, 65_536])
    func comesToRest(window: UInt64) async throws {
        let clock = ManualClock()
        try await TestServer.with(clock: clock) { server, client in
            let lease = try await client.acquire()
            let connection = try await RawConnection.open(server)
            let stream = connection.execute(
                ExecuteRequest(lease: lease.token, argv: ["yes"], cwd: "/tmp", windowBytes: window))
            _ = try await stream.next()
            connection.rpc.pauseReading()
            let other = try await RawConnection.open(server)
            var looks = (quiet: 0, written: UInt64(0))
            try await eventually("it writes no more") {
                // It is looked at whether somebody reads.
                clock.advance(by: .seconds(5))
                let answer: ListExecutionsResponse = try await other.call(
                    "ListExecutions", ListExecutionsRequest(lease: lease.token))
                let written = answer.executions.first?.stdoutBytes ?? 0
                looks = (written == looks.written ? looks.quiet + 1 : 0, written)
                return looks.quiet == 50
            }
            // Its ring and the credit beyond; without a window, also what the connection and the sockets take.
            #expect(looks.written < 9 << 20 && (window == 0 || looks.written <= 1280 << 10), "\(looks.written)")
            other.close()
            connection.close()
        }
    }

    @Test("G33: what a program wrote is held after its end for a limited time for one who does not read it")
    func heldForATime() async throws {
        let clock = ManualClock()
        var limits = ServiceLimits()
        limits.unreadTime = .seconds(600)
        try await TestServer.with(limits: limits, clock: clock) { server, client in
            let lease = try await client.acquire()
            let connection = try await RawConnection.open(server)
            let stream = connection.execute(
                ExecuteRequest(
                    lease: lease.token, argv: ["head", "-c", "500000", "/dev/zero"], cwd: "/tmp",
                    windowBytes: 64 << 10))
            _ = try await stream.next()
            try await eventually("it has ended") { server.service.executionCount == 0 }
            let failure = Task { try await stream.finish() }
            try await eventually("it is let go") {
                clock.advance(by: .seconds(5))
                let answer: ListExecutionsResponse = try await connection.call(
                    "ListExecutions", ListExecutionsRequest(lease: lease.token))
                return answer.executions.isEmpty
            }
            do {
                _ = try await failure.value
                Issue.record("it was held")
            } catch let error as RPCError {
                #expect(error.code == .resourceExhausted && error.reason == .memoryLimit, "\(error)")
            }
            connection.close()
        }
    }

    @Test(
        "A6: a client that withholds credit for longer than the program's time loses neither its lease nor another's run"
    )
    func slowReader() async throws {
        try await TestServer.with { server, client in
            let lease = try await client.acquire()
            let beside = client.execute(.shell("read line; echo $line", timeout: .seconds(60)), in: lease)
            var link: (any MemberLink)?
            let token = try #require(LeaseToken(lease.token))
            link = server.fleet.use(token)?.link
            let agent = try #require(link as? AgentConnection)
            // As the service does, but nobody takes what comes, nor is it told that this is overdue.
            let (events, continuation) = AsyncStream.makeStream(of: ExecutionEvent.self)
            let stuck = agent.execute(
                Agent.ExecuteRequest(
                    execution: 0, argv: ["/bin/sh", "-c", "exec yes"], env: ["PATH=/usr/bin:/bin"], cwd: "/tmp",
                    uid: UInt32(getuid()), gid: UInt32(getgid()), timeoutMilliseconds: 300, graceMilliseconds: 300)
            ) { event in continuation.yield(event) }
            var taken = 0
            var isOverdue = false
            var ended: Agent.Ended?
            for await event in events {
                switch event {
                case .started, .refused, .outputEnded: break
                case .output(let chunk):
                    taken += chunk.count
                    if isOverdue { stuck.acknowledge(chunk.count) }
                case .overdue:
                    isOverdue = true
                    // Longer than a watchdog would have waited that counts this time as the agent's.
                    try await Task.sleep(for: .seconds(11))
                    stuck.acknowledge(taken)
                case .ended(let value):
                    ended = value
                    continuation.finish()
                }
            }
            #expect(isOverdue)
            #expect(ended?.cause == .timedOut, "\(String(describing: ended))")
            try await client.release(lease)
            _ = beside
        }
    }

    @Test("A6: an agent that does not end an execution in time costs that execution, and none beside it")
    func silentAgent() async throws {
        try await TestServer.with { server, client in
            let lease = try await client.acquire()
            let connection = try await RawConnection.open(server)
            let beside = connection.execute(
                ExecuteRequest(lease: lease.token, shell: "read line; echo $line", cwd: "/tmp", keepsStdinOpen: true))
            _ = try await beside.next()
            let late = connection.execute(
                ExecuteRequest(
                    lease: lease.token, argv: ["sleep", "100"], cwd: "/tmp", timeoutMilliseconds: 500,
                    graceMilliseconds: 100))
            _ = try await late.next()
            let member = try #require(server.fleet.listMembers().first { $0.state == .leased }?.id)
            let agent = try #require(server.runtime.process(of: member))
            kill(agent, SIGSTOP)
            let ended = try await late.finish()
            kill(agent, SIGCONT)
            #expect(ended.cause == .containerLost, "\(ended)")
            #expect(ended.message.contains("not ended"), "\(ended.message)")
            let started = try #require(beside.started)
            let _: InputResponse = try await connection.call(
                "Input",
                InputRequest(
                    lease: lease.token, execution: started.execution, data: Array("still here\n".utf8), isEnd: true))
            let other = try await beside.finish()
            #expect(other.cause == .exited && beside.stdout.text == "still here\n", "\(other)")
            connection.close()
        }
    }

    @Test("A6: time without credit is not the agent's, and is told once as overdue")
    func watchdog() {
        var dog = Watchdog()
        let start = NIODeadline.now()
        _ = dog.begin(limit: .seconds(60), silence: nil)
        guard case .look = dog.look(start + .seconds(61)) else {
            Issue.record("its slack has not passed")
            return
        }
        dog.creditEnds(start + .seconds(61))
        #expect(dog.look(start + .seconds(62)) == .overdue(then: Watchdog.slack))
        guard case .look = dog.look(start + .seconds(600)) else {
            Issue.record("without credit it is never late")
            return
        }
        dog.creditComes(start + .seconds(601))
        guard case .look = dog.look(start + .seconds(609)), case .late = dog.look(start + .seconds(612)) else {
            Issue.record("what it had left is not what it has")
            return
        }
    }

    @Test("D24: a file operation whose agent falls silent fails when its share of silence has passed, not after a day")
    func silence() {
        var dog = Watchdog()
        let start = NIODeadline.now()
        _ = dog.begin(limit: .seconds(86_400), silence: .ofOutput(.seconds(60)))
        dog.heard(start + .seconds(30))
        guard case .look = dog.look(start + .seconds(89)), case .late = dog.look(start + .seconds(91)) else {
            Issue.record("60 s without output")
            return
        }
        dog.creditEnds(start + .seconds(91))
        guard case .look = dog.look(start + .seconds(900)) else {
            Issue.record("the client's time")
            return
        }
    }
}
