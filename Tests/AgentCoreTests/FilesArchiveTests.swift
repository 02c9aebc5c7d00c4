// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import TestSupport

@testable import FileTree

@Suite("Archives, in and out of a directory")
struct FilesArchiveTests {
    @Test(
        "what GNU tar and Python write is unpacked as they mean it",
        arguments: ["gnu", "pax", "ustar", "python-gnu", "python-pax"])
    func reading(_ format: String) throws {
        let here = try Scratch()
        try here.python(Scratch.tree)
        let archive: [UInt8]
        if format.hasPrefix("python") {
            let kind = format == "python-gnu" ? "GNU_FORMAT" : "PAX_FORMAT"
            archive = try here.run(
                [
                    "python3", "-c",
                    "import tarfile, sys; t = tarfile.open(fileobj=sys.stdout.buffer, mode='w|', "
                        + "format=tarfile.\(kind)); t.add('tree', '.'); t.close()",
                ])
        } else {
            // ustar has no place for names that long.
            let limits = format == "ustar" ? ["--exclude=*long*"] : []
            archive = try here.run(["tar", "--format=\(format)", "-C", "tree"] + limits + ["-c", "."])
            if format == "ustar" { try here.python("import shutil; shutil.rmtree('tree/long')") }
        }
        try here.unpack(archive, into: "out")
        // Of GNU's and the old format, whole seconds are all there is.
        let digits = format.hasSuffix("pax") ? 6 : 0
        #expect(try here.python(Scratch.describe("out", digits)) == here.python(Scratch.describe("tree", digits)))
    }

    @Test("what is packed here, GNU tar and Python unpack, and so does this")
    func writing() throws {
        let here = try Scratch()
        try here.python(Scratch.tree)
        let archive = try here.pack("tree")
        #expect(archive.count % 512 == 0)
        try here.run(["sh", "-c", "mkdir gnu && tar -C gnu -xp"], input: archive)
        try here.run(
            [
                "python3", "-c",
                "import tarfile, sys; tarfile.open(fileobj=sys.stdin.buffer, mode='r|').extractall('python')",
            ],
            input: archive)
        try here.unpack(archive, into: "own")
        let expected = try here.python(Scratch.describe("tree", 6))
        #expect(try here.python(Scratch.describe("gnu", 6)) == expected)
        #expect(try here.python(Scratch.describe("python", 6)) == expected)
        #expect(try here.python(Scratch.describe("own", 6)) == expected)
    }

    @Test("sizes over 8 GiB, times before 1970 and names of 4000 bytes are said in pax, and read again")
    func extremes() throws {
        let name = Array(String(repeating: "directory/", count: 400).utf8) + [0xff, 0x0a]
        let entry = TarEntry(
            name: name, kind: .file, size: 9 << 30, mode: 0o644, modifiedSeconds: -2, modifiedNanoseconds: 250_000_000)
        let bytes = Collected()
        var writer = TarWriter { bytes.all += $0 }
        try writer.begin(entry)
        // As if some content had come.
        try [UInt8](repeating: 0, count: 70_000).withUnsafeBytes { try writer.write($0) }
        let reader = TarReader.reading(bytes.all)
        let back = try reader.next()
        #expect(back == entry)
        let here = try Scratch()
        let said = try here.run(
            [
                "python3", "-c",
                "import tarfile, sys; t = tarfile.open(fileobj=sys.stdin.buffer, mode='r|').next(); "
                    + "print(t.size, t.mtime, len(t.name))",
            ], input: bytes.all)
        #expect(String(decoding: said, as: UTF8.self) == "9663676416 -1.75 4002\n")
    }

    @Test(
        "an entry that leads outside ends it, and leaves nothing outside",
        arguments: [
            "../x", "/tmp/x", "a/../../x", "..", "link/x", "link/deeper/x", "absolute/x", "inner/up/x",
        ])
    func outside(_ name: String) throws {
        let here = try Scratch()
        let script = """
            import tarfile, sys, io
            t = tarfile.open(fileobj=sys.stdout.buffer, mode='w|')
            def link(n, to):
                i = tarfile.TarInfo(n); i.type = tarfile.SYMTYPE; i.linkname = to; t.addfile(i)
            link('link', '../outside'); link('absolute', '\(here.path)/outside')
            i = tarfile.TarInfo('inner'); i.type = tarfile.DIRTYPE; i.mode = 0o755; t.addfile(i)
            link('inner/up', '../../outside')
            i = tarfile.TarInfo('\(name)'); i.size = 1; t.addfile(i, io.BytesIO(b'x')); t.close()
            """
        try here.python("import os; os.mkdir('outside')")
        let error = #expect(throws: FileError.self) {
            try here.unpack(here.run(["python3", "-c", script]), into: "in")
        }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message.contains("outside") == true, "\(error?.message ?? "")")
        #expect(try here.names("outside") == [])
        #expect(try here.names("") == ["in", "outside"])
        #expect(try here.names("in") == ["absolute", "inner", "link"])
    }

    @Test("hard links lead to what is inside, and nowhere else")
    func hardLinks() throws {
        let here = try Scratch()
        try here.python("open('secret', 'w').write('s')")
        for target in ["../secret", "\(here.path)/secret", "way/secret", "nothing"] {
            let script = """
                import tarfile, sys
                t = tarfile.open(fileobj=sys.stdout.buffer, mode='w|')
                i = tarfile.TarInfo('way'); i.type = tarfile.SYMTYPE; i.linkname = '..'; t.addfile(i)
                i = tarfile.TarInfo('h'); i.type = tarfile.LNKTYPE; i.linkname = '\(target)'; t.addfile(i); t.close()
                """
            let archive = try here.run(["python3", "-c", script])
            #expect(throws: FileError.self, "\(target)") { try here.unpack(archive, into: "in") }
            #expect(try here.names("in") == ["way"])
        }
    }

    @Test(
        "devices and pipes are refused, set-user-ID bits dropped, files replaced, a file in place of a directory refused"
    )
    func kinds() throws {
        let here = try Scratch()
        for kind in ["CHRTYPE", "BLKTYPE", "FIFOTYPE", "CONTTYPE"] {
            let archive = try here.run(
                [
                    "python3", "-c",
                    "import tarfile, sys; t = tarfile.open(fileobj=sys.stdout.buffer, mode='w|'); "
                        + "i = tarfile.TarInfo('it'); i.type = tarfile.\(kind); t.addfile(i); t.close()",
                ])
            if kind == "CONTTYPE" {
                try here.unpack(archive, into: "in")
            } else {
                let error = #expect(throws: FileError.self) { try here.unpack(archive, into: "in") }
                #expect(error?.code == .invalidArgument)
                #expect(error?.message.hasPrefix("it: is a") == true)
            }
        }
        let archive = try here.run(
            [
                "python3", "-c",
                "import tarfile, sys, io; t = tarfile.open(fileobj=sys.stdout.buffer, mode='w|'); "
                    + "i = tarfile.TarInfo('it'); i.mode = 0o6755; i.uid = i.gid = 77; i.size = 3; "
                    + "t.addfile(i, io.BytesIO(b'new')); t.close()",
            ])
        try here.python(
            "import os; os.mkdir('in', 0o755) if not os.path.exists('in') else 0; open('in/it', 'w').write('old')")
        try here.unpack(archive, into: "in")
        #expect(
            try here.python("import os; s = os.stat('in/it'); print(oct(s.st_mode), s.st_uid, open('in/it').read())")
                == "0o100755 \(getuid()) new\n")
        try here.python("import os; os.remove('in/it'); os.mkdir('in/it')")
        let error = #expect(throws: FileError.self) { try here.unpack(archive, into: "in") }
        #expect(error?.code == .failedPrecondition)
        #expect(try here.names("in") == ["it"])
    }

    @Test("what is no archive, is damaged or ends early is told, in words")
    func damaged() throws {
        let here = try Scratch()
        try here.python("import os; os.mkdir('tree'); open('tree/f', 'w').write('x' * 3000)")
        let archive = try here.pack("tree")
        let gzip = try here.run(["gzip", "-c"], input: archive)
        var flipped = archive
        flipped[2 * 512 + 10] ^= 1
        let cases: [([UInt8], String)] = [
            ([], "not a tar archive"), (Array("hello".utf8), "not a tar archive"),
            ([UInt8](repeating: 65, count: 1024), "not a tar archive"), (gzip, "compressed"),
            (Array(archive.prefix(4096)), "ends in the middle of f"),
            (Array(archive.prefix(700)), "ends in the middle"),
            (flipped, "checksum"),
        ]
        for (bytes, words) in cases {
            let error = #expect(throws: FileError.self, "\(words)") { try here.unpack(bytes, into: "in") }
            #expect(error?.code == .invalidArgument)
            #expect(error?.message.contains(words) == true, "\(error?.message ?? "")")
            #expect(try here.names("in") == [])
        }
    }

    @Test("1000 damaged archives are read or refused, and nothing else")
    func fuzz() throws {
        let here = try Scratch()
        try here.python(Scratch.tree)
        let archive = Array(try here.pack("tree").prefix(24 << 10))
        let seed = UInt64.random(in: .min ... .max)
        print("archives seed \(seed)")
        var random = SeededGenerator(seed: seed)
        var entries = 0
        for _ in 0..<1000 {
            var bytes = archive
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            // Half of them with checksums that hold, so that it goes deeper.
            if Bool.random(using: &random) {
                for start in stride(from: 0, to: bytes.count, by: 512) where bytes[start + 257] == UInt8(ascii: "u") {
                    let sum = Tar.sums(bytes[start..<start + 512]).0
                    bytes.replaceSubrange(start + 148..<start + 155, with: Tar.octal(sum, size: 7) ?? [])
                }
            }
            bytes.removeLast(Int.random(in: 0...512, using: &random))
            let reader = TarReader.reading(bytes, step: Int.random(in: 1...9000, using: &random))
            do throws(FileError) {
                while try reader.next() != nil { entries += 1 }
            } catch {
                #expect(error.code == .invalidArgument)
            }
        }
        #expect(entries > 1000)
    }

    @Test("a program that swaps a directory for a link outside, again and again, gets nothing put there")
    func race() throws {
        let here = try Scratch()
        try here.python(
            "import os; os.makedirs('tree/way/in'); os.makedirs('in/way'); os.mkdir('outside'); "
                + "[open('tree/way/in/f%d' % i, 'w') for i in range(20)]")
        let archive = try here.pack("tree")
        // RENAME_EXCHANGE: there is always one of both.
        let swap =
            "import os, ctypes\nos.chdir('in')\nos.symlink('../outside', 'l')\nprint('on', flush=True)\n"
            + "c = ctypes.CDLL(None)\nwhile True: c.renameat2(-100, b'way', -100, b'l', 2)"
        let output = Pipe()
        let program = try ChildProcess(
            "/usr/bin/env", ["python3", "-c", swap], directory: here.path,
            output: output.fileHandleForWriting.fileDescriptor)
        defer {
            program.signal(SIGKILL)
            program.wait()
        }
        _ = output.fileHandleForReading.readData(ofLength: 3)
        let deadline = ContinuousClock.now + .seconds(60)
        var refused = 0
        while refused < 20, ContinuousClock.now < deadline {
            do throws(FileError) { try here.unpackBytes(archive, into: "in") } catch { refused += 1 }
        }
        #expect(refused == 20, "the race never took place")
        #expect(try here.names("outside") == [])
    }
}
