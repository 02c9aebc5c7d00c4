// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthSchema
import Foundation
import Testing
import TestSupport

@Suite("The server takes little more memory than it counts for its callers", .serialized)
struct ServerMemoryTests {
    /// What the server holds for a client.
    enum Burden: String, CaseIterable, Sendable {
        case input = "waiting programs with 4 MB of input"
        case variables = "waiting programs with 60 000 variables"
        case arguments = "waiting programs with 300 000 empty arguments"
        case bytes = "waiting programs with 60 000 variables that are not text"
        case frames = "requests of which half has come"
    }

    /// The allowed memory: what is counted, half as much for malloc and for buffers that grow in powers of two, and
    /// what the server needs for itself.
    private func allowed(_ counted: Int) -> Int { counted + counted / 2 + 24 << 20 }

    private func request(_ burden: Burden) -> ExecuteRequest {
        var request = ExecuteRequest(waitMilliseconds: 600_000, argv: ["true"])
        switch burden {
        case .input, .frames: request.stdin = [UInt8](repeating: 1, count: 4_000_000)
        case .variables: request.env = Dictionary(uniqueKeysWithValues: (0..<60_000).map { ("V\($0)", "") })
        case .arguments: request.argv += Array(repeating: "", count: 300_000)
        case .bytes: request.envBytes = (0..<60_000).map { Array("V\($0)=".utf8) + [0xff] }
        }
        return request
    }

    @Test("so it is with what waits, and at its worst within the client's share and a half", arguments: Burden.allCases)
    func waiting(_ burden: Burden) async throws {
        let share = 128 << 20
        try await ServerProcess.with(.runc, ["--size", "1", "--max", "1"]) { server in
            let client = try await BerthClient.connect(to: try ServerAddress(server.address))
            defer { client.close() }
            let lease = try await client.acquire()
            let before = try Memory.resident(of: server.program.pid)
            let call = RawCall(PoolService.name, "Execute", request(burden))
            var connections: [RawSocket] = []
            // Of some, as many as there is room for and more; decoding the others takes long.
            for _ in 0..<(burden == .input || burden == .frames ? 40 : 12) {
                let connection = try RawSocket(server.address)
                connections.append(connection)
                if burden == .frames {
                    try connection.send(call.bytes.prefix(call.bytes.count / 2))
                } else {
                    try connection.send(call.bytes[...])
                    // Answered when what came before it has been served.
                    try connection.send(
                        RawCall(PoolService.name, "Hello", HelloRequest(), isStream: false, stream: 3).bytes[...])
                    while try connection.receiveFrame().stream != 3 {}
                }
            }
            var last = -1
            try await eventually("it has read what it reads", within: .seconds(60)) {
                let now = try Memory.resident(of: server.program.pid)
                defer { last = now }
                try await Task.sleep(for: .milliseconds(500))
                return now == last
            }
            let counted = Int(try await client.stats().heldBytes)
            let grown = try Memory.resident(of: server.program.pid) - before
            let most = try Memory.mostResident(of: server.program.pid) - before
            print(
                "ServerMemoryTests: \(burden.rawValue): \(counted >> 20) MiB counted, \(grown >> 20) grown, "
                    + "\(most >> 20) at most")
            #expect(counted > 8 << 20 && counted <= share, "\(counted)")
            #expect(grown <= allowed(counted), "grown by \(grown), \(counted) counted")
            #expect(most <= allowed(share), "grown by \(most) at most")
            connections = []
            try await eventually("all is given back, also to the system", within: .seconds(60)) {
                let left = try Memory.resident(of: server.program.pid) - before
                return try await client.stats().heldBytes < 1 << 20 && left < 24 << 20
            }
            try await client.release(lease)
        }
    }

    @Test("so it is with what runs: nothing while it is quiet, and what it writes to one who does not read")
    func running() async throws {
        let count = 40
        try await ServerProcess.with(.runc, ["--size", "1", "--max", "1"]) { server in
            let client = try await BerthClient.connect(to: try ServerAddress(server.address))
            defer { client.close() }
            let lease = try await client.acquire()
            for _ in 0..<20 { _ = try await client.run(Command(shell: "head -c 1000000 /dev/zero"), in: lease) }
            let before = try Memory.resident(of: server.program.pid)
            for (argv, most) in [(["sleep", "600"], 4 << 20), (["yes"], Int.max)] {
                let connection = try RawSocket(server.address)
                for number in 0..<UInt32(count) {
                    let request = ExecuteRequest(
                        lease: lease.token, argv: argv.map { SystemString($0) }, windowBytes: 1 << 20)
                    try connection.send(
                        RawCall(PoolService.name, "Execute", request, stream: 2 * number + 1).bytes[...])
                }
                try await eventually("all run, and write no more", within: .seconds(60)) {
                    let written = try await client.executions(in: lease).map(\.stdoutBytes)
                    try await Task.sleep(for: .milliseconds(300))
                    let now = try await client.executions(in: lease).map(\.stdoutBytes)
                    return now == written && now.count == count && (argv != ["yes"] || !now.contains(0))
                }
                let counted = Int(try await client.stats().heldBytes)
                let grown = try Memory.resident(of: server.program.pid) - before
                print("ServerMemoryTests: \(count) of \(argv[0]): \(counted >> 20) MiB counted, \(grown >> 20) grown")
                #expect(grown <= min(most, allowed(counted)), "grown by \(grown), \(counted) counted")
                connection.close()
                try await eventually("they have ended") { try await client.executions(in: lease).isEmpty }
            }
            try await eventually("all is given back, also to the system", within: .seconds(60)) {
                let left = try Memory.resident(of: server.program.pid) - before
                return try await client.stats().heldBytes < 1 << 20 && left < 24 << 20
            }
            try await client.release(lease)
        }
    }
}

/// A call on the wire.
private struct RawCall {
    let bytes: [UInt8]

    init(_ service: String, _ method: String, _ message: some Message, isStream: Bool = true, stream: UInt32 = 1) {
        let data = Request(service: service, method: method, payload: message.encoded()).encoded()
        let numbers = [UInt32(data.count), stream].flatMap { word in
            withUnsafeBytes(of: word.bigEndian) { Array($0) }
        }
        // A Request, and whether its answer is a stream.
        bytes = numbers + [1, isStream ? 1 : 0] + data
    }
}

/// The memory of a process in bytes, from the kernel.
private enum Memory {
    static func resident(of pid: Int32) throws -> Int { try read("VmRSS:", pid) }
    static func mostResident(of pid: Int32) throws -> Int { try read("VmHWM:", pid) }

    private static func read(_ name: String, _ pid: Int32) throws -> Int {
        let status = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
        guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix(name) }),
            let kilobytes = line.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap({ Int($0) })
        else { throw NeverHappened(description: "process \(pid) has no memory") }
        return kilobytes << 10
    }
}
