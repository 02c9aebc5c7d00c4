// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport

@testable import FileTree

final class Collected: @unchecked Sendable {
    var all: [UInt8] = []
}

extension TarReader {
    static func reading(_ bytes: [UInt8], step: Int = .max) -> TarReader {
        let rest = Collected()
        rest.all = bytes
        var start = 0
        return TarReader { buffer throws(FileError) in
            let count = min(buffer.count, step, rest.all.count - start)
            rest.all.withUnsafeBytes {
                buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[start..<start + count]))
            }
            start += count
            return count
        }
    }
}

/// A temporary directory, which is removed with this object.
final class Scratch {
    let path: String

    init() throws {
        path = "/tmp/berth-scratch-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func names(_ directory: String) throws -> [String] {
        guard FileManager.default.fileExists(atPath: "\(path)/\(directory)") else { return [] }
        return try FileManager.default.contentsOfDirectory(atPath: "\(path)/\(directory)").sorted()
    }

    @discardableResult
    func run(_ command: [String], input: [UInt8] = []) throws -> [UInt8] {
        let file = "\(path).input"
        defer { unlink(file) }
        try Data(input).write(to: URL(fileURLWithPath: file))
        let stored = try FileHandle(forReadingFrom: URL(fileURLWithPath: file))
        let output = Pipe()
        let program = try ChildProcess(
            "/usr/bin/env", command, directory: path, input: stored.fileDescriptor,
            output: output.fileHandleForWriting.fileDescriptor)
        try output.fileHandleForWriting.close()
        let bytes = [UInt8](output.fileHandleForReading.readDataToEndOfFile())
        guard program.wait() == 0 else { throw NeverHappened(description: "\(command) failed") }
        return bytes
    }

    @discardableResult
    func python(_ script: String) throws -> String {
        String(decoding: try run(["python3", "-c", script]), as: UTF8.self)
    }

    func pack(_ directory: String) throws -> [UInt8] {
        let bytes = Collected()
        var packer = Packer { bytes.all += $0 }
        try packer.pack(try Directory(path: Array("\(path)/\(directory)".utf8)), path: directory)
        return bytes.all
    }

    func unpack(_ archive: [UInt8], into directory: String) throws {
        try FileManager.default.createDirectory(atPath: "\(path)/\(directory)", withIntermediateDirectories: true)
        try unpackBytes(archive, into: directory)
    }

    func unpackBytes(_ archive: [UInt8], into directory: String) throws(FileError) {
        var unpacker = Unpacker(into: try Directory(path: Array("\(path)/\(directory)".utf8)))
        try unpacker.unpack(TarReader.reading(archive))
    }

    /// Makes everything that is difficult for archives.
    static let tree = """
        import os
        os.umask(0)
        os.makedirs('tree/a/b', 0o755); os.makedirs('tree/locked', 0o755); os.makedirs('tree/long/' + 'd' * 120 + '/' + 'e' * 200, 0o755)
        def put(name, content, mode=0o644):
            with open(b'tree/' + name, 'wb') as f: f.write(content)
            os.chmod(b'tree/' + name, mode)
        put(b'empty', b''); put(b'run', b'#!/bin/sh', 0o755); put(b'a/b/big', os.urandom(300001), 0o600)
        put(b'block', b'x' * 512); put('a/w\\u00f6rter'.encode(), b'w'); put(b'a/new\\nline', b'n'); put(b'a/bad\\xff', b'b')
        put(b'long/' + b'd' * 120 + b'/' + b'e' * 200 + b'/' + b'f' * 250, b'far'); put(b'long/' + b'\\xfe' * 150, b'bytes')
        os.symlink('run', 'tree/link'); os.symlink('/usr/bin/env', 'tree/out'); os.symlink('t' * 300, 'tree/long/target')
        os.symlink('nowhere', 'tree/dangling'); os.link('tree/a/b/big', 'tree/hard')
        put(b'locked/inside', b'i'); os.chmod('tree/locked', 0o555)
        for base, names, files in os.walk(b'tree', topdown=False):
            for n in files + names: os.utime(os.path.join(base, n), ns=(0, 1500000000123456000), follow_symlinks=False)
        os.utime('tree', ns=(0, 1400000000000000000))
        """

    /// Describes each file of a tree on a line. Modification times have this many digits after the second.
    static func describe(_ tree: String, _ digits: Int) -> String {
        """
        import os, hashlib
        for base, names, files in os.walk(b'\(tree)'):
            names.sort()
            for n in sorted(files + names):
                p = os.path.join(base, n); s = os.lstat(p)
                link = os.readlink(p) if os.path.islink(p) else b''
                data = hashlib.sha256(open(p, 'rb').read()).hexdigest() if os.path.isfile(p) and not link else ''
                time = s.st_mtime_ns // 10 ** (9 - \(digits)) if not link else 0
                print(p[\(tree.utf8.count):], oct(s.st_mode), s.st_size if data else 0, s.st_nlink if data else 0, time, link, data)
        """
    }
}
