// SPDX-License-Identifier: Apache-2.0

import AgentSchema
import BerthSchema
import NIOCore
import TestSupport

@testable import Service

/// A hub, and a naive reference of what each watcher must see: everything that was ever written, in an array.
struct HubModel {
    fileprivate struct Reader {
        var id: UInt32
        var window: UInt64?
        var isObserver: Bool
        var position: PerStream<UInt64>
        var acknowledged: PerStream<UInt64>
        /// The ranges that it got and has not acknowledged.
        var unacknowledged: PerStream<[Range<UInt64>]> = PerStream([])
        /// Whether it has got nothing yet, so that it may have come too late for its position.
        var mayMiss = true
        /// Whether it was once sent everything except for a window. From then on, the agent waits for it.
        var isCaughtUp = false
        var hasStarted = false
        var knowsOutputEnd = false
        var isAwake = true
        var hasEnded = false
    }

    private final class Failures {
        var words: [String] = []
    }

    private let found = Failures()
    var failures: [String] { found.words }
    private var random: SeededGenerator
    private var hub: OutputHub
    private let keepsUnread: Bool
    private var written = PerStream<[UInt8]>([])
    private var readers: [Reader] = []
    private var credit: Int
    /// While nobody governs: what the last governing watcher had acknowledged.
    private var floor = PerStream<UInt64>(0)
    /// It is a connection whose other side has sent all: nothing is written any more.
    private var hasOutputEnded = false
    private static let ring = 64 << 10
    private static let agentWindow = 16 << 10
    private static let probe = 8 << 10
    /// How much the agent may have sent beyond what was read, after a check of whether somebody reads.
    private var mayExceed = 0

    private let fault: Fault?
    /// Takes the hub over to another program, now and then.
    private let goOver: ((OutputHub) -> OutputHub)?

    init(seed: UInt64, fault: Fault? = nil, goOver: ((OutputHub) -> OutputHub)? = nil) {
        random = SeededGenerator(seed: seed)
        self.fault = fault
        self.goOver = goOver
        keepsUnread = random.next() % 2 == 0
        hub = OutputHub(
            unread: keepsUnread ? .kept : .overwritten, ringSize: HubModel.ring, agentWindow: HubModel.agentWindow,
            probe: HubModel.probe)
        credit = HubModel.agentWindow
        add(first: true)
    }

    mutating func step() {
        if let goOver, random.next() % 16 == 0 {
            hub = goOver(hub)
            hub.wakeAll()
            for index in readers.indices { readers[index].isAwake = true }
        }
        switch random.next() % 100 {
        case 0..<1: wake(hub.started())
        case 1..<40: write()
        case 40..<75: pull()
        case 75..<95: acknowledge()
        case 95..<98: add(first: false)
        case 98: leave()
        case 99 where random.next() % 32 == 0: endOutput()
        default:
            let isOn = random.next() % 2 == 0
            hub.probe(isOn)
            mayExceed = isOn ? HubModel.probe : mayExceed
        }
        takeCredit()
        check()
    }

    /// Ends the program. Then every watcher must reach its end.
    mutating func finish() {
        wake(hub.started())
        // What is owed to the program while it runs: with all read, the whole window.
        drain()
        if hub.isGoverned || !keepsUnread {
            expect(credit == HubModel.agentWindow, "all is read, and the agent has credit for \(credit)")
        }
        if random.next() % 2 == 0 { endOutput() }
        wake(hub.end(.init(cause: .exited)))
        drain()
        for reader in readers { expect(reader.hasEnded, "watcher \(reader.id) got no end") }
    }

    /// The faults of canaries. The reference must find each of them by the right rule.
    enum Fault: CaseIterable, Sendable {
        /// The hub gets a window that is twice as large as the watcher's.
        case windowNotKept
        /// One byte of each piece of output does not arrive at the hub.
        case byteLeftOut
        /// The hub returns other bytes than were written.
        case otherBytes
        /// The hub does not hear that no more output comes.
        case endOfOutputLeftOut
        /// The hub hears of an end of output that there is not.
        case endOfOutputMadeUp

        /// The beginning or end of the rule's message.
        var complaint: String {
            switch self {
            case .windowNotKept: "bytes in a window of"
            case .byteLeftOut: "it has"
            case .otherBytes: "other bytes at"
            case .endOfOutputLeftOut: "an end before that of the output"
            case .endOfOutputMadeUp: "an end of output that nobody told"
            }
        }
    }

    private mutating func drain() {
        for _ in 0..<100_000 {
            var isDone = true
            for index in readers.indices where readers[index].isAwake && !readers[index].hasEnded {
                pull(index)
                isDone = false
            }
            takeCredit()
            guard isDone else { continue }
            let before = readers.filter(\.isAwake).count
            for index in readers.indices where !readers[index].hasEnded { acknowledge(index, all: true) }
            takeCredit()
            if readers.filter(\.isAwake).count == before { return }
        }
        found.words.append("it never comes to rest")
    }

    // MARK: What happens

    private mutating func endOutput() {
        guard !hasOutputEnded else { return }
        hasOutputEnded = fault != .endOfOutputMadeUp
        if fault != .endOfOutputLeftOut { wake(hub.endOutput()) }
    }

    private mutating func write() {
        guard !hasOutputEnded else { return }
        let count = min(Int(random.next() % (random.next() % 8 == 0 ? 16_000 : 300)) + 1, credit)
        guard count > 0 else { return }
        let stream: OutputStream = random.next() % 3 == 0 ? .stderr : .stdout
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: (written[stream].count + $0) &* 131 >> 3) }
        // Mostly a part of a larger read.
        var read = ByteBuffer(repeating: 0, count: Int(random.next() % 1000))
        let start = read.writerIndex
        read.writeBytes(bytes)
        if random.next() % 2 == 0 { read.writeRepeatingByte(0, count: 64 << 10) }
        if fault == .otherBytes { read.setInteger(~bytes[count / 2], at: start + count / 2) }
        let handed = fault == .byteLeftOut ? count - 1 : count
        guard let data = read.getSlice(at: start, length: handed) else { return }
        written[stream] += bytes
        credit -= count
        wake(hub.append(data, to: stream))
    }

    private mutating func add(first: Bool) {
        guard readers.count < 5 else { return }
        let ends = hub.written
        let position =
            first
            ? PerStream(0)
            : PerStream(stdout: random.next() % (ends.stdout + 1), stderr: random.next() % (ends.stderr + 1))
        let window: UInt64? = random.next() % 2 == 0 ? nil : random.next() % UInt64(HubModel.ring) + 1
        let isObserver = !first && random.next() % 2 == 0
        let told = fault == .windowNotKept ? window.map { $0 * 2 } : window
        let id = hub.add(at: position, window: told, isObserver: isObserver, announces: !first)
        readers.append(
            Reader(id: id, window: window, isObserver: isObserver, position: position, acknowledged: position))
    }

    private mutating func leave() {
        guard let index = readers.indices.randomElement(using: &random) else { return }
        let reader = readers.remove(at: index)
        expect(hub.remove(reader.id), "watcher \(reader.id) was not there")
        if !reader.isObserver, !readers.contains(where: { !$0.isObserver }) {
            let held = hub.heldFrom
            floor = PerStream(
                stdout: max(held.stdout, reader.acknowledged.stdout),
                stderr: max(held.stderr, reader.acknowledged.stderr))
        }
    }

    private mutating func pull() {
        guard let index = readers.indices.randomElement(using: &random), readers[index].isAwake else { return }
        for _ in 0...random.next() % 8 where readers[index].isAwake && !readers[index].hasEnded { pull(index) }
    }

    private mutating func pull(_ index: Int) {
        switch hub.next(readers[index].id) {
        case .start:
            expect(!readers[index].hasStarted, "a second start")
            readers[index].hasStarted = true
        case .wait:
            readers[index].isAwake = false
        case .outputEnded(let count):
            expect(hasOutputEnded, "an end of output that nobody told")
            expect(!readers[index].knowsOutputEnd, "a second end of output")
            expect(count == written.stdout.count, "an end of output after \(count) bytes")
            for stream in OutputStream.pipes {
                expect(readers[index].position[stream] == written[stream].count, "an end of output before all was sent")
            }
            readers[index].knowsOutputEnd = true
        case .end:
            readers[index].hasEnded = true
            expect(readers[index].knowsOutputEnd || !hasOutputEnded, "an end before that of the output")
            for stream in OutputStream.pipes {
                expect(readers[index].position[stream] == written[stream].count, "an end before all was sent")
            }
        case .dropped(let gap):
            expect(gap.offset == readers[index].position[gap.stream] && gap.bytes > 0, "a gap at \(gap.offset)")
            expect(readers[index].isObserver || readers[index].mayMiss, "one who governs was dropped \(gap.bytes)")
            let last = written[gap.stream].count - HubModel.ring
            expect(Int(gap.offset + gap.bytes) <= max(0, last), "what must be held was dropped")
            readers[index].position[gap.stream] += gap.bytes
            consumedAll(index, gap.stream)
        case .output(let slice):
            expect(readers[index].hasStarted, "output before the start")
            got(slice, index)
        }
    }

    private mutating func got(_ slice: OutputSlice, _ index: Int) {
        let stream = slice.stream
        let bytes = [UInt8](slice.data.readableBytesView)
        let start = Int(slice.offset)
        expect(slice.offset == readers[index].position[stream], "output at \(slice.offset)")
        expect((1...32 << 10).contains(bytes.count), "output of \(bytes.count) bytes")
        guard start + bytes.count <= written[stream].count else { return found.words.append("more than was written") }
        expect(written[stream][start..<start + bytes.count].elementsEqual(bytes), "other bytes at \(start)")
        readers[index].position[stream] += UInt64(bytes.count)
        readers[index].mayMiss = false
        guard let window = readers[index].window else { return consumedAll(index, stream) }
        readers[index].unacknowledged[stream].append(slice.offset..<slice.offset + UInt64(bytes.count))
        expect(readers[index].owed <= window, "\(readers[index].owed) bytes in a window of \(window)")
    }

    /// Counts everything so far as acknowledged, if there is no window or only a gap since.
    private mutating func consumedAll(_ index: Int, _ stream: OutputStream) {
        guard readers[index].window == nil || readers[index].unacknowledged[stream].isEmpty else { return }
        readers[index].acknowledged[stream] = readers[index].position[stream]
    }

    private mutating func acknowledge() {
        guard let index = readers.indices.randomElement(using: &random) else { return }
        acknowledge(index, all: random.next() % 2 == 0)
    }

    private mutating func acknowledge(_ index: Int, all: Bool) {
        let reader = readers[index]
        var offsets = reader.position
        if !all {
            for stream in OutputStream.pipes { offsets[stream] = random.next() % (reader.position[stream] + 1) }
        }
        if random.next() % 16 == 0 {
            var over = reader.position
            over.stderr += 1
            let isRefused = (try? hub.acknowledge(reader.id, over)) == nil
            expect(isRefused, "more than was sent was acknowledged")
        }
        guard let woken = try? hub.acknowledge(reader.id, offsets) else {
            return found.words.append("not acknowledged")
        }
        wake(woken)
        guard reader.window != nil else { return }
        for stream in OutputStream.pipes where offsets[stream] > reader.acknowledged[stream] {
            readers[index].acknowledged[stream] = offsets[stream]
            readers[index].unacknowledged[stream] = reader.unacknowledged[stream].compactMap { piece in
                let lower = max(piece.lowerBound, offsets[stream])
                return lower < piece.upperBound ? lower..<piece.upperBound : nil
            }
        }
    }

    private mutating func wake(_ ids: [UInt32]) {
        for id in ids {
            guard let index = readers.firstIndex(where: { $0.id == id }) else {
                return found.words.append("woke \(id)")
            }
            expect(!readers[index].isAwake, "woke one who is awake")
            readers[index].isAwake = true
        }
    }

    private mutating func takeCredit() { credit += hub.takeCredit() }

    // MARK: What must hold at any time

    private mutating func check() {
        expect(credit <= HubModel.agentWindow, "the agent has credit for \(credit)")
        let governors = readers.filter { !$0.isObserver }
        for stream in OutputStream.pipes {
            let end = UInt64(written[stream].count)
            let held = hub.heldFrom[stream]
            expect(hub.written[stream] == end, "it has \(hub.written[stream]) of \(end)")
            expect(held + UInt64(HubModel.ring) <= max(end, UInt64(HubModel.ring)), "less than the ring is held")
            // A segment may stay for its last byte.
            let most = UInt64(HubModel.ring + HubModel.agentWindow + 16 << 10 + mayExceed)
            expect(end - held <= most, "\(end - held) bytes are held")
            for reader in governors where !reader.mayMiss {
                expect(held <= reader.acknowledged[stream], "what watcher \(reader.id) may need is gone")
            }
            if governors.isEmpty, keepsUnread { expect(held <= floor[stream], "what nobody has read is gone") }
        }
        for index in readers.indices where !readers[index].isObserver {
            let unread = Int(hub.written.sum - readers[index].position.sum)
            let isNear = unread + credit <= HubModel.agentWindow + mayExceed
            expect(isNear || !readers[index].isCaughtUp, "credit for more than watcher \(readers[index].id) was sent")
            readers[index].isCaughtUp = isNear
        }
    }

    private func expect(_ condition: Bool, _ words: @autoclosure () -> String) {
        if !condition { found.words.append(words()) }
    }
}

extension HubModel.Reader {
    fileprivate var owed: UInt64 {
        OutputStream.pipes.reduce(0) { sum, stream in
            sum + unacknowledged[stream].reduce(0) { $0 + UInt64($1.count) }
        }
    }
}
