// SPDX-License-Identifier: Apache-2.0

import Berth
import Testing

@Suite("Credit for what pieces of code show")
struct ContextCreditTests {
    @Test(
        "many megabytes of displays come without a pause, whatever the size of each, the window, and what is printed between them",
        arguments: [20_000, 60_000, 900_000, 3_000_000], [64 << 10, 1 << 20])
    func pictures(size: Int, window: Int) async throws {
        try await ContextTests.with { client, _, context in
            let count = max(4, 4_000_000 / size)
            let code = "for i in range(\(count)):\n    print(i)\n    display({'image/png': b'p' * \(size)}, raw=True)"
            let began = ContinuousClock.now
            var (text, displays) = ("", 0)
            for try await event in client.execute(code, in: context, window: window) {
                switch event {
                case .output(let output): text += String(decoding: output.data, as: UTF8.self)
                case .display(let display):
                    #expect(display["image/png"]?.count == size)
                    displays += 1
                    #expect(text == (0..<displays).map { "\($0)\n" }.joined())
                default: break
                }
            }
            #expect(displays == count)
            // Only a look at who does not read, every 10 s, would have moved it on.
            #expect(ContinuousClock.now - began < .seconds(8))
        }
    }

    @Test("the last MiB of a detached piece's displays is kept for who attaches late")
    func lateForPictures() async throws {
        try await ContextTests.with { client, lease, context in
            var command = Command(
                piece: "for i in range(16): display({'image/png': b'p' * 60_000}, raw=True)", in: context)
            command.resumable = .seconds(60)
            let execution = client.execute(command, in: lease)
            for try await _ in execution {}
            var displays = 0
            for try await event in client.attach(try await execution.id, in: lease) {
                switch event {
                case .display: displays += 1
                case .dropped(let dropped): Issue.record("\(dropped.bytes) bytes were dropped")
                default: break
                }
            }
            #expect(displays == 16)
        }
    }
}
