// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import TestSupport

@testable import FileTree

@Suite("Archives with sparse files in them")
struct SparseArchiveTests {
    /// Sparse files, one of them with more extents than a header has room for, and other files between them.
    private static let tree = """
        import os
        os.mkdir('tree')
        def sparse(name, size, pieces):
            with open('tree/' + name, 'wb') as f:
                for offset, data in pieces: f.seek(offset); f.write(data)
                f.truncate(size)
        sparse('a-front', 3 << 20, [(0, b'x' * 70000)])
        sparse('b-end', (5 << 20) + 3, [((5 << 20), b'end')])
        sparse('c-nothing', 7 << 20, [])
        sparse('d-' + 'long' * 60, 2 << 20, [(1 << 20, b'y' * 512)])
        sparse('e-many', 40 << 20, [(i * (200 << 10), b'%06d' % i * 1000) for i in range(150)])
        open('tree/f', 'w').write('what follows is read right')
        """

    @Test(
        "E28: sparse files of every format of GNU tar's, and of Python's users, are read as they are, and stay sparse",
        arguments: ["gnu", "0.0", "0.1", "1.0"])
    func formats(_ format: String) throws {
        let here = try Scratch()
        try here.python(Self.tree)
        let flags = format == "gnu" ? ["--format=gnu"] : ["--format=posix", "--sparse-version=\(format)"]
        let archive = try here.run(
            ["tar", "--sparse", "--hole-detection=raw"] + flags + ["-C", "tree", "--sort=name", "-c", "."])
        #expect(archive.count < 3 << 20)
        try here.unpack(archive, into: "out")
        #expect(try here.names("out") == here.names("tree"))
        let describe = """
            import os, hashlib
            for name in sorted(os.listdir('out')):
                data = open('out/' + name, 'rb').read()
                assert data == open('tree/' + name, 'rb').read(), name
                used = os.stat('out/' + name).st_blocks * 512
                print(used < len(data) // 4 + 65536)
            """
        #expect(try here.python(describe) == String(repeating: "True\n", count: 6))
    }

    @Test("E28: a hole of four terabytes takes no time")
    func largeHole() throws {
        let here = try Scratch()
        // The directory is on a file system for which that is not too large.
        try here.python("import os; os.mkdir('in')")
        let archive = try Self.archive(
            in: here,
            "{'GNU.sparse.map': '4398046511104,1', 'GNU.sparse.size': '4398046511105', 'GNU.sparse.name': 'it'}")
        let reader = TarReader.reading(archive)
        let entry = try #require(try reader.next())
        #expect(entry.name == Array("it".utf8))
        #expect(entry.size == 4_398_046_511_105)
        #expect(reader.skipHole() == 4_398_046_511_104)
        let byte = UnsafeMutableRawBufferPointer.allocate(byteCount: 8, alignment: 1)
        defer { byte.deallocate() }
        #expect(try reader.read(into: byte) == 1)
        #expect(byte[0] == UInt8(ascii: "x"))
        #expect(reader.skipHole() == 0)
        #expect(try reader.read(into: byte) == 0)
        #expect(try reader.next() == nil)
        let began = ContinuousClock.now
        try here.unpack(archive, into: "in")
        #expect(ContinuousClock.now - began < .seconds(5))
        #expect(
            try here.python("import os; s = os.stat('in/it'); print(s.st_size, s.st_blocks < 64)")
                == "4398046511105 True\n")
    }

    @Test(
        "E28: holes that make no sense are refused in words",
        arguments: [
            "{'GNU.sparse.map': '0,1'}", "{'GNU.sparse.map': '0,2', 'GNU.sparse.size': '9'}",
            "{'GNU.sparse.map': '9,1', 'GNU.sparse.size': '9'}", "{'GNU.sparse.map': '0,1,0', 'GNU.sparse.size': '9'}",
            "{'GNU.sparse.map': '-1,1', 'GNU.sparse.size': '9'}", "{'GNU.sparse.map': 'x,1', 'GNU.sparse.size': '9'}",
            "{'GNU.sparse.map': '8,0,0,1', 'GNU.sparse.size': '9'}", "{'GNU.sparse.size': '9'}",
            "{'GNU.sparse.map': '0,1', 'GNU.sparse.size': '9223372036854775808'}",
            "{'GNU.sparse.map': '18446744073709551615,1', 'GNU.sparse.size': '9'}",
            "{'GNU.sparse.map': '0,1', 'GNU.sparse.size': '99999999999999999999'}",
            "{'GNU.sparse.numbytes': '1', 'GNU.sparse.offset': '0', 'GNU.sparse.size': '9'}",
            "{'GNU.sparse.major': '1', 'GNU.sparse.minor': '0', 'GNU.sparse.realsize': '9'}",
        ])
    func damaged(_ headers: String) throws {
        let here = try Scratch()
        let archive = try Self.archive(in: here, headers)
        let error = #expect(throws: FileError.self) { try here.unpack(archive, into: "in") }
        #expect(error?.reason == .badArchive)
        #expect(error?.message.contains("holes") == true, "\(error?.message ?? "")")
        #expect(try here.names("in") == [])
    }

    @Test("E28: a format of sparse files that is not known is said to be that")
    func unknown() throws {
        let here = try Scratch()
        let archive = try Self.archive(in: here, "{'GNU.sparse.major': '2', 'GNU.sparse.minor': '0'}")
        let error = #expect(throws: FileError.self) { try here.unpack(archive, into: "in") }
        #expect(error?.message == "it: is stored as a sparse file in an unknown format")
    }

    @Test(
        "1000 damaged archives with sparse files are read or refused, and nothing else",
        arguments: ["gnu", "0.1", "1.0"])
    func fuzz(_ format: String) throws {
        let here = try Scratch()
        try here.python(Self.tree)
        let flags = format == "gnu" ? ["--format=gnu"] : ["--format=posix", "--sparse-version=\(format)"]
        let archive = try here.run(
            ["tar", "--sparse", "--hole-detection=raw"] + flags + [
                "-C", "tree", "--sort=name", "-c", "d-" + String(repeating: "long", count: 60), "e-many", "c-nothing",
                "b-end",
            ])
        let seed = UInt64.random(in: .min ... .max)
        print("sparse archives seed \(seed)")
        var random = SeededGenerator(seed: seed)
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)
        defer { room.deallocate() }
        var entries = 0
        for _ in 0..<1000 {
            var bytes = Array(archive.prefix(64 << 10))
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                bytes[Int.random(in: 0..<min(16 << 10, bytes.count), using: &random)] = UInt8.random(
                    in: 0...255, using: &random)
            }
            for start in stride(from: 0, to: bytes.count - 511, by: 512) where bytes[start + 257] == UInt8(ascii: "u") {
                let sum = Tar.sums(bytes[start..<start + 512]).0
                bytes.replaceSubrange(start + 148..<start + 155, with: Tar.octal(sum, size: 7) ?? [])
            }
            let reader = TarReader.reading(bytes, step: Int.random(in: 1...9000, using: &random))
            do throws(FileError) {
                while let entry = try reader.next() {
                    entries += 1
                    var size: UInt64 = 0
                    while true {
                        size += reader.skipHole()
                        let count = try reader.read(into: room)
                        if count == 0 { break }
                        size += UInt64(count)
                    }
                    #expect(size == entry.size)
                }
            } catch {
                #expect(error.code == .invalidArgument)
            }
        }
        #expect(entries > 100)
    }

    /// An archive of one file with the byte "x" and this pax header.
    private static func archive(in here: Scratch, _ headers: String) throws -> [UInt8] {
        try here.run(
            [
                "python3", "-c",
                "import tarfile, sys, io; t = tarfile.open(fileobj=sys.stdout.buffer, mode='w|', "
                    + "format=tarfile.PAX_FORMAT); i = tarfile.TarInfo('it'); i.size = 1; i.pax_headers = \(headers); "
                    + "t.addfile(i, io.BytesIO(b'x')); t.close()",
            ])
    }
}
