// SPDX-License-Identifier: Apache-2.0

import AgentSchema
import BerthSchema
import Testing

@testable import Service

@Suite("Events of pieces of code, put together")
struct EventAssemblerTests {
    private static func framed(_ kind: ContextControl.Kind, _ payload: [UInt8]) -> [UInt8] {
        [kind.rawValue] + Array("\(payload.count)\n".utf8) + payload
    }

    private func display(_ held: [UInt8]) throws -> Display {
        #expect(held.first == ContextControl.Kind.display.rawValue)
        return try Display(decoding: Array(held.dropFirst()))
    }

    @Test("an event comes when it is whole, and a position that a program wrote is not in it")
    func whole() throws {
        let sent = Display(position: 77, data: [MimeData(mime: "text/plain", data: Array("x".utf8))], isResult: true)
        let bytes = Self.framed(.display, sent.encoded())
        var events = EventAssembler(maxDisplay: 1000)
        for byte in bytes.dropLast() {
            events.append([byte])
            #expect(events.next { _ in true } == nil)
        }
        events.append([bytes[bytes.count - 1]])
        let held = try #require(events.next { _ in true })
        var wanted = sent
        wanted.position = 0
        #expect(try display(held) == wanted)
        #expect(events.next { _ in true } == nil)
    }

    @Test("what is no message, has too many parts, or finds no memory, becomes a display that says how large it was")
    func leftOut() throws {
        let parts = (0..<120_000).map { UInt8($0 % 2 == 0 ? 0x22 : 0) }
        for (kind, payload, hasMemory) in [
            (ContextControl.Kind.display, [UInt8]([0xff, 0xff]), true), (.failure, parts, true),
            (.display, Display(id: "a").encoded(), false),
        ] {
            var events = EventAssembler(maxDisplay: 1000)
            events.append(Self.framed(kind, payload) + Self.framed(.prompt, Prompt(text: "next").encoded()))
            let held = try #require(events.next { _ in hasMemory })
            #expect(try display(held).leftOut == [LeftOut(bytes: UInt64(payload.count))])
            #expect(events.next { _ in true }?.first == ContextControl.Kind.prompt.rawValue)
        }
    }

    @Test("after nonsense, nothing more comes")
    func nonsense() {
        var events = EventAssembler(maxDisplay: 1000)
        events.append(Array("what".utf8) + Self.framed(.prompt, []))
        #expect(events.next { _ in true } == nil)
        #expect(events.isBroken)
        events.append(Self.framed(.prompt, []))
        #expect(events.next { _ in true } == nil)
    }
}
