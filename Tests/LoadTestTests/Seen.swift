// SPDX-License-Identifier: Apache-2.0

import LoadTest
import Synchronization

/// Records values.
final class Seen: Sendable {
    private let progress = Mutex<[LoadProgress]>([])

    var all: [LoadProgress] { progress.withLock { $0 } }
    func add(_ progress: LoadProgress) { self.progress.withLock { $0.append(progress) } }
}
