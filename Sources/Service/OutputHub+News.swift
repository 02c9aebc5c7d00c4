// SPDX-License-Identifier: Apache-2.0

internal import AgentSchema
internal import BerthSchema
internal import NIOCore

extension OutputHub {
    /// The kind of a watcher's next step, without its data.
    enum News {
        case start
        case output(OutputStream)
        /// The output that it needs next is no longer held.
        case gap(OutputStream)
        case outputEnd
        case end(Agent.Ended)
    }

    func news(for index: Int) -> News? {
        guard watchers[index].isStarted else {
            if isStarted || watchers[index].mayStart { return .start }
            return ended.map { .end($0) }
        }
        let room = watchers[index].hasEventsLeft ? watchers[index].room : 0
        var first: (stream: OutputStream, sequence: UInt64)?
        for stream in OutputStream.each {
            let position = watchers[index].sent[stream]
            guard position >= rings[stream].start else {
                // Only if there is room for output, too: otherwise each dropped piece would be reported.
                return room > 0 ? .gap(stream) : nil
            }
            guard let sequence = rings[stream].sequence(at: position) else { continue }
            if let first, first.sequence < sequence { continue }
            first = (stream, sequence)
        }
        guard let first else {
            if hasOutputEnded, !watchers[index].knowsOutputEnd { return .outputEnd }
            return ended.map { .end($0) }
        }
        if first.stream == .events {
            let size = rings.events.slice(at: watchers[index].sent.events, upTo: .max).readableBytes
            return watchers[index].hasRoom(forWhole: size) ? .output(.events) : nil
        }
        let waiting = rings[first.stream].end - watchers[index].sent[first.stream]
        return room > 0 && watchers[index].goesOn(waiting: waiting) ? .output(first.stream) : nil
    }

    /// The next output of a stream, as far as the watcher has room.
    func slice(of stream: OutputStream, for index: Int) -> OutputSlice {
        let position = watchers[index].sent[stream]
        guard stream != .events else {
            return OutputSlice(
                stream: stream, offset: position, data: rings.events.slice(at: position, upTo: .max))
        }
        let limit = min(watchers[index].largestOutput, watchers[index].room)
        // The sequence of the next piece of the other streams.
        var next: UInt64?
        for other in OutputStream.each where other != stream {
            let otherPosition = watchers[index].sent[other]
            guard otherPosition >= rings[other].start, let sequence = rings[other].sequence(at: otherPosition) else {
                continue
            }
            next = min(next ?? .max, sequence)
        }
        let data = rings[stream].joined(at: position, upTo: limit, before: next)
        return OutputSlice(stream: stream, offset: position, data: data)
    }
}
