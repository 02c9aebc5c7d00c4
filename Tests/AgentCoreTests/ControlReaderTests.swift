// SPDX-License-Identifier: Apache-2.0

import AgentSchema
import Testing

@testable import AgentCore

@Suite("What interpreters say on their control")
struct ControlReaderTests {
    private func read(_ text: String, by step: Int, maxEvent: Int = 100) -> [String] {
        var reader = ControlReader()
        reader.maxEvent = maxEvent
        var found: [String] = []
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let piece = Array(rest.prefix(step))
            rest = rest.dropFirst(step)
            piece.withUnsafeBytes { reader.append($0) }
            var goesOn = true
            while goesOn {
                if reader.eventLeft > 0 {
                    let bytes = reader.takeEvent(1000)
                    if bytes.isEmpty { break }
                    found.append(String(decoding: bytes, as: UTF8.self))
                    continue
                }
                switch reader.next() {
                case .needMore: goesOn = false
                case .word(let kind, let text): found.append("\(kind):\(String(decoding: text, as: UTF8.self))")
                case .event: found.append("event")
                case .invalid(let words): return found + ["invalid: \(words)"]
                }
            }
        }
        return found
    }

    @Test("words and events come whole, in whatever pieces their bytes come", arguments: [1, 2, 3, 7, 1000])
    func pieces(_ step: Int) {
        let found = read("r4\n3.11g0\nd5\nhellop0\ne3\n1 0", by: step)
        let joined = found.reduce(into: [String]()) { items, item in
            // Bytes of an event are joined again.
            let isPlain = item.contains(":") || item == "event"
            if !isPlain, let last = items.last, last.hasPrefix("<") {
                items[items.count - 1] = last + item
            } else {
                items.append(isPlain ? item : "<" + item)
            }
        }
        #expect(joined == ["ready:3.11", "go:", "event", "<d5\nhello", "event", "<p0\n", "ended:1 0"])
    }

    @Test(
        "nonsense, a length without end, and more than may be, are found before they are waited for",
        arguments: ["y1\n", "d\n", "d12x\n", "d1234567890", "d101\n", "e257\n", "\u{0}"])
    func invalid(_ text: String) {
        #expect(read(text, by: 1).last?.hasPrefix("invalid") == true)
    }

    @Test("what is held has a bound")
    func bound() {
        var reader = ControlReader()
        reader.maxEvent = 1 << 20
        Array("d1000000\n".utf8).withUnsafeBytes { reader.append($0) }
        #expect(reader.next() == .event)
        [UInt8](repeating: 1, count: reader.room).withUnsafeBytes { reader.append($0) }
        #expect(reader.room == 0)
        #expect(reader.takeEvent(100).count == 100)
        #expect(reader.room == 100)
    }
}
