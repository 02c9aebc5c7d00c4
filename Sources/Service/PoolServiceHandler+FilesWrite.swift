// SPDX-License-Identifier: Apache-2.0

internal import AgentLink
internal import AgentSchema
internal import BerthRPC
internal import BerthSchema
internal import Pool
internal import Synchronization

/// Calls that write files and archives, in one call or several.
extension PoolServiceHandler {
    func writeFile(_ call: ServerCall, _ session: Session) throws(RPCError) {
        let request = try call.decode(WriteFileRequest.self)
        guard request.mode <= 0o7777 else {
            throw RPCError(.invalidArgument, "mode is \(request.mode), more than 07777")
        }
        let piece = try FilePiece(
            lease: request.lease, path: request.path, upload: request.upload,
            offset: request.offset, data: request.data, hasMore: request.hasMore)
        let operation = FileOperation.write(
            path: piece.path, mode: request.mode == 0 ? 0o644 : request.mode, createsParents: request.createsParents)
        try write(operation, piece, call, session) { progress, id in
            WriteFileResponse(upload: id, offset: progress.offset)
        }
    }

    func writeArchive(_ call: ServerCall, _ session: Session) throws(RPCError) {
        let request = try call.decode(WriteArchiveRequest.self)
        let piece = try FilePiece(
            lease: request.lease, path: request.path, upload: request.upload,
            offset: request.offset, data: request.data, hasMore: request.hasMore)
        try write(.unpack(path: piece.path), piece, call, session) { progress, id in
            WriteArchiveResponse(upload: id, offset: progress.offset, files: progress.files)
        }
    }

    private func write<M: Message>(
        _ operation: FileOperation, _ piece: FilePiece, _ call: ServerCall, _ session: Session,
        _ response: @escaping @Sendable (Upload.Progress, _ id: String) -> M
    ) throws(RPCError) {
        guard piece.upload.isEmpty else { return try goOn(piece, call, session, response) }
        let job = try begin(operation, path: piece.path, lease: piece.lease, session, isPaced: piece.hasMore)
        let stdin = Upload.framed(piece.data, isLast: !piece.hasMore)
        let size = UInt64(piece.data.count)
        guard piece.hasMore else {
            return run(job, stdin: stdin, for: call) { outcome in
                .success(response(Upload.Progress(offset: size, files: outcome.count), ""))
            }
        }
        let upload = Upload(
            id: newToken().description, lease: job.lease, limits: limits, clock: clock,
            first: piece.data)
        do throws(RPCError) {
            try uploads.insert(upload, clock: clock)
        } catch {
            job.atEnd(nil)
            throw error
        }
        let answer = FirstAnswer(call)
        let execution = job.run(stdin: stdin, keepsOpen: true, silence: .ofStart(limits.defaultTimeout)) {
            [uploads] event in
            upload.receive(event)
            switch event {
            case .started: answer.give(.success(response(Upload.Progress(offset: size), upload.id)))
            case .output, .overdue, .refused, .outputEnded: break
            case .ended(let ended):
                let error = FileOutcome().error(ended) ?? RPCError(.internal, "the upload ended before it began")
                // If the client got no answer for the start, it does not know the upload.
                if answer.give(Result<M, RPCError>.failure(error)) { uploads.remove(upload) }
            }
        }
        upload.begin(execution)
    }

    private func goOn<M: Message>(
        _ piece: FilePiece, _ call: ServerCall, _ session: Session,
        _ response: @escaping @Sendable (Upload.Progress, _ id: String) -> M
    ) throws(RPCError) {
        guard let token = session.lease(piece.lease), use(token, session) != nil else { throw .noSuchLease }
        let upload = try uploads.find(piece.upload, lease: token)
        let answer = Answer(call)
        upload.add(
            Upload.Piece(offset: piece.offset, data: piece.data, isLast: !piece.hasMore) { result in
                answer.give(result.map { response($0, piece.hasMore ? upload.id : "") })
            })
    }
}

/// What calls with content have in common, checked.
struct FilePiece {
    var lease: String
    var path: SystemString
    var upload: String
    var offset: UInt64
    var data: [UInt8]
    var hasMore: Bool

    init(
        lease: String, path: SystemString, upload: String, offset: UInt64, data: [UInt8], hasMore: Bool
    ) throws(RPCError) {
        guard data.count <= PoolServiceHandler.maxData else {
            throw RPCError(
                .invalidArgument,
                "data has \(data.count) bytes, more than the maximum, \(PoolServiceHandler.maxData): send it in several calls"
            )
        }
        guard !upload.isEmpty || offset == 0 else {
            throw RPCError(.invalidArgument, "offset is \(offset) in the first call, which begins at 0")
        }
        guard offset <= UInt64(Int64.max) else { throw RPCError(.invalidArgument, "offset is \(offset)") }
        self.lease = lease
        self.path = path
        self.upload = upload
        self.offset = offset
        self.data = data
        self.hasMore = hasMore
    }
}

/// An answer that is given only once.
private final class FirstAnswer: Sendable {
    private let answer: Answer
    private let isGiven = Mutex(false)

    init(_ call: ServerCall) { answer = Answer(call) }

    /// - Returns: false if it was given before.
    @discardableResult
    func give(_ result: Result<some Message, RPCError>) -> Bool {
        let isFirst = isGiven.withLock { given in
            defer { given = true }
            return !given
        }
        if isFirst { answer.give(result) }
        return isFirst
    }
}
