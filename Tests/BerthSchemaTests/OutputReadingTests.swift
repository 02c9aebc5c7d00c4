// SPDX-License-Identifier: Apache-2.0

import Testing
import TestSupport

@testable import BerthSchema

@Suite("Events whose output is read where it lies")
struct OutputReadingTests {
    private func read(_ bytes: [UInt8]) -> ExecuteEvent? {
        bytes.withUnsafeBytes { try? ExecuteEvent(decoding: $0, arena: Arena()) }
    }

    private func unpacked(_ bytes: [UInt8]) -> ExecuteEvent? {
        bytes.withUnsafeBytes { try? ExecuteEvent(unpacking: $0, arena: Arena()) }
    }

    @Test("output of every size and offset is read as protobuf-c reads it")
    func same() {
        for count in [0, 1, 127, 128, 32 << 10] {
            for offset in [0, 1, 300, UInt64.max] {
                for stream in [OutputStream.stdout, .stderr] {
                    let event = ExecuteEvent.output(
                        Output(stream: stream, offset: offset, data: Array(repeating: 7, count: count)))
                    #expect(read(event.encoded()) == event)
                }
            }
        }
    }

    @Test("what is not just one output is read as protobuf-c reads it, and what is broken is refused like there")
    func odd() {
        let output = ExecuteEvent.output(Output(offset: 5, data: [1, 2, 3])).encoded()
        let other = ExecuteEvent.output(Output(stream: .stderr, data: [9])).encoded()
        let ended = ExecuteEvent.ended(Ended(cause: .exited)).encoded()
        for bytes in [output + other, output + ended, ended + output, [], Array(output.dropLast()), output + [0x80]] {
            #expect(read(bytes) == unpacked(bytes), "\(bytes)")
        }
        #expect(read(Array(output.dropLast())) == nil)
    }

    @Test("damaged events are read as protobuf-c reads them")
    func damaged() {
        let seed = UInt64.random(in: 0...UInt64.max)
        var generator = SeededGenerator(seed: seed)
        let base = ExecuteEvent.output(Output(stream: .stderr, offset: 70_000, data: Array(0..<40))).encoded()
        for _ in 0..<20_000 {
            var bytes = base
            for _ in 0..<Int.random(in: 1...3, using: &generator) {
                bytes[Int.random(in: 0..<min(bytes.count, 12), using: &generator)] = .random(
                    in: 0...255, using: &generator)
            }
            if Bool.random(using: &generator) { bytes.removeLast(Int.random(in: 0..<bytes.count, using: &generator)) }
            #expect(read(bytes) == unpacked(bytes), "seed \(seed): \(bytes)")
        }
    }
}
