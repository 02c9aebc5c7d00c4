// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthRPC
import Pool
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

    @Test("values, failures and questions come also when the memory for callers is used up")
    func withoutMemory() async throws {
        let budget = MemoryBudget(limit: 32 << 20)
        let pool = PoolConfiguration(size: 1)
        try await TestServer.with(FleetConfiguration(pools: [pool]), memory: budget) { _, client in
            let lease = try await client.acquire()
            let context = try await client.openContext("python", in: lease, cwd: "/tmp")
            let others = budget.account(of: "others")
            others.take(27 << 20)
            #expect(try await client.run("6 * 7", in: context).value == "42")
            #expect(try await client.run("1/0", in: context).failure?.name == "ZeroDivisionError")
            let execution = client.execute(
                Command(piece: "input('name? ')", in: context, timeout: .seconds(20)).withOpenInput(), in: lease)
            for try await event in execution {
                if case .prompt = event { try await execution.write(Array("bob\n".utf8)) }
                if case .display(let display) = event { #expect(display.leftOut.isEmpty) }
                if case .ended(let ended) = event { #expect(ended.cause == .exited && ended.exitCode == 0) }
            }
            let large = try await client.run("display('x' * 300_000)", in: context)
            #expect(large.displays.first?.leftOut.isEmpty == false)
            others.give(27 << 20)
            try await client.release(lease)
        }
    }
}
