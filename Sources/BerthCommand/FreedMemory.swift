// SPDX-License-Identifier: Apache-2.0

import CHost
import Synchronization

/// Gives memory that callers have had back to the system. malloc keeps what is freed for the next that asks, and of what
/// was taken in a rush, in small pieces, that could be most of what the server may have.
final class FreedMemory: Sendable {
    /// It is done so much later: once for all that is freed in that time.
    private static let delay = Duration.milliseconds(200)

    private let isDue = Mutex(false)

    init() {
        berth_return_large_memory()
    }

    /// Much has been freed. May be called from any thread.
    func tell() {
        let isFirst = isDue.withLock { due in
            defer { due = true }
            return !due
        }
        guard isFirst else { return }
        Task { [self] in
            try? await Task.sleep(for: FreedMemory.delay)
            isDue.withLock { $0 = false }
            berth_return_free_memory()
        }
    }
}
