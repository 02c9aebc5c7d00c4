// SPDX-License-Identifier: Apache-2.0

internal import BerthRPC
internal import Pool
internal import Synchronization

/// The uploads by their ids: those that go on, and those that have ended, for a call that was lost and is made again.
final class UploadRegistry: Sendable {
    /// Of one lease; of them, those that have ended make room.
    static let mostOfLease = 32
    /// What waits for its next call for longer is given up; what has ended is remembered for so long.
    static let idleLimit = Duration.seconds(60)

    private struct State {
        var uploads: [String: Upload] = [:]
        /// In the order in which they began.
        var ofLease: [LeaseToken: [Upload]] = [:]

        mutating func remove(_ upload: Upload) {
            guard uploads.removeValue(forKey: upload.id) != nil else { return }
            ofLease[upload.lease]?.removeAll { $0 === upload }
            if ofLease[upload.lease]?.isEmpty == true { ofLease[upload.lease] = nil }
        }
    }

    private let state = Mutex(State())

    var count: Int { state.withLock { $0.uploads.count } }

    /// - Throws: RESOURCE_EXHAUSTED when too many of the lease go on.
    func insert(_ upload: Upload, clock: any MonotonicClock) throws(RPCError) {
        let isFull = state.withLock { state in
            let others = state.ofLease[upload.lease] ?? []
            if others.count >= UploadRegistry.mostOfLease {
                guard let ended = others.first(where: \.isOver) else { return true }
                state.remove(ended)
            }
            state.uploads[upload.id] = upload
            state.ofLease[upload.lease, default: []].append(upload)
            return false
        }
        guard !isFull else {
            throw RPCError(
                .resourceExhausted, "\(UploadRegistry.mostOfLease) uploads go on in this lease, the most: end one first"
            )
        }
        Task { [weak self, weak upload] in
            // Wakes when the limit may have passed, and not at every call in between.
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
