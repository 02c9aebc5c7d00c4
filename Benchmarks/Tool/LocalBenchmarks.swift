// SPDX-License-Identifier: Apache-2.0

import BenchmarkKit
import BerthRPC
import BerthSchema
import BerthWire
import NIOCore
import Pool

/// How many leases a second the state machine alone can do on one core, with few members and with many.
enum StateMachineBenchmark {
    struct Row: Encodable {
        var members: Int
        /// Acquire, and back unused.
        var unusedPerSecond: Double
        /// Acquire, release, reset.
        var resetPerSecond: Double
        /// Acquire, release, removal, create.
        var neverPerSecond: Double
    }

    static func run() -> [Row] {
        [10, 1_000, 10_000].map { members in
            var reset = StateMachineRun(members: members, reuse: .reset)
            reset.run(100_000, maintains: false)
            var never = StateMachineRun(members: members, reuse: .never)
            never.run(10_000, maintains: true)
            return Row(
                members: members, unusedPerSecond: rate(1_000_000) { reset.run($0, maintains: false) },
                resetPerSecond: rate(500_000) { reset.run($0, maintains: true) },
                neverPerSecond: rate(200_000) { never.run($0, maintains: true) })
        }
    }
}

/// Frames found in what a channel reads, and written to what it writes, as the server does it.
enum CodecBenchmark {
    struct Row: Encodable {
        /// Bytes in a frame behind its header.
        var data: Int
        var decodedFramesPerSecond: Double
        var decodedBytesPerSecond: Double
        var encodedFramesPerSecond: Double
        var encodedBytesPerSecond: Double
    }

    static func run() -> [Row] { [16, 1024, 32 << 10].map(row) }

    private static func row(_ size: Int) -> Row {
        let batch = max(1, (64 << 10) / (size + FrameHeader.size))
        let message = [UInt8](repeating: 7, count: size)
        func write(_ output: inout ByteBuffer) {
            message.withUnsafeBytes { bytes in
                output.writeFrame(.data, [], streamID: 1, size: size) { $0.copyMemory(from: bytes) }
            }
        }
        var input = ByteBuffer()
        for _ in 0..<batch { write(&input) }
        var reader = FrameReader(maxDataLength: FrameHeader.maxDataLength)
        let total = size < 4096 ? 8_000_000 : 200_000
        var seen = 0
        let decoded = rate(total) { count in
            for _ in 0..<count / batch {
                reader.append(input)
                while case .frame(_, let data) = reader.next() { seen += data.readableBytes }
            }
        }
        precondition(seen > 0, "no frame was found")
        var output = ByteBuffer()
        let encoded = rate(total) { count in
            for _ in 0..<count / batch {
                output.clear()
                for _ in 0..<batch { write(&output) }
            }
        }
        let whole = Double(size + FrameHeader.size)
        return Row(
            data: size, decodedFramesPerSecond: decoded, decodedBytesPerSecond: decoded * whole,
            encodedFramesPerSecond: encoded, encodedBytesPerSecond: encoded * whole)
    }
}

/// Operations a second: the best of three, as whatever disturbs only makes it slower.
private func rate(_ count: Int, _ body: (Int) -> Void) -> Double {
    let clock = ContinuousClock()
    return (0..<3).map { _ in
        let began = clock.now
        body(count)
        return Double(count) / began.duration(to: clock.now).inSeconds
    }.max() ?? 0
}
