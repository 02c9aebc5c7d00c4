// SPDX-License-Identifier: Apache-2.0

import BerthSchema
import BerthWire
import NIOCore
import Testing
import TestSupport

@testable import BerthRPC

/// Which frames a server connection sends when, and whose turn it is.
@Suite struct SendingPolicyTests {
    private func policy() -> SendingPolicy {
        SendingPolicy(
            .init(highWatermark: 1000, lowWatermark: 200, callHighWatermark: 300, maxQueuedBytesPerCall: 500))
    }

    @Test("messages wait when the output is full or others wait; answers only behind what their own stream has queued")
    func queueing() {
        var policy = policy()
        #expect(!policy.mustQueue(.data, 1, pending: 999))
        #expect(policy.mustQueue(.data, 1, pending: 1000))
        #expect(!policy.mustQueue(.response, 1, pending: 5000))
        policy.queue(1, 50)
        #expect(policy.mustQueue(.data, 3, pending: 0))
        #expect(policy.mustQueue(.response, 1, pending: 0))
        #expect(!policy.mustQueue(.response, 3, pending: 0))
    }

    @Test("frames move up while the output has room")
    func movingUp() {
        var policy = policy()
        policy.queue(1, 50)
        policy.queue(3, 50)
        #expect(policy.nextFrame(pending: 1000) == nil)
        let moved = [policy.nextFrame(pending: 999), policy.nextFrame(pending: 0)]
        #expect(moved.map { $0?.readableBytes } == [60, 60])
        #expect(policy.nextFrame(pending: 0) == nil)
    }

    @Test("full at the high watermark, and again not full below the low one")
    func watermarks() {
        var policy = policy()
        for (bytes, isFull) in [(999, false), (1000, true), (201, true), (200, true), (199, false), (999, false)] {
            policy.update(waiting: bytes, isMemoryFull: false)
            #expect(policy.isFull == isFull, "\(bytes) bytes")
        }
    }

    @Test("without memory for the client, the low watermark counts; what waits for nobody is no reason")
    func memory() {
        var policy = policy()
        policy.update(waiting: 200, isMemoryFull: true)
        #expect(policy.isFull)
        policy.update(waiting: 0, isMemoryFull: true)
        #expect(!policy.isFull)
    }

    @Test("a message is refused over the frame's maximum, and over what a stream may have queued, with the numbers")
    func refusals() {
        var policy = policy()
        #expect(policy.refusal(1, 500) == nil)
        policy.queue(1, 90)
        #expect(policy.refusal(1, 400) == nil)
        let full = policy.refusal(1, 401)
        #expect(full?.code == .resourceExhausted && full?.message.contains("501 bytes") == true)
        #expect(policy.refusal(3, 500) == nil)
        let large = policy.refusal(3, FrameHeader.maxDataLength + 1)
        #expect(large?.reason == .messageTooLarge && large?.message.contains("\(FrameHeader.maxDataLength)") == true)
    }

    @Test("a stream with a queue of its own waits though the connection has room")
    func ownQueue() {
        var policy = policy()
        policy.queue(1, 300)
        let rooms = [policy.hasRoom(1), policy.hasRoom(3)]
        #expect(rooms == [false, true])
    }

    @Test("who waits longest is told first; who then finds no room waits behind those that had no turn")
    func turns() {
        var policy = policy()
        policy.update(waiting: 1000, isMemoryFull: false)
        for id: UInt32 in [1, 3, 5, 3] { #expect(policy.hasRoom(id) == false) }
        #expect(policy.tell() == .none, "there is no room yet")
        policy.update(waiting: 0, isMemoryFull: false)
        #expect(policy.tell() == .nextTurn)
        #expect(policy.tell() == .none, "it is to be told already")
        policy.beginRound()
        #expect(policy.nextInRound() == 1)
        // It uses the room up.
        policy.update(waiting: 1000, isMemoryFull: false)
        #expect(policy.hasRoom(1) == false)
        #expect(policy.nextInRound() == nil)
        policy.update(waiting: 0, isMemoryFull: false)
        #expect(policy.tell() == .nextTurn)
        policy.beginRound()
        let told = [policy.nextInRound(), policy.nextInRound(), policy.nextInRound()]
        #expect(told == [3, 5, 1])
        #expect(policy.nextInRound() == nil)
        #expect(policy.tell() == .none, "nobody waits")
    }

    @Test("every fourth round lets the event loop look at its other channels first")
    func fairness() {
        var policy = policy()
        var told: [SendingPolicy.Telling] = []
        for _ in 0..<8 {
            policy.update(waiting: 1000, isMemoryFull: false)
            _ = policy.hasRoom(1)
            policy.update(waiting: 0, isMemoryFull: false)
            told.append(policy.tell())
            policy.beginRound()
            #expect(policy.nextInRound() == 1)
        }
        #expect(told == [.nextTurn, .nextTurn, .nextTurn, .afterOthers, .nextTurn, .nextTurn, .nextTurn, .afterOthers])
    }

    @Test("a call that ended is told nothing, and the next one on its id waits behind the others")
    func ended() {
        var policy = policy()
        policy.update(waiting: 1000, isMemoryFull: false)
        _ = policy.hasRoom(1)
        _ = policy.hasRoom(3)
        policy.ended(1)
        policy.update(waiting: 0, isMemoryFull: false)
        #expect(policy.tell() == .nextTurn)
        policy.beginRound()
        #expect(policy.nextInRound() == 3)
        #expect(policy.nextInRound() == nil)
    }

    @Test(
        "random events: each stream that found no room is told once, in the order in which it came, whatever ends between"
    )
    func random() {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("SendingPolicyTests.random: seed \(seed)")
        var random = SeededGenerator(seed: seed)
        var policy = policy()
        var line: [UInt32] = []
        for _ in 0..<20_000 {
            let id = UInt32.random(in: 0..<200, using: &random) * 2 + 1
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<6:
                policy.update(waiting: 1000, isMemoryFull: false)
                #expect(policy.hasRoom(id) == false, "seed \(seed)")
                if !line.contains(id) { line.append(id) }
            case 6..<9:
                policy.ended(id)
                line.removeAll { $0 == id }
            default:
                policy.update(waiting: 0, isMemoryFull: false)
                let telling = policy.tell()
                #expect((telling == .none) == line.isEmpty, "seed \(seed)")
                policy.beginRound()
                for _ in 0..<Int.random(in: 0...line.count, using: &random) {
                    let next = line.removeFirst()
                    #expect(policy.nextInRound() == next, "seed \(seed)")
                }
            }
        }
        #expect(policy.lineLength < 1000, "\(policy.lineLength) entries for \(line.count) streams")
    }
}

extension SendingPolicy {
    fileprivate mutating func queue(_ id: UInt32, _ size: Int) {
        queue(.data, [], streamID: id, size: size) { $0.initializeMemory(as: UInt8.self, repeating: 7) }
    }
}
