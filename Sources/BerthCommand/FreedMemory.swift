// SPDX-License-Identifier: Apache-2.0

import CHost
import Synchronization

/// Returns memory that was held for callers to the system. malloc keeps freed memory for later use, and after a rush of
/// small allocations that could be most of what the server may have.
final class FreedMemory: Sendable {
    /// The delay after memory was freed, so that it is done once for all that is freed meanwhile.
    private static let delay = Duration.milliseconds(200)

    private let isDue = Mutex(false)

    init() {
        berth_return_large_memory()
    }

    /// Must be called after much memory was freed, on any thread.
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
