// SPDX-License-Identifier: Apache-2.0

internal import BerthSchema
internal import Glibc

/// Processes that a program left running with `keep_background`: a supervisor and everything below it. They are killed when
/// this object is deallocated.
///
/// What they write from then on is read and dropped, since otherwise they would block for ever, or be killed by SIGPIPE.
final class Background {
    let pid: pid_t
    private let supervisor: Supervisor
    /// The id of the program's stream.
    private let streamID: UInt32
    private var stdout: Descriptor?
    private var stderr: Descriptor?
    private var isReadable = (stdout: false, stderr: false)

    init(_ supervisor: consuming Supervisor, streamID: UInt32) {
        pid = supervisor.pid
        self.supervisor = supervisor
        self.streamID = streamID
    }

    /// Takes over the pipes, or the terminal, of the execution, which has ended.
    func keep(stdout: consuming Descriptor?, stderr: consuming Descriptor?) {
        self.stdout = stdout
        self.stderr = stderr
        isReadable = (true, true)
    }

    func raw(_ stream: OutputStream) -> Int32? {
        stream == .stdout ? stdout?.raw : stderr?.raw
    }

    func becameReadable(_ stream: OutputStream) {
        if stream == .stdout { isReadable.stdout = true } else { isReadable.stderr = true }
    }

    /// Whether a read would return something now, as far as is known.
    /// - Parameter buffer: output that it has announced and not moved must not be dropped.
    func wantsToRead(_ stream: OutputStream, _ buffer: SendBuffer) -> Bool {
        (stream == .stdout ? isReadable.stdout : isReadable.stderr) && raw(stream) != nil
            && buffer.unspliced(of: streamID, stream.rawValue) == 0
    }

    /// Reads once, and discards what was read.
    func drop(_ stream: OutputStream, into room: UnsafeMutableRawBufferPointer) {
        guard let raw = raw(stream) else { return }
        let count = read(raw, room.baseAddress, room.count)
        if count > 0 || (count < 0 && errno == EINTR) { return }
        let isEmpty = count < 0 && errno == EAGAIN
        if stream == .stdout { isReadable.stdout = false } else { isReadable.stderr = false }
        // No writer is left; a terminal reports this as EIO.
        if !isEmpty { if stream == .stdout { stdout = nil } else { stderr = nil } }
    }
}
