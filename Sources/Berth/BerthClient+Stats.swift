// SPDX-License-Identifier: Apache-2.0

internal import BerthRPC
internal import BerthSchema
internal import NIOCore

extension BerthClient {
    /// What a tenant may do, and what it has used of that.
    /// - Parameters:
    ///   - tenant: nil is the caller's own; another's is for operators.
    ///   - ofAll: all tenants, for operators.
    /// - Throws: `failedPrecondition` if the server has no tenants.
    public func quota(tenant: String? = nil, ofAll: Bool = false) async throws(BerthError) -> [TenantQuota] {
        try await call(PoolService.quota, QuotaRequest(tenant: tenant ?? "", isAll: ofAll)).tenants
    }

    /// Statistics of the server and its pools: one snapshot at once, and then one per interval.
    ///
    /// A slow reader gets the newest snapshot and misses those before it. Iterating throws `BerthError` when the call fails
    /// or the connection is lost. The server keeps sending until the connection closes, even if nobody iterates any more:
    /// where that matters, use a client of its own for it.
    ///
    /// - Parameter interval: time between two snapshots, at least 100 ms.
    public func watchStats(every interval: Duration = .seconds(1)) -> AsyncThrowingStream<StatsResponse, any Error> {
        AsyncThrowingStream(bufferingPolicy: .bufferingNewest(1)) { continuation in
            let arena = NIOLoopBoundBox.makeBoxSendingValue(Arena(), eventLoop: connector.eventLoop)
            let request = WatchStatsRequest(intervalMilliseconds: interval.milliseconds)
            let take: @Sendable (StreamEvent) -> Void = { event in
                switch event {
                case .message(let bytes):
                    let decoded = bytes.withUnsafeReadableBytes { raw in
                        Result { () throws(SchemaError) in try StatsResponse(decoding: raw, arena: arena.value) }
                    }
                    switch decoded {
                    case .success(let stats): continuation.yield(stats)
                    case .failure(let error):
                        continuation.finish(throwing: BerthError(.internal, "the server sent \(error)"))
                    }
                case .end(let error): continuation.finish(throwing: error.map { BerthError($0) })
                }
            }
            let asking = Task { [connector] in
                do throws(BerthError) {
                    let rpc = try await connector.line().rpc
                    let call = rpc.stream(PoolService.watchStats, request, on: take)
                    continuation.onTermination = { _ in call.abandon() }
                } catch {
                    continuation.finish(throwing: error)
                }
            }
            continuation.onTermination = { _ in asking.cancel() }
        }
    }
}
