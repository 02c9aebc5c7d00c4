// SPDX-License-Identifier: Apache-2.0

import Berth
import Synchronization

/// A leased container, and an interpreter of each language that was asked for in it.
final class Session: Sendable {
    let id: String
    let lease: Lease
    /// What `run_code` uses if it does not say.
    let language: String

    private struct State {
        var contexts: [String: Context] = [:]
        /// The last piece of code that was begun: the next one waits for it.
        var last: Task<Void, Never>?
    }
    private let state: Mutex<State>

    init(id: String, context: Context) {
        self.id = id
        lease = context.lease
        language = context.language
        state = Mutex(State(contexts: [context.language: context]))
    }

    /// An id that nobody guesses, and that a model copies without mistakes.
    static func newID() -> String {
        let letters = Array("abcdefghjkmnpqrstuvwxyz23456789")
        return String((0..<12).map { _ in letters[Int.random(in: letters.indices)] })
    }

    /// The interpreter of a language, which is started if there is none.
    func context(_ language: String, _ client: BerthClient) async throws(BerthError) -> Context {
        if let context = state.withLock({ $0.contexts[language] }) { return context }
        let context = try await client.openContext(language, in: lease)
        state.withLock { $0.contexts[language] = context }
        return context
    }

    /// An interpreter that has ended.
    func forget(_ context: Context) {
        state.withLock { state in
            if state.contexts[context.language]?.id == context.id { state.contexts[context.language] = nil }
        }
    }

    /// Puts a piece of code behind those that came before it: an interpreter runs one at a time.
    /// - Parameter start: starts the task, which has to wait for the one that it is given.
    func queue(_ start: (Task<Void, Never>?) -> Task<Void, Never>) {
        state.withLock { state in state.last = start(state.last) }
    }
}
