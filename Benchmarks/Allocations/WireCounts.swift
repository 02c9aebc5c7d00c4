// SPDX-License-Identifier: Apache-2.0

import BenchmarkKit
import BerthRPC
import BerthSchema
import BerthWire
import NIOCore
import Pool

extension Allocations {
    /// Frames found in what a channel reads, each written again to what it would write.
    static func wireCounts() -> [Count] {
        let batch = 64
        let frame = RawConnection.frame(PoolService.name, "Hello", HelloRequest(client: "bench"))
        let input = ByteBuffer(bytes: [UInt8]((0..<batch).flatMap { _ in frame }))
        var reader = FrameReader(maxDataLength: FrameHeader.maxDataLength)
        var output = ByteBuffer()
        output.reserveCapacity(batch * frame.count)
        let counted = count("decode and encode a frame", 64_000) { operations in
            for _ in 0..<operations / batch {
                reader.append(input)
                output.clear()
                while case .frame(let header, let data) = reader.next() {
                    output.writeFrame(
                        header.type, header.flags, streamID: header.streamID, size: data.readableBytes
                    ) { room in
                        data.withUnsafeReadableBytes { room.copyMemory(from: $0) }
                    }
                }
            }
        }
        precondition(output.readableBytes == input.readableBytes, "the frames did not come out as they went in")
        return [counted]
    }

    static func machineCounts() -> [Count] {
        var unused = StateMachineRun(members: 100, reuse: .reset)
        var reset = StateMachineRun(members: 100, reuse: .reset)
        return [
            count("acquire in the state machine, and give back unused", 100_000) {
                unused.run($0, maintains: false)
            },
            count("acquire, release and reset in the state machine", 100_000) { reset.run($0, maintains: true) },
        ]
    }
}
