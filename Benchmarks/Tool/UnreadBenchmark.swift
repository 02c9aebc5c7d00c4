// SPDX-License-Identifier: Apache-2.0

import BenchmarkKit
import Berth
import BerthSchema

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A program whose output its client does not read, what other calls take meanwhile, and then all of it. It stops before the
/// program begins and while it stands still, says so, and waits for a line: whoever called looks at the server's memory then.
enum UnreadBenchmark {
    /// Ready: nothing has begun.
    struct Ready: Encodable {
        var ready = true
    }

    /// Nothing moves any more.
    struct Standing: Encodable {
        /// Bytes of output that the server has taken.
        var taken: UInt64
        /// Of other calls meanwhile, in microseconds: on the connection whose output is not read, and on another.
        var calls: [String: Quantiles]
    }

    /// All has been read.
    struct Result: Encodable {
        var bytes: UInt64
        var seconds: Double
        /// Of what came, and of what the program was to write.
        var hash: String
        var expectedHash: String
    }

    static func run(port: Int, bytes: Int) async throws {
        let client = try await BerthClient.connect(to: .tcp(host: "127.0.0.1", port: port))
        let other = try await BerthClient.connect(to: .tcp(host: "127.0.0.1", port: port))
        defer {
            client.close()
            other.close()
        }
        let (lease, otherLease) = (try await client.acquire(), try await client.acquire())
        // What is used once, and then kept, is no growth.
        for _ in 0..<20 { _ = try await client.run(Command(shell: "head -c 1000000 /dev/zero"), in: lease) }
        for connection in [client, other] { _ = try await calls(connection, otherLease, seconds: 1) }
        try await pause(Ready())

        var command = Command(["python3", "-c", UnreadOutput.program(bytes: bytes)])
        command.timeout = .seconds(3600)
        let execution = client.execute(command, in: lease)
        let taken = try await standstill(client, lease)
        var measured: [String: Quantiles] = [:]
        for (name, connection) in [("same", client), ("other", other)] {
            for (call, took) in try await calls(connection, otherLease, seconds: 4) {
                measured["\(call), \(name) connection"] = took
            }
        }
        try await pause(Standing(taken: taken, calls: measured))
        try await Main.report(read(execution, bytes: bytes))
    }

    /// Waits until as much is under way as may be, and the program can write no more.
    private static func standstill(_ client: BerthClient, _ lease: Lease) async throws -> UInt64 {
        var (taken, unchanged) = (UInt64(0), 0)
        while unchanged < 50 {
            try await Task.sleep(for: .milliseconds(10))
            let now = try await client.executions(in: lease).first { $0.ended == nil }?.stdoutBytes ?? 0
            unchanged = now == taken && now > 0 ? unchanged + 1 : 0
            taken = now
        }
        return taken
    }

    /// What others do, one after another.
    private static func calls(
        _ client: BerthClient, _ lease: Lease, seconds: Int
    ) async throws -> [String: Quantiles] {
        let clock = ContinuousClock()
        let end = clock.now + .seconds(seconds)
        var took: [String: [UInt32]] = [:]
        func time<R>(_ name: String, _ call: () async throws -> R) async throws -> R {
            let began = clock.now
            let result = try await call()
            took[name, default: []].append(UInt32(clamping: Int64(began.duration(to: clock.now).inSeconds * 1e9)))
            return result
        }
        while clock.now < end {
            for _ in 0..<10 {
                _ = try await time("Hello") { try await client.hello() }
                _ = try await time("Stats") { try await client.stats() }
            }
            let short = try await time("Acquire") { try await client.acquire() }
            try await time("Release") { try await client.release(short) }
            _ = try await time("true in a lease") { try await client.run(Command(["true"]), in: lease) }
            // The member that was given back is reset meanwhile, and no acquire shall wait for it.
            try await Task.sleep(for: .milliseconds(5))
        }
        return took.mapValues { Quantiles(nanoseconds: $0) }
    }

    private static func read(_ execution: Execution, bytes: Int) async throws -> Result {
        let (clock, began) = (ContinuousClock(), ContinuousClock().now)
        var (hash, offset) = (StreamHash(), UInt64(0))
        for try await event in execution {
            switch event {
            case .output(let output):
                guard output.stream == .stdout else {
                    throw BenchmarkError(String(decoding: output.data, as: UTF8.self))
                }
                guard output.offset == offset else {
                    throw BenchmarkError("output at offset \(output.offset) where \(offset) was next")
                }
                offset += UInt64(output.data.count)
                output.data.withUnsafeBytes { hash.add($0) }
            case .dropped(let dropped): throw BenchmarkError("\(dropped.bytes) bytes were dropped")
            case .ended(let ended):
                guard ended.cause == .exited, ended.exitCode == 0, ended.stdoutBytes == offset else {
                    throw BenchmarkError(
                        "the program ended with \(ended.cause) \(ended.exitCode) after \(ended.stdoutBytes) bytes, "
                            + "of which \(offset) came: \(ended.message)")
                }
            case .started, .display, .failure, .prompt, .outputEnded, .unknown: break
            }
        }
        let took = began.duration(to: clock.now).inSeconds
        return Result(
            bytes: offset, seconds: took, hash: String(hash.value, radix: 16),
            expectedHash: String(UnreadOutput.hash(bytes: bytes), radix: 16))
    }

    /// Says where it is, and waits for a line.
    private static func pause(_ word: some Encodable) async throws {
        try Main.report(word)
        guard readLine() != nil else { throw BenchmarkError("standard input ended") }
    }
}

/// What the program writes: a block of 1 MiB again and again, in which each 512 bytes begin with their offset in the whole.
/// So any piece that is lost, doubled or out of place is seen, and Python is faster at it than the output is read.
enum UnreadOutput {
    private static let blockSize = 1 << 20
    private static let step = 512

    static func program(bytes: Int) -> String {
        """
        import os, struct
        block = bytearray((i * 131 + (i >> 8) * 17) & 255 for i in range(\(blockSize)))
        pack, written = struct.Struct("<Q").pack_into, 0
        while written < \(bytes):
            for i in range(0, \(blockSize), \(step)): pack(block, i, written + i)
            view = memoryview(block)[:\(bytes) - written]
            while view:
                count = os.write(1, view)
                view, written = view[count:], written + count
        """
    }

    /// Of what the program writes, without it.
    static func hash(bytes: Int) -> UInt64 {
        var block = (0..<blockSize).map { UInt8(truncatingIfNeeded: $0 * 131 + ($0 >> 8) * 17) }
        var hash = StreamHash()
        for start in stride(from: 0, to: bytes, by: blockSize) {
            block.withUnsafeMutableBytes { block in
                for place in stride(from: 0, to: blockSize, by: step) {
                    block.storeBytes(of: UInt64(start + place).littleEndian, toByteOffset: place, as: UInt64.self)
                }
                hash.add(UnsafeRawBufferPointer(rebasing: block[..<min(blockSize, bytes - start)]))
            }
        }
        return hash.value
    }
}

/// A hash of a byte stream that does not depend on how it is cut: FNV-1a, eight bytes at a time, as one by one would take
/// longer than the output does.
struct StreamHash {
    private var state: UInt64 = 0xCBF2_9CE4_8422_2325
    /// Bytes that are not eight yet.
    private var rest: UInt64 = 0
    private var restCount: UInt64 = 0

    var value: UInt64 {
        var final = self
        final.mix(rest)
        final.mix(restCount)
        return final.state
    }

    mutating func add(_ bytes: UnsafeRawBufferPointer) {
        var position = 0
        while restCount != 0, position < bytes.count {
            add(bytes[position])
            position += 1
        }
        while position + 8 <= bytes.count {
            mix(UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self)))
            position += 8
        }
        while position < bytes.count {
            add(bytes[position])
            position += 1
        }
    }

    private mutating func add(_ byte: UInt8) {
        rest |= UInt64(byte) << (restCount * 8)
        restCount += 1
        guard restCount == 8 else { return }
        mix(rest)
        (rest, restCount) = (0, 0)
    }

    /// The rotation brings what the multiplication has moved up down again.
    private mutating func mix(_ word: UInt64) {
        state = (state ^ word) &* 0x0000_0100_0000_01B3
        state = state << 29 | state >> 35
    }
}
