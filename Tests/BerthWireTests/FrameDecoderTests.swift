// SPDX-License-Identifier: Apache-2.0

import BerthWire
import Testing
import TestSupport

@Suite struct FrameDecoderTests {
    @Test(
        "every frame of the vectors is found, whole, byte by byte and at random splits",
        arguments: ["recorded.txt", "rules.txt"])
    func vectors(file: String) {
        let vectors = Vector.load(file)
        #expect(vectors.count >= 7)
        for vector in vectors {
            var frames: [[UInt8]] = []
            for line in vector.lines {
                switch line {
                case .clientToServer(let bytes), .serverToClient(let bytes): frames.append(bytes)
                case .padding(let count): frames[frames.count - 1] += [UInt8](repeating: 0, count: count)
                case .answer: break
                }
            }
            let stream = frames.flatMap { $0 }
            let expected = frames.map { bytes -> Collector.Found in
                let header = bytes.withUnsafeBytes { FrameHeader(decoding: $0) }
                #expect(bytes.count == FrameHeader.size + Int(header.length), "\(vector): a line is not one frame")
                guard header.length <= FrameHeader.maxDataLength else { return .oversized(header) }
                return .frame(header, Array(bytes[FrameHeader.size...]))
            }
            var whole = Collector()
            whole.feed(stream)
            #expect(whole.found == expected, "\(vector)")
            guard stream.count < 1 << 20 else { continue }
            var dripped = Collector()
            for byte in stream { dripped.feed(CollectionOfOne(byte)) }
            #expect(dripped.found == expected, "\(vector), byte by byte")
            for seed in 0..<20 {
                var random = SeededGenerator(seed: UInt64(seed))
                var pieces = Collector()
                var rest = stream[...]
                while !rest.isEmpty { pieces.feed(rest.popFirst(Int.random(in: 1...30, using: &random))) }
                #expect(pieces.found == expected, "\(vector), seed \(seed)")
            }
        }
    }

    @Test("a frame of 4 MiB is taken")
    func largest() {
        let header = FrameHeader(length: 4 << 20, streamID: 1, type: .request)
        let data = [UInt8](repeating: 7, count: 4 << 20)
        var collector = Collector()
        collector.feed(frame(header, data))
        #expect(collector.found == [.frame(header, data)])
    }

    @Test("a frame of 4 MiB + 1 is skipped without being buffered, and told once")
    func oversized() {
        let header = FrameHeader(length: (4 << 20) + 1, streamID: 1, type: .request)
        let next = FrameHeader(length: 2, streamID: 3, type: .request)
        var collector = Collector()
        let stream = frame(header, [UInt8](repeating: 7, count: (4 << 20) + 1)) + frame(next, [1, 2])
        var rest = stream[...]
        while !rest.isEmpty { collector.feed(rest.popFirst(1000)) }
        #expect(collector.found == [.oversized(header), .frame(next, [1, 2])])
        #expect(collector.skipped == (4 << 20) + 1)
        #expect(collector.mostUnread < 1100)
    }

    @Test("an oversized frame is told as soon as its header is there")
    func oversizedEarly() {
        let header = FrameHeader(length: .max, streamID: 9, type: .data)
        var collector = Collector()
        collector.feed(frame(header, []))
        #expect(collector.found == [.oversized(header)])
        #expect(!collector.decoder.isBetweenFrames)
    }

    @Test("a limit of the caller's own is kept, to the byte")
    func ownLimit() {
        let fits = FrameHeader(length: 16, streamID: 1, type: .data)
        let over = FrameHeader(length: 17, streamID: 1, type: .data)
        var collector = Collector(maxDataLength: 16)
        collector.feed(frame(over, .init(repeating: 0, count: 17)) + frame(fits, .init(repeating: 1, count: 16)))
        #expect(collector.found == [.oversized(over), .frame(fits, .init(repeating: 1, count: 16))])
    }

    @Test("what is needed is told, so that room can be made")
    func need() {
        var decoder = FrameDecoder()
        let bytes = frame(FrameHeader(length: 100, streamID: 1, type: .data), [])
        #expect([UInt8]().withUnsafeBytes { decoder.next($0) } == .needMore(total: 10))
        #expect(Array(bytes[..<9]).withUnsafeBytes { decoder.next($0) } == .needMore(total: 10))
        #expect(bytes.withUnsafeBytes { decoder.next($0) } == .needMore(total: 110))
    }

    @Test("random streams of frames, broken into random pieces, come out as they went in")
    func randomStreams() {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("FrameDecoderTests.randomStreams: seed \(seed)")
        var random = SeededGenerator(seed: seed)
        for round in 0..<300 {
            let limit = Int.random(in: 0...200, using: &random)
            var stream: [UInt8] = []
            var expected: [Collector.Found] = []
            for _ in 0..<Int.random(in: 0...30, using: &random) {
                let length = Int.random(in: 0...(limit * 2 + 1), using: &random)
                let header = FrameHeader(
                    length: UInt32(length), streamID: .random(in: 0...UInt32.max, using: &random),
                    type: FrameType(rawValue: .random(in: 0...255, using: &random)),
                    flags: FrameFlags(rawValue: .random(in: 0...255, using: &random)))
                let data = (0..<length).map { _ in UInt8.random(in: 0...255, using: &random) }
                stream += frame(header, data)
                expected.append(length > limit ? .oversized(header) : .frame(header, data))
            }
            var collector = Collector(maxDataLength: limit)
            var rest = stream[...]
            while !rest.isEmpty { collector.feed(rest.popFirst(Int.random(in: 1...100, using: &random))) }
            #expect(collector.found == expected, "seed \(seed), round \(round)")
            #expect(collector.unread.isEmpty && collector.decoder.isBetweenFrames, "seed \(seed), round \(round)")
        }
    }

    @Test("random bytes never make it read, or count, past what is there")
    func noise() {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("FrameDecoderTests.noise: seed \(seed)")
        var random = SeededGenerator(seed: seed)
        for _ in 0..<300 {
            var collector = Collector(maxDataLength: .random(in: 0...5000, using: &random))
            for _ in 0..<20 {
                let piece = (0..<Int.random(in: 1...200, using: &random)).map { _ in
                    // Mostly zero, so that lengths are small enough to be frames.
                    Bool.random(using: &random) ? 0 : UInt8.random(in: 0...255, using: &random)
                }
                collector.feed(piece)
            }
            let framed = collector.found.reduce(0) { sum, found in
                if case .frame(_, let data) = found {
                    sum + FrameHeader.size + data.count
                } else {
                    sum + FrameHeader.size
                }
            }
            #expect(framed + collector.skipped + collector.unread.count <= 20 * 200, "seed \(seed)")
        }
    }
}

extension ArraySlice {
    fileprivate mutating func popFirst(_ count: Int) -> ArraySlice {
        let piece = prefix(count)
        self = dropFirst(count)
        return piece
    }
}
