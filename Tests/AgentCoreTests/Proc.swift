// SPDX-License-Identifier: Apache-2.0

import Glibc
import TestSupport

/// The content of a file; empty if it can't be read.
func contents(_ path: String) -> [UInt8] {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return [] }
    defer { close(file) }
    var all: [UInt8] = []
    while true {
        let chunk = [UInt8](unsafeUninitializedCapacity: 65536) { $1 = max(0, read(file, $0.baseAddress, $0.count)) }
        if chunk.isEmpty { return all }
        all += chunk
    }
}

func parentOf(_ pid: Int32) -> Int32? {
    let status = String(decoding: contents("/proc/\(pid)/status"), as: UTF8.self)
    let line = status.split(separator: "\n").first { $0.hasPrefix("PPid:") }
    return line.flatMap { Int32($0.dropFirst(5).drop { $0 == "\t" }) }
}

/// The processes that were started with `entry` in their environment.
func processes(withEnvironment entry: String) -> [Int32] {
    guard let folder = opendir("/proc") else { return [] }
    defer { closedir(folder) }
    var found: [Int32] = []
    while let next = readdir(folder) {
        let name = withUnsafeBytes(of: next.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        guard let pid = Int32(name) else { continue }
        let entries = contents("/proc/\(pid)/environ").split(separator: 0)
        if entries.contains(where: { $0.elementsEqual(entry.utf8) }) { found.append(pid) }
    }
    return found
}

/// Creates an empty directory, which the caller must remove.
func temporaryDirectory(_ name: String) throws -> String {
    var template = Array("/tmp/berth-\(name)-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw MissingPart("/tmp") }
    return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
