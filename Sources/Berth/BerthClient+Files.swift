// SPDX-License-Identifier: Apache-2.0

internal import BerthRPC
internal import BerthSchema
internal import NIOCore
internal import Synchronization

/// Files of a leased container. Paths are absolute. Files can be read anywhere, and changed only where programs can write
/// (/tmp, /workspace …). Everything is done as the pool's user. All calls throw `notFound`, `permissionDenied` (also for a
/// change outside the writable places), `failedPrecondition` (for example a directory where a file is expected) and
/// `resourceExhausted` (no space left); `BerthError.reason` is more precise.
extension BerthClient {
    /// Maximum bytes of content in one call.
    private static let pieceSize = 256 << 10

    // MARK: Files

    /// Writes a file atomically: either all of it is there under its name, or what was there before still is.
    ///
    /// - Parameters:
    ///   - path: absolute.
    ///   - bytes: its content.
    ///   - lease: whose files they are.
    ///   - mode: its permission bits; nil: 0644.
    ///   - createsParents: whether missing parent directories are created.
    public func writeFile(
        _ path: some SystemText, _ bytes: [UInt8], in lease: Lease, mode: UInt32? = nil, createsParents: Bool = false
    ) async throws(BerthError) {
        var upload = FileUpload(path: path.systemString, lease: lease, mode: mode ?? 0, createsParents: createsParents)
        var rest = bytes[...]
        while rest.count > Self.pieceSize {
            try await upload.send(Array(rest.prefix(Self.pieceSize)), hasMore: true, on: self)
            rest = rest.dropFirst(Self.pieceSize)
        }
        try await upload.send(Array(rest), hasMore: false, on: self)
    }

    /// Writes a file whose content comes in pieces of any size; parameters as above. If the sequence throws, nothing is
    /// written, and this throws the same error.
    public func writeFile(
        _ path: some SystemText, from pieces: some AsyncSequence<[UInt8], any Error>, in lease: Lease,
        mode: UInt32? = nil,
        createsParents: Bool = false
    ) async throws {
        var upload = FileUpload(path: path.systemString, lease: lease, mode: mode ?? 0, createsParents: createsParents)
        let last = try await Self.send(pieces) { piece in try await upload.send(piece, hasMore: true, on: self) }
        try await upload.send(last, hasMore: false, on: self)
    }

    /// Reads a file, or a range of it, in pieces.
    ///
    ///     for try await bytes in client.readFile("/workspace/log", in: lease) { … }
    ///
    /// - Parameters:
    ///   - path: absolute.
    ///   - lease: whose files they are.
    ///   - offset: where to begin.
    ///   - length: maximum number of bytes; nil reads to the end.
    ///   - window: how many bytes may wait here for their reader.
    public func readFile(
        _ path: some SystemText, in lease: Lease, offset: UInt64 = 0, length: UInt64? = nil,
        window: Int = standardWindow
    ) -> FileContent {
        FileContent(
            EventStream(
                connector, PoolService.readFile,
                ReadFileRequest(
                    lease: lease.token, path: path.systemString, offset: offset, length: length ?? 0,
                    windowBytes: UInt64(window)),
                lease: lease.token, window: window, leaving: .detach), isEmpty: length == 0)
    }

    /// Lists a directory, sorted by the bytes of the names.
    public func list(_ path: some SystemText, in lease: Lease) async throws(BerthError) -> [FileInfo] {
        let entries = Mutex<Result<[FileInfo], BerthError>>(.success([]))
        let request = ListDirectoryRequest(lease: lease.token, path: path.systemString)
        let arena = NIOLoopBoundBox.makeBoxSendingValue(Arena(), eventLoop: connector.eventLoop)
        let rpc = try await connector.line().rpc
        let result = await withCheckedContinuation { continuation in
            rpc.stream(PoolService.listDirectory, request) { event in
                switch event {
                case .message(let bytes):
                    let response = bytes.withUnsafeReadableBytes { raw in
                        Result { () throws(SchemaError) in
                            try ListDirectoryResponse(decoding: raw, arena: arena.value).entries
                        }
                    }
                    entries.withLock { entries in
                        guard case .success(var all) = entries else { return }
                        // Given back for a moment, so that appending does not copy what is there.
                        entries = .success([])
                        switch response {
                        case .success(let some):
                            all += some
                            entries = .success(all)
                        case .failure(let error): entries = .failure(BerthError(.internal, "the server sent \(error)"))
                        }
                    }
                case .end(let error):
                    continuation.resume(
                        returning: error.map { .failure(BerthError($0)) } ?? entries.withLock { $0 })
                }
            }
        }
        return try result.get()
    }

    /// Removes a file, a link or an empty directory.
    /// - Parameters:
    ///   - path: absolute.
    ///   - lease: whose files they are.
    ///   - recursive: whether a directory is removed together with its contents.
    public func remove(_ path: some SystemText, in lease: Lease, recursive: Bool = false) async throws(BerthError) {
        _ = try await call(
            PoolService.removeFile,
            RemoveFileRequest(lease: lease.token, path: path.systemString, isRecursive: recursive))
    }

    /// Describes the file, directory or link at a path.
    /// - Parameters:
    ///   - path: absolute.
    ///   - lease: whose files they are.
    ///   - followsLink: whether a link's target is described instead of the link itself.
    public func stat(
        _ path: some SystemText, in lease: Lease, followsLink: Bool = false
    ) async throws(BerthError) -> FileInfo {
        try await call(
            PoolService.stat, StatRequest(lease: lease.token, path: path.systemString, followsLink: followsLink)
        ).info
    }

    /// Makes a directory.
    /// - Parameters:
    ///   - path: absolute.
    ///   - lease: whose files they are.
    ///   - mode: its permission bits; nil: 0755.
    ///   - createsParents: whether missing parent directories are created; the directory may then exist already.
    /// - Throws: `failedPrecondition` with the reason `alreadyExists`, among others.
    public func makeDirectory(
        _ path: some SystemText, in lease: Lease, mode: UInt32? = nil, createsParents: Bool = false
    ) async throws(BerthError) {
        _ = try await call(
            PoolService.makeDirectory,
            MakeDirectoryRequest(
                lease: lease.token, path: path.systemString, mode: mode ?? 0, makesParents: createsParents))
    }

    /// Renames a file, a link or a directory, as rename(2) does.
    /// - Parameters:
    ///   - from: the old path.
    ///   - to: the new path.
    ///   - lease: whose files they are.
    ///   - neverReplaces: fails with the reason `alreadyExists` if something is at the new path.
    public func rename(
        _ from: some SystemText, to: some SystemText, in lease: Lease, neverReplaces: Bool = false
    ) async throws(BerthError) {
        _ = try await call(
            PoolService.renameFile,
            RenameFileRequest(
                lease: lease.token, from: from.systemString, to: to.systemString, neverReplaces: neverReplaces))
    }

    /// Changes the permission bits of a file or a directory.
    /// - Parameters:
    ///   - path: absolute.
    ///   - mode: 0 to 0777.
    ///   - lease: whose files they are.
    public func changeMode(_ path: some SystemText, to mode: UInt32, in lease: Lease) async throws(BerthError) {
        _ = try await call(
            PoolService.changeMode, ChangeModeRequest(lease: lease.token, path: path.systemString, mode: mode))
    }

    // MARK: Archives

    /// Unpacks a tar archive into a directory, which is created if it is missing.
    /// - Returns: the number of files and links that were unpacked.
    /// - Throws: `invalidArgument` also for entries that lead outside the directory, and for devices.
    @discardableResult
    public func writeArchive(into path: some SystemText, _ archive: [UInt8], in lease: Lease) async throws(BerthError)
        -> UInt64
    {
        var upload = ArchiveUpload(path: path.systemString, lease: lease)
        var rest = archive[...]
        while rest.count > Self.pieceSize {
            try await upload.send(Array(rest.prefix(Self.pieceSize)), hasMore: true, on: self)
            rest = rest.dropFirst(Self.pieceSize)
        }
        return try await upload.send(Array(rest), hasMore: false, on: self)
    }

    /// Unpacks a tar archive that comes in pieces of any size. If the sequence throws, what was unpacked so far stays.
    @discardableResult
    public func writeArchive(
        into path: some SystemText, from pieces: some AsyncSequence<[UInt8], any Error>, in lease: Lease
    ) async throws -> UInt64 {
        var upload = ArchiveUpload(path: path.systemString, lease: lease)
        let last = try await Self.send(pieces) { piece in try await upload.send(piece, hasMore: true, on: self) }
        return try await upload.send(last, hasMore: false, on: self)
    }

    /// Reads a directory, or one file, as a tar archive (POSIX pax), in pieces. Names in it are relative to the directory,
    /// which itself is "./". Sockets, pipes and devices are left out.
    /// - Parameters:
    ///   - path: absolute.
    ///   - lease: whose files they are.
    ///   - window: how many bytes may wait here for their reader.
    public func readArchive(_ path: some SystemText, in lease: Lease, window: Int = standardWindow) -> FileContent {
        FileContent(
            EventStream(
                connector, PoolService.readArchive,
                ReadArchiveRequest(lease: lease.token, path: path.systemString, windowBytes: UInt64(window)),
                lease: lease.token, window: window, leaving: .detach))
    }

    // MARK: How

    /// Sends pieces as large as a call takes.
    /// - Returns: the rest, for the last call.
    private static func send(
        _ pieces: some AsyncSequence<[UInt8], any Error>, _ send: ([UInt8]) async throws -> Void
    ) async throws -> [UInt8] {
        var waiting: [UInt8] = []
        for try await piece in pieces {
            waiting += piece
            var start = 0
            while waiting.count - start > pieceSize {
                try await send(Array(waiting[start..<start + pieceSize]))
                start += pieceSize
            }
            waiting.removeFirst(start)
        }
        return waiting
    }
}

/// The content of a file or an archive, in pieces. Iterate it once, from one task. If it is read slowly, the rest waits in
/// the container; leaving the loop early ends the call there.
public final class FileContent: AsyncSequence, Sendable {
    public typealias Element = [UInt8]

    private let stream: EventStream<FileEvent>
    private let isEmpty: Bool
    private let known = Mutex<FileInfo?>(nil)

    /// - Parameter isEmpty: zero bytes are wanted, which the request cannot express.
    init(_ stream: EventStream<FileEvent>, isEmpty: Bool = false) {
        self.stream = stream
        self.isEmpty = isEmpty
    }

    deinit { stream.leave() }

    /// The file's attributes; nil before the first bytes were read, and for an archive.
    public var info: FileInfo? { known.withLock { $0 } }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(content: self) }

    public struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let content: FileContent

        /// - Throws: `BerthError`, or `CancellationError`.
        public mutating func next() async throws -> [UInt8]? {
            do {
                while let event = try await content.stream.next() {
                    switch event {
                    case .start(let start):
                        content.known.withLock { $0 = start.info }
                        if content.isEmpty { return nil }
                    case .output(let output): return output.data
                    case .end, .unknown: break
                    }
                }
                return nil
            } catch let error as CancellationError {
                content.stream.leave()
                throw error
            }
        }
    }

    /// Reads all of it.
    /// - Throws: `resourceExhausted` if it is longer than `limit` bytes.
    public func collect(limit: Int = 64 << 20) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        for try await piece in self {
            bytes += piece
            guard bytes.count <= limit else {
                throw BerthError(
                    .resourceExhausted, "it has more than \(limit) bytes, which is all that was to be read")
            }
        }
        return bytes
    }
}

extension FileEvent: CreditedEvent {
    var meaning: EventMeaning {
        switch self {
        case .start(let start): .started(StreamIdentity(execution: start.execution, watcher: start.watcher))
        case .output(let output): .output(output)
        case .end: .last
        case .unknown: .other
        }
    }
}

/// The calls that write one file.
private struct FileUpload {
    let path: SystemString
    let lease: Lease
    let mode: UInt32
    let createsParents: Bool
    var id = ""
    var offset: UInt64 = 0

    mutating func send(_ data: [UInt8], hasMore: Bool, on client: BerthClient) async throws(BerthError) {
        let response = try await client.call(
            PoolService.writeFile,
            WriteFileRequest(
                lease: lease.token, path: path, data: data, mode: mode, createsParents: createsParents,
                hasMore: hasMore, upload: id, offset: offset))
        if hasMore { id = response.upload }
        offset += UInt64(data.count)
    }
}

/// The calls that write one archive.
private struct ArchiveUpload {
    let path: SystemString
    let lease: Lease
    var id = ""
    var offset: UInt64 = 0

    @discardableResult
    mutating func send(_ data: [UInt8], hasMore: Bool, on client: BerthClient) async throws(BerthError) -> UInt64 {
        let response = try await client.call(
            PoolService.writeArchive,
            WriteArchiveRequest(
                lease: lease.token, path: path, data: data, hasMore: hasMore, upload: id, offset: offset))
        if hasMore { id = response.upload }
        offset += UInt64(data.count)
        return response.files
    }
}
