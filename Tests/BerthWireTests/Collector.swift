// SPDX-License-Identifier: Apache-2.0

import BerthWire

/// Feeds a decoder with pieces, as a connection does, and collects the frames.
struct Collector {
    enum Found: Equatable {
        case frame(FrameHeader, [UInt8])
        case oversized(FrameHeader)
    }

    var decoder: FrameDecoder
    var found: [Found] = []
    var unread: [UInt8] = []
    /// Maximum number of bytes that waited.
    var mostUnread = 0
    var skipped = 0

    init(maxDataLength: Int = FrameHeader.maxDataLength) {
        decoder = FrameDecoder(maxDataLength: maxDataLength)
    }

    mutating func feed(_ bytes: some Sequence<UInt8>) {
        unread += bytes
        mostUnread = max(mostUnread, unread.count)
        while true {
            var decoder = decoder
            let step = unread.withUnsafeBytes { decoder.next($0) }
            self.decoder = decoder
            switch step {
            case .needMore(let total):
                precondition(total > unread.count, "asked for \(total) bytes with \(unread.count) there")
                return
            case .frame(let header, let data):
                found.append(.frame(header, Array(unread[data])))
                unread.removeFirst(data.upperBound)
            case .oversized(let header, let count):
                found.append(.oversized(header))
                unread.removeFirst(count)
                skipped += count - FrameHeader.size
            case .skip(let count):
                precondition(count > 0, "a step that goes nowhere")
                unread.removeFirst(count)
                skipped += count
            }
        }
    }
}

func frame(_ header: FrameHeader, _ data: [UInt8]) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: FrameHeader.size)
    bytes.withUnsafeMutableBytes { header.encode(into: $0) }
    return bytes + data
}
