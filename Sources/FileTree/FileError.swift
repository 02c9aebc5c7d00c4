internal import Glibc

/// Why something could not be done with a file, in gRPC's codes.
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

    package let code: Code
    /// One line that names the file.
    package let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// - Parameter number: an errno.
    package init(_ number: Int32, _ path: String) {
        let words = String(cString: strerror(number))
        switch number {
        case ENOENT, ENOTDIR: self.init(.notFound, "\(path): \(words)")
        case EACCES, EPERM, EROFS: self.init(.permissionDenied, "\(path): \(words)")
        case ENOSPC, EDQUOT, ENOMEM, EMFILE, ENFILE, EMLINK: self.init(.resourceExhausted, "\(path): \(words)")
        case EFBIG: self.init(.resourceExhausted, "\(path): \(words)")
        case EISDIR, ENOTEMPTY, EEXIST, ELOOP, EBUSY, EXDEV: self.init(.failedPrecondition, "\(path): \(words)")
        case EWOULDBLOCK: self.init(.failedPrecondition, "\(path): a program holds it (a lease or a lock)")
        case ENAMETOOLONG, EINVAL, EILSEQ: self.init(.invalidArgument, "\(path): \(words)")
        default: self.init(.internal, "\(path): \(words)")
        }
    }
}

extension [UInt8] {
    /// A name for a line of text: what is no character is shown as U+FFFD, what would end the line as `\xNN`.
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

    /// As C has it.
    package func withC<R>(_ body: (UnsafePointer<CChar>) -> R) -> R {
        (self + [0]).withUnsafeBytes { raw in
            guard let base = raw.baseAddress else { preconditionFailure("a name without bytes") }
            return body(base.assumingMemoryBound(to: CChar.self))
        }
    }
}
