// SPDX-License-Identifier: Apache-2.0

import BerthSchema
import NIOCore
import Testing
import TestSupport

@testable import Service

@Suite("The hub: what each watcher of an execution must see, and what the agent may send")
struct OutputHubTests {
    @Test("random programs and watchers against a naive reference", arguments: 0..<12)
    func model(_ index: UInt64) {
        var random = SystemRandomNumberGenerator()
        let seed = random.next() &+ index
        var model = HubModel(seed: seed)
        for _ in 0..<1200 { model.step() }
        model.finish()
        #expect(model.failures.isEmpty, "seed \(seed): \(model.failures.prefix(3))")
    }

    @Test(
        "the reference finds what is broken: a window that is not kept, a byte that is left out, another byte",
        arguments: HubModel.Fault.allCases)
    func canary(_ fault: HubModel.Fault) {
        // Stories differ: not in each of them does a watcher with a window fall behind.
        let complaints = (UInt64(1)...8).flatMap { seed in
            var model = HubModel(seed: seed, fault: fault)
            for _ in 0..<1200 { model.step() }
            // That one is seen at the end.
            if fault == .endOfOutputLeftOut { model.finish() }
            return model.failures
        }
        #expect(complaints.contains { $0.contains(fault.complaint) }, "\(complaints.prefix(3))")
    }

    @Test("small pieces don't keep the buffers alive that they were read into")
    func packing() {
        var ring = ReplayRing()
        var read = ByteBuffer(repeating: 7, count: 64 << 10)
        for _ in 0..<1000 { ring.append(read.readSlice(length: 16) ?? ByteBuffer(), sequence: 1) }
        #expect(ring.count == 16_000)
        #expect(ring.slice(at: 0, upTo: 32 << 10).storageCapacity <= 16 << 10)
        let large = ByteBuffer(repeating: 8, count: 32 << 10)
        ring.append(large, sequence: 2)
        let kept = ring.slice(at: 16_000, upTo: 32 << 10)
        #expect(kept == large)
        let isShared = kept.withUnsafeReadableBytes { a in
            large.withUnsafeReadableBytes { a.baseAddress == $0.baseAddress }
        }
        #expect(isShared, "a large piece is not copied")
    }

    @Test("pieces of a read that follow each other are not copied; those between which others' are don't keep it alive")
    func runs() {
        for others in [0, 3] {
            var ring = ReplayRing()
            var read = ByteBuffer()
            for number in UInt64(0)..<40 {
                if read.readableBytes == 0 { read = ByteBuffer(repeating: 7, count: 256 << 10) }
                ring.append(read.readSlice(length: 64 << 10) ?? ByteBuffer(), sequence: number)
                if others > 0 { read = ByteBuffer() }
            }
            // But the last piece of each ring, as it is not known what will follow.
            let kept = stride(from: UInt64(0), to: ring.end - (64 << 10), by: 64 << 10)
                .map { ring.slice(at: $0, upTo: 64 << 10).storageCapacity }
            #expect(kept.allSatisfy { $0 == (others > 0 ? 64 << 10 : 256 << 10) }, "\(others): \(kept)")
            #expect(ring.slice(at: 100, upTo: 64 << 10).readableBytes == (64 << 10) - 100)
        }
    }

    @Test(
        "outputs are as long as a watcher says that it takes, and no longer for another",
        arguments: [32 << 10, 64 << 10])
    func largest(largest: Int) throws {
        var hub = OutputHub(unread: .overwritten)
        let watcher = hub.add(
            at: PerStream(0), window: 1 << 20, isObserver: false, announces: true, largest: largest)
        _ = hub.started()
        guard case .start = hub.next(watcher) else { throw NeverHappened(description: "no start") }
        _ = hub.append(ByteBuffer(repeating: 1, count: 64 << 10), to: .stdout)
        guard case .output(let slice) = hub.next(watcher) else { throw NeverHappened(description: "no output") }
        #expect(slice.data.readableBytes == largest)
    }

    @Test("an offset within a piece is cut right")
    func cuts() {
        var ring = ReplayRing()
        ring.append(ByteBuffer(string: "hello, "), sequence: 1)
        ring.append(ByteBuffer(string: "world"), sequence: 2)
        #expect(String(buffer: ring.slice(at: 3, upTo: 2)) == "lo")
        #expect(ring.sequence(at: 3) == 1 && ring.sequence(at: 8) == 2)
        #expect(ring.slice(at: 12, upTo: 2) == ByteBuffer() && ring.sequence(at: 12) == nil)
        ring.discard(before: 9)
        #expect(ring.start <= 9)
        #expect(String(buffer: ring.slice(at: 9, upTo: 100)) == "rld")
    }

    @Test("an observer that does not read costs nothing: credit flows, and it is told what it missed, once")
    func observer() throws {
        var hub = OutputHub(unread: .overwritten, ringSize: 1000, agentWindow: 500)
        let governor = hub.add(at: PerStream(0), window: nil, isObserver: false, announces: true)
        let observer = hub.add(at: PerStream(0), window: 64, isObserver: true, announces: true)
        _ = hub.started()
        for watcher in [governor, observer] {
            guard case .start = hub.next(watcher) else { throw NeverHappened(description: "no start") }
        }
        for _ in 0..<100 {
            _ = hub.append(ByteBuffer(repeating: 1, count: 100), to: .stdout)
            guard case .output = hub.next(governor) else { throw NeverHappened(description: "no output") }
            #expect(hub.takeCredit() == 100)
        }
        guard case .dropped(let dropped) = hub.next(observer) else { throw NeverHappened(description: "no drop") }
        #expect(dropped.offset == 0)
        #expect(dropped.bytes == hub.heldFrom.stdout)
        guard case .output(let slice) = hub.next(observer), case .wait = hub.next(observer) else {
            throw NeverHappened(description: "no output, or too much")
        }
        #expect(slice.data.readableBytes == 64)
    }

    /// Simulates a program that uses all its credit, with repeated looks. Returns the maximum of held bytes.
    private func writeUnread(_ hub: inout OutputHub, look: (inout OutputHub) throws -> Void) rethrows -> Int {
        var credit = 1 << 20
        var most = 0
        for _ in 0..<200 {
            for _ in 0..<64 where credit > 0 {
                _ = hub.append(ByteBuffer(repeating: 1, count: min(32 << 10, credit)), to: .stdout)
                credit -= min(32 << 10, credit)
                credit += hub.takeCredit()
            }
            most = max(most, hub.heldBytes)
            try look(&hub)
            credit += hub.takeCredit()
        }
        return most
    }

    @Test(
        "a program that nobody reads gets 256 KiB beyond what is read, however much it writes and however long that lasts",
        arguments: [nil, 64 << 10])
    func unread(window: UInt64?) {
        var hub = OutputHub(unread: .overwritten)
        _ = hub.add(at: PerStream(0), window: window, isObserver: false, announces: true)
        _ = hub.started()
        let held = writeUnread(&hub) { $0.probe(true) }
        #expect(held == 1280 << 10, "\(held)")
    }

    @Test("so does one whose reader takes a byte now and then")
    func hardlyRead() throws {
        var hub = OutputHub(unread: .overwritten)
        let watcher = hub.add(at: PerStream(0), window: 64 << 10, isObserver: false, announces: true)
        _ = hub.started()
        var acknowledged: UInt64 = 0
        while case .start = hub.next(watcher) {}
        let held = try writeUnread(&hub) { hub in
            while case .output = hub.next(watcher) {}
            acknowledged += 1
            _ = try hub.acknowledge(watcher, PerStream(stdout: acknowledged, stderr: 0))
            hub.probe(acknowledged % 2 == 0)
        }
        #expect(held < 1344 << 10, "\(held)")
    }
}
