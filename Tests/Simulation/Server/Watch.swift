// SPDX-License-Identifier: Apache-2.0

internal import BerthRPC
internal import BerthSchema
internal import NIOCore

/// One stream of an execution, as its client sees it, and how that client reads.
final class Watch {
    enum Manner: Int, CaseIterable {
        /// Acknowledges after 16 KiB or 30 events.
        case prompt
        /// Acknowledges each event, but late.
        case late
        /// Acknowledges nothing for a long time.
        case sleepy
    }

    let execution: ServerBook.Execution
    private let book: ServerBook
    private let world: World
    private let window: UInt64
    private var manner: Manner
    private let acknowledge: (AcknowledgeRequest) -> Void
    private let isResumed: Bool
    private(set) var number: UInt32 = 0
    private var next: (stdout: UInt64, stderr: UInt64) = (0, 0)
    private var dropped: (stdout: UInt64, stderr: UInt64) = (0, 0)
    private var acknowledged: (stdout: UInt64, stderr: UInt64) = (0, 0)
    /// Where events ended that are not acknowledged.
    private var events: [(OutputStream, UInt64)] = []
    private var unacknowledged: UInt64 = 0
    private var isStarted = false
    private var ended: Ended?
    private(set) var isOver = false
    /// Something has come.
    private(set) var hasHeard = false
    private let arena = Arena()
    private let canary: WatchCanary
    /// What had come at the last check at which more was there to come and nothing held it up.
    private var waits: (since: NIODeadline, come: UInt64)?
    /// An event has come, so that the call was taken.
    private(set) var isAnswered = false
    /// Called then, and when it has started.
    var onAnswer: () -> Void = {}
    var onStart: () -> Void = {}
    /// Called when the stream is over.
    var onEnd: (RPCError?) -> Void = { _ in }

    /// - Parameters:
    ///   - window: 0: none.
    ///   - isResumed: it is a later watcher, which may come when output has been dropped.
    init(
        _ execution: ServerBook.Execution, _ book: ServerBook, window: UInt64, _ manner: Manner, isResumed: Bool,
        acknowledge: @escaping (AcknowledgeRequest) -> Void
    ) {
        (self.execution, self.book, world, self.window, self.manner) = (execution, book, book.world, window, manner)
        (self.isResumed, self.acknowledge) = (isResumed, acknowledge)
        canary = WatchCanary(world)
    }

    func receive(_ event: StreamEvent) {
        guard !isOver else { return world.broken(.oneEnd, "\(execution.name): something came after the end") }
        hasHeard = true
        switch event {
        case .message(let buffer):
            if !isAnswered {
                isAnswered = true
                onAnswer()
            }
            let decoded = buffer.withUnsafeReadableBytes { bytes in
                Result { () throws(SchemaError) in try ExecuteEvent(decoding: bytes, arena: arena) }
            }
            switch decoded {
            case .failure(let error): world.broken(.bytes, "an event that can't be read: \(error)")
            case .success(let event): for event in canary.altered(event) { receive(event) }
            }
        case .end(let error):
            isOver = true
            if error == nil, ended == nil { world.broken(.oneEnd, "\(execution.name): a stream without an end") }
            onEnd(error)
        }
    }

    private func receive(_ event: ExecuteEvent) {
        if ended != nil { world.broken(.oneEnd, "\(execution.name): an event after the end") }
        switch event {
        case .output where !isStarted, .dropped where !isStarted:
            world.broken(.oneEnd, "\(execution.name): output before the start")
        case .started(let started):
            if isStarted { world.broken(.oneEnd, "\(execution.name) started twice") }
            isStarted = true
            number = started.watcher
            if isResumed, started.execution != execution.name {
                world.broken(.place, "an Attach to \(execution.name) watches \(started.execution)")
            }
            guard !isResumed else { return }
            book.started(execution, started)
            onStart()
        case .output(let output): receive(output)
        case .dropped(let gap): receive(gap)
        case .ended(let ended):
            self.ended = ended
            book.ended(execution, ended)
            check(ended)
        default: world.broken(.bytes, "\(execution.name): an event that does not belong here")
        }
    }

    private func receive(_ output: Output) {
        let next = output.stream == .stdout ? next.stdout : next.stderr
        guard output.offset == next else {
            return world.broken(
                .bytes, "\(execution.name): \(output.stream) goes on at \(output.offset), where \(next) was next")
        }
        guard !output.data.isEmpty, Script.wrote(output.data, execution.key, output.stream, at: next) else {
            return world.broken(
                .bytes, "\(execution.name): other bytes at \(next) of \(output.stream) than were written")
        }
        let count = UInt64(output.data.count)
        if output.stream == .stdout { self.next.stdout += count } else { self.next.stderr += count }
        guard window > 0 else { return }
        // A server that takes the window for larger than it is.
        unacknowledged += count * (world.canary == .windowIsIgnored ? 2 : 1)
        events.append((output.stream, next + count))
        if unacknowledged > window || events.count * (world.canary == .eventsAreNotCounted ? 2 : 1) > 60 {
            world.broken(
                .window,
                "\(execution.name): \(unacknowledged) bytes in \(events.count) events, of a window of \(window)")
        }
        switch manner {
        case .prompt: if unacknowledged >= min(window, 64 << 10) / 4 || events.count >= 30 { give() }
        case .late:
            world.after(world.between(.milliseconds(1), .milliseconds(3000))) { [weak self] in self?.give() }
        case .sleepy:
            guard events.count == 1 else { return }
            world.after(world.between(.seconds(1), .seconds(150))) { [weak self] in self?.give() }
        }
    }

    private func receive(_ gap: Dropped) {
        let next = gap.stream == .stdout ? next.stdout : next.stderr
        guard gap.offset == next, gap.bytes > 0 else {
            return world.broken(
                .named, "\(execution.name): a gap of \(gap.bytes) at \(gap.offset), where \(next) was next")
        }
        // Nothing is dropped for a watcher from the first byte on, unless its time is over and nobody reads.
        if !isResumed, world.now < execution.asked.at + execution.asked.timeout {
            world.broken(.named, "\(execution.name): \(gap.bytes) bytes were dropped for a client that keeps the rules")
        }
        if gap.stream == .stdout {
            (self.next.stdout, dropped.stdout) = (next + gap.bytes, dropped.stdout + gap.bytes)
        } else {
            (self.next.stderr, dropped.stderr) = (next + gap.bytes, dropped.stderr + gap.bytes)
        }
    }

    /// What was written must come soon to a client that reads.
    /// - Parameters:
    ///   - written: what the program has written that it is to get; nil: nobody can know.
    ///   - isHeldUp: something other than the server may hold it up.
    func look(written: UInt64?, isHeldUp: Bool) {
        let come = next.stdout + next.stderr
        guard let written, written > come, !isHeldUp, manner != .sleepy, !isResumed, !isOver else { return waits = nil }
        guard let (since, before) = waits, before == come else { return waits = (world.now, come) }
        guard world.now > since + .seconds(20) else { return }
        world.broken(
            .moves,
            "\(execution.name): \(written) bytes were written and \(come) have come, for 20 s, to a client that reads")
    }

    /// From now on it reads as it should.
    func hurry() {
        manner = .prompt
        give()
    }

    private func give() {
        guard !isOver, isStarted, window > 0, ended == nil, !events.isEmpty else { return }
        events = []
        unacknowledged = 0
        acknowledged = next
        acknowledge(
            AcknowledgeRequest(
                lease: execution.lease?.token ?? "", execution: execution.name, watcher: number,
                stdoutOffset: next.stdout, stderrOffset: next.stderr))
    }

    /// All that was written has come, or is named.
    private func check(_ ended: Ended) {
        for (name, come, bytes, truncated) in [
            ("stdout", next.stdout, ended.stdoutBytes, ended.stdoutTruncated),
            ("stderr", next.stderr, ended.stderrBytes, ended.stderrTruncated),
        ] where bytes < truncated || come != bytes - truncated {
            world.broken(
                .named,
                "\(execution.name): \(come) bytes of \(name) came or were named as dropped, of \(bytes), \(truncated) truncated"
            )
        }
    }
}
