// SPDX-License-Identifier: Apache-2.0

internal import BerthRPC
internal import Pool
internal import Synchronization

/// All uploads by id: running ones, and ended ones, for a call that is repeated because its answer was lost.
final class UploadRegistry: Sendable {
    /// Maximum number for one lease; ended ones are dropped to make room.
    static let maxOfLease = 32
    /// An upload that waits longer than this for its next call is given up; an ended one is remembered for this long.
    static let idleLimit = Duration.seconds(60)

    private struct State {
        var uploads: [String: Upload] = [:]
        /// The uploads of each lease, in the order in which they began.
        var ofLease: [LeaseToken: [Upload]] = [:]

        mutating func remove(_ upload: Upload) {
            guard uploads.removeValue(forKey: upload.id) != nil else { return }
            ofLease[upload.lease]?.removeAll { $0 === upload }
            if ofLease[upload.lease]?.isEmpty == true { ofLease[upload.lease] = nil }
        }
    }

    private let state = Mutex(State())

    var count: Int { state.withLock { $0.uploads.count } }

    /// Number of those that have not ended.
    var openCount: Int { state.withLock { state in state.uploads.values.count { !$0.isOver } } }

    /// - Throws: RESOURCE_EXHAUSTED if too many of the lease are running.
    func insert(_ upload: Upload, clock: any MonotonicClock) throws(RPCError) {
        let isFull = state.withLock { state in
            let others = state.ofLease[upload.lease] ?? []
            if others.count >= UploadRegistry.maxOfLease {
                guard let ended = others.first(where: \.isOver) else { return true }
                state.remove(ended)
            }
            state.uploads[upload.id] = upload
            state.ofLease[upload.lease, default: []].append(upload)
            return false
        }
        guard !isFull else {
            throw RPCError(
                .resourceExhausted,
                "\(UploadRegistry.maxOfLease) uploads are open in this lease, the maximum: end one first"
            )
        }
        Task { [weak self, weak upload] in
            // Wakes up only when the limit may be over, and not at every call in between.
            while let since = upload.map({ $0.idleSince ?? clock.now() }) {
                let end = since + UploadRegistry.idleLimit
                if clock.now() >= end { break }
                do { try await clock.sleep(until: end) } catch { return }
            }
            guard let upload else { return }
            upload.giveUp()
            self?.remove(upload)
        }
    }

    func find(_ id: String, lease: LeaseToken) throws(RPCError) -> Upload {
        guard let upload = state.withLock({ $0.uploads[id] }), upload.lease == lease else {
            throw RPCError(.notFound, "no such upload in this lease, or it was given up")
        }
        return upload
    }

    func remove(_ upload: Upload) {
        state.withLock { $0.remove(upload) }
    }
}
