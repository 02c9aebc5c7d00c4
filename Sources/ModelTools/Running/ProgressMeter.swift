// SPDX-License-Identifier: Apache-2.0

package import Berth
import Synchronization

/// Sends what a program writes as progress notifications: the first at once, then at most one each `interval`, and none
/// after `end()`. It is for the eye: the result has the output, and a piece here may be cut.
package final class ProgressMeter: Sendable {
    package static let interval = Duration.milliseconds(100)
    /// Maximum bytes of text in one notification.
    private static let limit = 4 << 10

    private struct State {
        var pending = OutputTail(limit: ProgressMeter.limit)
        var characters: [OutputStream: WholeCharacters] = [:]
        /// Bytes of all streams so far, and how many had come when the last notification was sent.
        var total: UInt64 = 0
        var sent: UInt64 = 0
        var lastTime: ContinuousClock.Instant?
        var isScheduled = false
        var isEnded = false
    }

    private let state = Mutex(State())
    private let send: @Sendable (_ progress: UInt64, _ text: String) -> Void

    package init(send: @escaping @Sendable (_ progress: UInt64, _ text: String) -> Void) {
        self.send = send
    }

    package func take(_ output: Output) {
        let delay = state.withLock { state -> Duration? in
            guard !state.isEnded else { return nil }
            state.total += UInt64(output.data.count)
            state.pending.append(state.characters[output.stream, default: WholeCharacters()].take(output.data))
            guard !state.isScheduled else { return nil }
            let wait = state.lastTime.map { $0 + ProgressMeter.interval - .now } ?? .zero
            guard wait > .zero else {
                flush(&state)
                return nil
            }
            state.isScheduled = true
            return wait
        }
        guard let delay else { return }
        Task { [self] in
            try? await Task.sleep(for: delay)
            state.withLock { state in
                state.isScheduled = false
                if !state.isEnded { flush(&state) }
            }
        }
    }

    /// Under the lock, so that nothing is sent after `end()`.
    private func flush(_ state: inout State) {
        let text = state.pending.text.text
        guard state.total > state.sent, !text.isEmpty else { return }
        send(state.total, text)
        state.sent = state.total
        state.lastTime = .now
        state.pending = OutputTail(limit: ProgressMeter.limit)
    }

    package func end() { state.withLock { $0.isEnded = true } }
}
