// SPDX-License-Identifier: Apache-2.0

import AgentSchema
import BerthSchema
import Testing
import TestSupport

@Suite("Messages")
struct MessageTests {
    private func survives<M: Message>(_ message: M, sourceLocation: SourceLocation = #_sourceLocation) throws {
        #expect(try M(decoding: message.encoded()) == message, sourceLocation: sourceLocation)
    }

    @Test("every message of the envelope, and of leases and executions, survives encoding and decoding")
    func executions() throws {
        try survives(Request(service: "a.B", method: "C", payload: [0, 1, 255], timeoutNanoseconds: -1))
        try survives(Request(service: "", method: "", metadata: [KeyValue(key: "authorization", value: "Bearer ü")]))
        try survives(Response(status: Status(code: 5, message: "no such lease"), payload: []))
        try survives(Response(payload: [1, 2, 3]))
        try survives(HelloRequest(client: "go/1"))
        try survives(HelloResponse(server: "berth/0.1.0", pools: ["default", "größer"]))
        try survives(AcquireRequest(pool: "p", waitMilliseconds: 7, isDetached: true, ttlMilliseconds: .max))
        try survives(AcquireResponse(lease: "00ff", member: "m-1", ttlMilliseconds: 300_000, isWarm: true))
        try survives(
            ExecuteRequest(
                pool: "p", waitMilliseconds: 1, argv: ["sh", "-c", "", "a b"], env: ["A": "1", "B": "", "Ü": "=x"],
                cwd: "/tmp", uid: 1000, stdin: Array(0...255), timeoutMilliseconds: 1, graceMilliseconds: 2))
        try survives(
            ExecuteRequest(
                lease: "l", shell: "s", code: "c", language: "python", keepsStdinOpen: true,
                terminal: Terminal(rows: 1, columns: 2), idleTimeoutMilliseconds: 3, cpuTimeMilliseconds: 4,
                keepsBackground: true, windowBytes: 5, maxOutputBytes: 6, outputPolicy: .kill,
                resumableMilliseconds: 7, unwatched: .wait))
        try survives(
            ExecuteRequest(
                argv: [SystemString([0xff]), "", "a"], cwd: SystemString([47, 0xfe]), envBytes: [[65, 61, 0x80]],
                terminal: Terminal(rows: 1, columns: 2, hidesInput: true), mergesOutput: true))
        // A terminal of no given size is one.
        try survives(ExecuteRequest(terminal: Terminal()))
        try survives(ExecuteEvent.dropped(Dropped(stream: .stderr, offset: 1, bytes: .max)))
        try survives(ExecuteEvent.started(Started(execution: "e", member: "m")))
        try survives(ExecuteEvent.output(Output(stream: .stderr, offset: .max, data: [0, 10, 13])))
        try survives(
            ExecuteEvent.ended(
                Ended(
                    cause: .startFailed, exitCode: 127, signal: 9, message: "no such program",
                    startFailure: .programNotFound,
                    usage: Usage(wallMicroseconds: 1, userMicroseconds: 2, systemMicroseconds: 3, peakMemoryBytes: 4),
                    stdoutBytes: 5, stderrBytes: 6, stdoutTruncated: 7, stderrTruncated: 8, outOfMemoryKills: 9)))
        try survives(
            SignalRequest(
                lease: "l", execution: "e", signal: 15, signalName: "INT", isCancel: true, graceMilliseconds: 7))
        try survives(ReleaseRequest(lease: "l"))
        try survives(ExecutionInfo(execution: "e", argv: [SystemString([0xff])]))
    }

    @Test("every message about the server and its pools survives encoding and decoding")
    func server() throws {
        try survives(
            StatsResponse(
                server: "s", uptimeMilliseconds: 1, runtime: "runc", connections: 2, executions: 3,
                pools: [
                    PoolStats(name: "a", image: "i", target: 2, max: 16, isHeld: true, heldReason: "r", breaker: .open),
                    PoolStats(name: "b", breaker: .halfOpen, cause: "failed", nextTryInMilliseconds: 299_999),
                ], memoryBudgetBytes: 8, memoryUsedBytes: 9))
        try survives(StatsResponse(heldBytes: 1, heldBudgetBytes: 2))
        try survives(WatchStatsRequest(intervalMilliseconds: 250))
        try survives(
            PoolStats(
                name: "c", resetting: 1, outdated: 2, isDraining: true, recycled: 3,
                retired: ["lease expired": 4, "died": .max], acquireP50Microseconds: 5, acquireP90Microseconds: 6,
                acquireP99Microseconds: 7, arrivalsPerSecond: 0.25, createMicroseconds: 8))
        try survives(RenewRequest(lease: "l", ttlMilliseconds: 1))
        try survives(RenewResponse(ttlMilliseconds: .max))
        try survives(ResetBackoffRequest(pool: "p"))
        try survives(ResetBackoffResponse(pools: ["a", "b"]))
        // 0 is a size; none is another thing.
        try survives(ResizeRequest(pool: "p", size: 0, max: 16))
        try survives(ResizeRequest(pool: "p", size: nil, max: nil))
        try survives(ResizeResponse(size: 1, max: 2))
        try survives(DrainRequest(pool: "p"))
        try survives(DrainResponse(leased: 3))
        try survives(ListMembersRequest(pool: "p"))
        try survives(
            ListMembersResponse(
                members: MemberState.allCases.map {
                    Member(id: "m", pool: "p", state: $0, ageMilliseconds: 1, uses: 2, isOutdated: true)
                }))
    }

    @Test("every message about files survives encoding and decoding")
    func files() throws {
        let path = SystemString([47, 0xff])
        try survives(FileInfo(name: path))
        try survives(WriteFileRequest(lease: "l", path: path))
        try survives(ReadFileRequest(lease: "l", path: path))
        try survives(ListDirectoryRequest(lease: "l", path: path))
        try survives(RemoveFileRequest(lease: "l", path: path))
        try survives(WriteArchiveRequest(lease: "l", path: path))
        try survives(ReadArchiveRequest(lease: "l", path: path))
        try survives(StatRequest(lease: "l", path: path, followsLink: true))
        try survives(StatResponse(info: FileInfo(name: "n", type: .regular, size: 1)))
        try survives(MakeDirectoryRequest(lease: "l", path: path, mode: 0o700, makesParents: true))
        try survives(
            RenameFileRequest(lease: "l", from: path, to: SystemString([0xfe]), neverReplaces: true))
        try survives(ChangeModeRequest(lease: "l", path: path, mode: 0o640))
    }

    @Test("every message between server and agent survives encoding and decoding")
    func agent() throws {
        try survives(Agent.PingRequest())
        try survives(Agent.PingResponse(version: "1", pid: 1, env: ["PATH=/bin", "X="]))
        try survives(Agent.ResetRequest(timeoutMilliseconds: 4000))
        try survives(Agent.ResetResponse(tookMicroseconds: 1234))
        try survives(
            Agent.ExecuteRequest(
                execution: 9, argv: ["true"], env: ["A=b"], cwd: "/", uid: 1, gid: 2, stdin: [1],
                timeoutMilliseconds: 3,
                graceMilliseconds: 4, windowBytes: 5))
        try survives(Agent.ExecuteEvent.started(Agent.Started(pid: 2)))
        try survives(Agent.ExecuteEvent.output(Agent.Output(stream: 1, offset: 7, data: [9])))
        try survives(Agent.ExecuteEvent.ended(Agent.Ended(cause: .outOfMemory, signal: 9, peakMemoryBytes: 1)))
        try survives(Agent.AcknowledgeRequest(execution: 1, bytes: 65536))
        try survives(Agent.SignalRequest(execution: 1, signal: 0, graceMilliseconds: 2000))
    }

    @Test("a message larger than the arena's block is whole, and the arena serves the next one")
    func largeMessages() throws {
        let arena = Arena(blockSize: 256)
        for size in [0, 1, 255, 256, 257, 100_000] {
            let message = ReleaseRequest(lease: String(repeating: "x", count: size))
            #expect(try ReleaseRequest(decoding: message.encoded(arena: arena), arena: arena) == message)
        }
    }

    @Test("text with a NUL byte or broken UTF-8 is refused by the field's name, never cut")
    func badText() {
        #expect(throws: SchemaError("client holds a NUL byte")) {
            try HelloRequest(decoding: HelloRequest(client: "a\0b").encodedRaw(field: 1, bytes: Array("a\0b".utf8)))
        }
        #expect(throws: SchemaError("client holds a NUL byte")) {
            try HelloRequest(decoding: HelloRequest().encodedRaw(field: 1, bytes: [0]))
        }
        #expect(throws: SchemaError("client is not valid UTF-8")) {
            try HelloRequest(decoding: HelloRequest().encodedRaw(field: 1, bytes: [0xC3, 0x28]))
        }
    }

    @Test("bytes that are no message are refused by the message's name")
    func garbage() {
        #expect(throws: SchemaError("the bytes are not a valid berth.v1.AcquireRequest")) {
            try AcquireRequest(decoding: [0x0A, 0xFF])
        }
    }

    @Test("unknown fields and unknown enum values are ignored")
    func unknown() throws {
        let known = HelloRequest(client: "c")
        #expect(try HelloRequest(decoding: known.encoded() + [0x98, 0x06, 0x01]) == known)
        #expect(try ExecuteEvent(decoding: [0x9A, 0x06, 0x01, 0x00]) == .unknown)
        #expect(try ExecuteEvent(decoding: [0x1A, 0x02, 0x08, 0x63]) == .ended(Ended(cause: .unspecified)))
    }

    @Test("no bytes at random crash a decoder")
    func fuzz() {
        let seed = UInt64.random(in: 0...(.max))
        print("MessageTests.fuzz seed \(seed)")
        var random = SeededGenerator(seed: seed)
        let arena = Arena()
        let start = ExecuteRequest(
            argv: ["a", "b"], env: ["C": "d"], cwd: "/e", stdin: [1, 2, 3], timeoutMilliseconds: 5
        ).encoded()
        for _ in 0..<20_000 {
            var bytes = start
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
                case 1:
                    bytes.insert(
                        UInt8.random(in: 0...255, using: &random), at: bytes.indices.randomElement(using: &random) ?? 0)
                default: if bytes.count > 1 { bytes.removeLast() }
                }
            }
            // Whatever the outcome: it is a value or an error.
            _ = try? ExecuteRequest(decoding: bytes, arena: arena)
            _ = try? Agent.ExecuteEvent(decoding: bytes, arena: arena)
            _ = try? Request(decoding: bytes, arena: arena)
        }
    }
}

extension HelloRequest {
    /// A message of one length-delimited field that no encoder would write.
    fileprivate func encodedRaw(field: UInt8, bytes: [UInt8]) -> [UInt8] {
        [field << 3 | 2, UInt8(bytes.count)] + bytes
    }
}
