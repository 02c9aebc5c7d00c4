// SPDX-License-Identifier: Apache-2.0

internal import BerthSchema
internal import Glibc

/// What programs have left running that ended by themselves, as they had asked: a supervisor, and what it watches. It is
/// killed when this goes out of use.
///
/// What it goes on to write is read and dropped: else it would wait for a reader for ever, or be killed by SIGPIPE.
final class Background {
    let pid: pid_t
    private let supervisor: Supervisor
    /// The server's stream on which the program was.
    private let streamID: UInt32
    private var stdout: Descriptor?
    private var stderr: Descriptor?
    private var isReadable = (stdout: false, stderr: false)

    init(_ supervisor: consuming Supervisor, streamID: UInt32) {
        pid = supervisor.pid
        self.supervisor = supervisor
        self.streamID = streamID
    }

    /// The execution has ended, and needs its pipes, or its terminal, no more.
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

    /// A read would do something now, as far as is known.
    /// - Parameter buffer: what it has announced and not moved is not to be dropped.
    func wantsToRead(_ stream: OutputStream, _ buffer: SendBuffer) -> Bool {
        (stream == .stdout ? isReadable.stdout : isReadable.stderr) && raw(stream) != nil
            && buffer.unspliced(of: streamID, stream.rawValue) == 0
    }

    /// Reads once, and drops what was read.
    func drop(_ stream: OutputStream, into room: UnsafeMutableRawBufferPointer) {
        guard let raw = raw(stream) else { return }
        let count = read(raw, room.baseAddress, room.count)
        if count > 0 || (count < 0 && errno == EINTR) { return }
        let isEmpty = count < 0 && errno == EAGAIN
        if stream == .stdout { isReadable.stdout = false } else { isReadable.stderr = false }
        // No writer is left; a terminal tells it as EIO.
        if !isEmpty { if stream == .stdout { stdout = nil } else { stderr = nil } }
    }
}
