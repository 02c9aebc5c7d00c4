// SPDX-License-Identifier: Apache-2.0

import AgentSchema
import BerthSchema
import BerthWire

@testable import AgentLink

/// Checks what an agent sends in the same way as the server does: the agent must never send what the server does not
/// allow.
struct ServerView {
    /// Answers to calls that are not `Execute`.
    private struct Answers {
        /// How many must come; so many more may come.
        var due = 0
        var possible = 0
        var come = 0
    }

    private var decoder = FrameDecoder()
    private var unread: [UInt8] = []
    private let arena = Arena()
    /// The executions that have begun and whose end has not come, by stream. If a stream id is used again, the next
    /// execution may begin before the end of the previous one has arrived.
    private var streams: [UInt32: [ExecutionState]] = [:]
    private var answers: [UInt32: Answers] = [:]

    // MARK: What it sends

    mutating func owes(_ id: UInt32) { answers[id, default: Answers()].due += 1 }
    mutating func mayOwe(_ id: UInt32) { answers[id, default: Answers()].possible += 1 }

    /// Must be called when the agent has begun an execution.
    mutating func begins(_ request: Agent.ExecuteRequest, on id: UInt32) {
        // Credit is measured in the agent: here it is not known when an acknowledgement was taken.
        streams[id, default: []].append(ExecutionState(window: .max, request: request))
        answers[id, default: Answers()].due -= 1
    }

    // MARK: What comes back

    mutating func receive(_ bytes: ArraySlice<UInt8>) throws(Broken) {
        unread += bytes
        var taken = 0
        defer { unread.removeFirst(taken) }
        while true {
            switch unread.withUnsafeBytes({ decoder.next(UnsafeRawBufferPointer(rebasing: $0[taken...])) }) {
            case .needMore: return
            case .frame(let header, let data):
                let content = Array(unread[taken + data.lowerBound..<taken + data.upperBound])
                taken += data.upperBound
                try take(header, content)
            case .oversized, .skip: throw Broken(rule: "the agent sent a frame that is too large")
            }
        }
    }

    private mutating func take(_ header: FrameHeader, _ data: [UInt8]) throws(Broken) {
        let id = header.streamID
        switch (header.type, header.flags) {
        case (.response, []):
            guard (try? Response(decoding: data, arena: arena)) != nil else {
                throw Broken(rule: "an answer that is none")
            }
            answers[id, default: Answers()].come += 1
        case (.data, []):
            guard let event = try? Agent.ExecuteEvent(decoding: data, arena: arena) else {
                throw Broken(rule: "no event: \(data)")
            }
            guard streams[id]?.isEmpty == false else {
                throw Broken(rule: "an event on stream \(id), which has no execution: \(event)")
            }
            if case .violation(let what)? = streams[id]?[0].receive(event) {
                throw Broken(rule: "the server would not believe its agent: \(what)")
            }
        case (.data, [.remoteClosed, .noData]):
            guard streams[id]?.isEmpty == false, var state = streams[id]?.removeFirst() else {
                throw Broken(rule: "the end of stream \(id), which has no execution")
            }
            guard case .ended = state.streamEnded() else { throw Broken(rule: "a stream ended without an end") }
        default:
            throw Broken(rule: "the agent sent a frame of type \(header.type.rawValue), flags \(header.flags.rawValue)")
        }
    }

    /// Checks that all executions have ended, and nothing is in flight.
    func checkEnd() throws(Broken) {
        for (id, states) in streams { try require(states.isEmpty, "the execution on stream \(id) has no end") }
        for (id, answers) in answers {
            try require(
                (answers.due...answers.due + answers.possible).contains(answers.come),
                "\(answers.come) answers on stream \(id); \(answers.due) are due, \(answers.possible) more possible")
        }
        try require(unread.isEmpty, "a frame has come in part")
    }
}
