// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Collects the answers to messages that came together, and sends them together when the last one is there.
final class BatchAnswers: Sendable {
    private struct State {
        var answers: [JSONValue] = []
        /// Messages without an answer yet, and one while more messages may follow.
        var missing = 1
    }

    private let state = Mutex(State())
    private let send: @Sendable (JSONValue) -> Void

    init(send: @escaping @Sendable (JSONValue) -> Void) {
        self.send = send
    }

    /// Where the answer to one message goes; nil if there is none.
    func slot() -> @Sendable (JSONValue?) -> Void {
        state.withLock { $0.missing += 1 }
        return { [self] answer in finish(answer) }
    }

    /// All messages were taken.
    func close() { finish(nil) }

    private func finish(_ answer: JSONValue?) {
        let all = state.withLock { state -> [JSONValue] in
            if let answer { state.answers.append(answer) }
            state.missing -= 1
            return state.missing == 0 ? state.answers : []
        }
        // Nothing is sent where all were notifications.
        if !all.isEmpty { send(.array(all)) }
    }
}
