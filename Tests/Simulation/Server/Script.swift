// SPDX-License-Identifier: Apache-2.0

package import BerthSchema
package import NIOCore
internal import SimulationModel

#if canImport(Glibc)
    internal import Glibc
#endif

/// What a program of the simulation does, which depends on its key alone: so a client knows what it is to see.
package struct Script: Sendable {
    package enum Step: Sendable {
        case write(OutputStream, Int)
        case sleep(TimeAmount)
    }

    package enum End: Sendable, Equatable {
        case exit(Int32)
        case signal(Int32)
        /// The kernel kills it for lack of memory.
        case outOfMemory
        /// It sleeps for ever.
        case never
    }

    package var steps: [Step] = []
    package var end = End.exit(0)
    /// What a process does that it starts first: it has the same pipes.
    package var helper: [Step]?
    /// Whether the helper goes on for ever after its steps, and keeps the pipes open.
    package var helperStays = false
    package var ignoresTerm = false
    /// Whether it ends by itself and leaves a process.
    var leaves: Bool { helperStays && helper != nil && end != .never }

    /// One that does nothing yet.
    package init() {}

    package init(key: UInt32) {
        var random = Randomness(seed: UInt64(key) &* 0x9E37_79B9)
        // Nearly all output is small; now and then there is more than all windows and rings together.
        let scale = [40, 40, 2_000, 2_000, 40_000, 40_000, 700_000][random.below(7)]
        if random.chance(0.15) {
            // Many small pieces.
            for _ in 0..<random.below(300) {
                steps.append(.write(random.chance(0.9) ? .stdout : .stderr, 1 + random.below(200)))
                steps.append(.sleep(.microseconds(Int64(random.below(3000)))))
            }
        } else {
            for _ in 0..<random.below(10) { steps.append(Script.step(&random, scale)) }
        }
        switch random.below(20) {
        case 0: end = .never
        case 1: end = .outOfMemory
        case 2, 3: end = .signal([2, 6, 9, 11, 15][random.below(5)])
        case 4...9: end = .exit(Int32(random.below(256)))
        default: break
        }
        ignoresTerm = random.chance(0.2)
        guard random.chance(0.3) else { return }
        // A `tee`: it passes on at once what it gets, and so is never silent for the grace.
        var late: [Step] = []
        for _ in 0..<random.below(6) {
            late.append(.sleep(.milliseconds(Int64(random.below(40)))))
            late.append(.write(.stdout, 1 + random.below(min(scale, 4000))))
        }
        helper = late
        helperStays = random.chance(0.5)
    }

    private static func step(_ random: inout Randomness, _ scale: Int) -> Step {
        guard random.chance(0.7) else {
            return .sleep(.milliseconds(Int64([1, 20, 300, 9000][random.below(4)] * (1 + random.below(4)))))
        }
        return .write(random.chance(0.7) ? .stdout : .stderr, 1 + random.below(scale))
    }

    /// The byte of each position of each stream of each program.
    private static let table: [UInt8] = {
        var random = Randomness(seed: 7)
        let block = (0..<period).map { _ in UInt8(truncatingIfNeeded: random.next() >> 17) }
        return block + block
    }()
    /// A prime number; more than the bytes of the largest output.
    package static let period = 131_071

    private static func start(_ key: UInt32, _ stream: OutputStream, _ offset: UInt64) -> Int {
        Int((offset &+ UInt64(key) &* 31 &+ UInt64(stream.rawValue) &* 7919) % UInt64(period))
    }

    /// - Parameter count: at most `period`.
    package static func bytes(_ key: UInt32, _ stream: OutputStream, at offset: UInt64, count: Int) -> ByteBuffer {
        let start = start(key, stream, offset)
        return ByteBuffer(bytes: table[start..<start + count])
    }

    /// What clients send to the standard input of a program.
    /// - Parameter count: at most `period`.
    package static func input(_ key: UInt32, at offset: UInt64, count: Int) -> [UInt8] {
        let start = Int((offset &+ UInt64(key) &* 37 &+ 23_757) % UInt64(period))
        return Array(table[start..<start + count])
    }

    package static func wrote(
        _ data: [UInt8], _ key: UInt32, _ stream: OutputStream, at offset: UInt64
    ) -> Bool {
        let start = start(key, stream, offset)
        guard data.count <= period else { return false }
        return table.withUnsafeBytes { table in
            data.withUnsafeBytes { bytes in
                guard let mine = bytes.baseAddress, let right = table.baseAddress else { return true }
                return memcmp(mine, right + start, bytes.count) == 0
            }
        }
    }
}
