// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Why a file operation failed. The codes are those of gRPC.
package struct FileError: Error, Equatable, Sendable {
    package enum Code: Int32, Sendable {
        case cancelled = 1
        case invalidArgument = 3
        case notFound = 5
        case permissionDenied = 7
        case resourceExhausted = 8
        case failedPrecondition = 9
        case `internal` = 13
    }

    /// The reason in more detail, with the numbers of berth.v1.ErrorReason.
    package enum Reason: UInt32, Sendable, CaseIterable {
        case noSuchFile = 1
        case isADirectory = 2
        case notADirectory = 3
        case alreadyExists = 4
        case directoryNotEmpty = 5
        /// It is a device, a pipe or a socket.
        case notAFile = 6
        case readOnly = 7
        case outside = 8
        case notPermitted = 9
        case noSpace = 10
        case tooManyLinks = 11
        case nameTooLong = 12
        case badArchive = 13
    }

    package let code: Code
    package let reason: Reason?
    /// One line that names the file.
    package let message: String

    package init(_ code: Code, _ message: String, _ reason: Reason? = nil) {
        self.code = code
        self.reason = reason
        self.message = message
    }

    /// - Parameter number: an errno.
    package init(_ number: Int32, _ path: String) {
        let message = "\(path): \(String(cString: strerror(number)))"
        switch number {
        case ENOENT: self.init(.notFound, message, .noSuchFile)
        case EACCES, EPERM: self.init(.permissionDenied, message, .notPermitted)
        case EROFS: self.init(.permissionDenied, message, .readOnly)
        case ENOSPC, EDQUOT: self.init(.resourceExhausted, message, .noSpace)
        case ENOMEM, EMFILE, ENFILE, EMLINK, EFBIG: self.init(.resourceExhausted, message)
        case ENOTDIR: self.init(.failedPrecondition, message, .notADirectory)
        case EISDIR: self.init(.failedPrecondition, message, .isADirectory)
        case ENOTEMPTY: self.init(.failedPrecondition, message, .directoryNotEmpty)
        case EEXIST: self.init(.failedPrecondition, message, .alreadyExists)
        case ELOOP: self.init(.failedPrecondition, message, .tooManyLinks)
        case EBUSY, ETXTBSY: self.init(.failedPrecondition, message)
        case EXDEV: self.init(.failedPrecondition, "\(path): is in another of the writable directories")
        case EWOULDBLOCK: self.init(.failedPrecondition, "\(path): a program holds it (a lease or a lock)")
        case ENAMETOOLONG: self.init(.invalidArgument, message, .nameTooLong)
        case EINVAL, EILSEQ: self.init(.invalidArgument, message)
        default: self.init(.internal, message)
        }
    }
}

extension [UInt8] {
    /// The bytes as text that fits in a line: invalid UTF-8 becomes U+FFFD, control characters become `\xNN`.
    package var shown: String {
        var text = ""
        for scalar in String(decoding: self, as: UTF8.self).unicodeScalars {
            if scalar.value < 0x20 || scalar.value == 0x7f {
                let digits = String(scalar.value, radix: 16)
                text += digits.count < 2 ? "\\x0\(digits)" : "\\x\(digits)"
            } else {
                text.unicodeScalars.append(scalar)
            }
        }
        return text
    }

    /// Calls `body` with the bytes as a C string.
    package func withC<R>(_ body: (UnsafePointer<CChar>) -> R) -> R {
        (self + [0]).withUnsafeBytes { raw in
            guard let base = raw.baseAddress else { preconditionFailure("a name without bytes") }
            return body(base.assumingMemoryBound(to: CChar.self))
        }
    }
}
