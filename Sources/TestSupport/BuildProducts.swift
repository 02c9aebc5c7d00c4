// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// The products of the build under test.
package enum BuildProducts {
    /// The directory of this test binary and all other products.
    package static let folder: String = {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
        precondition(count > 0, "/proc is not mounted")
        let path = String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return String(path[..<(path.lastIndex(of: "/") ?? path.endIndex)])
    }()

    /// The path of a program of this package.
    /// - Throws: `MissingPart` if it is not built.
    package static func program(_ name: String) throws(MissingPart) -> String {
        let path = "\(folder)/\(name)"
        guard access(path, X_OK) == 0 else { throw MissingPart("\(path): build it with: swift build --build-tests") }
        return path
    }
}

/// Something that a test needs is missing: the test fails and names it.
package struct MissingPart: Error, CustomStringConvertible {
    package let description: String

    package init(_ what: String) {
        description = "missing: \(what)"
    }
}
