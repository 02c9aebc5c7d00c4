// SPDX-License-Identifier: Apache-2.0

import BerthSchema
import Foundation
import Glibc
import Testing

@testable import FileTree

@Suite("Files that the kernel makes as they are read, and the names of errors")
struct KernelFileTests {
    @Test("E28: a file of /proc, whose size is said to be 0, is packed with all that is in it")
    func file() throws {
        let here = try Scratch()
        let raw = open("/proc/version", O_RDONLY)
        try #require(raw >= 0)
        let file = File(adopting: raw)
        #expect(file.status.st_size == 0)
        let bytes = Collected()
        var packer = Packer { bytes.all += $0 }
        try packer.pack(file, file.status, name: Array("version".utf8))
        try here.unpack(bytes.all, into: "out")
        #expect(try here.python("print(open('out/version').read() == open('/proc/version').read() != '')") == "True\n")
    }

    @Test("E28: a directory of /proc, whose files have no size, is packed with all that is in them")
    func directory() throws {
        let here = try Scratch()
        let bytes = Collected()
        var packer = Packer { bytes.all += $0 }
        try packer.pack(try Directory(path: Array("/proc/sys/kernel/random".utf8)), path: "random")
        try here.unpack(bytes.all, into: "out")
        #expect(
            try here.python(
                "import os; print(all(os.path.getsize('out/' + n) for n in os.listdir('/proc/sys/kernel/random')))")
                == "True\n")
        #expect(
            try here.python(
                "r = '/proc/sys/kernel/random/boot_id'; print(open('out/boot_id').read() == open(r).read())")
                == "True\n"
        )
    }

    @Test("E28: one that is longer than what is held of it is refused in words")
    func tooLong() throws {
        let raw = open("/proc/self/pagemap", O_RDONLY)
        try #require(raw >= 0)
        let file = File(adopting: raw)
        var packer = Packer { _ in }
        let error = #expect(throws: FileError.self) {
            try packer.pack(file, file.status, name: Array("pagemap".utf8))
        }
        #expect(error?.code == .resourceExhausted)
        #expect(
            error?.message
                == "pagemap: is made by the kernel and longer than 16 MiB: read it with a program, or in parts")
    }

    @Test("H40: what is said of files has the numbers and names that the contract has, all of them")
    func reasons() {
        let own = FileError.Reason.allCases.map { "\($0) \($0.rawValue)" }
        // From 20 on, reasons are of leases and executions.
        let contract = ErrorReason.allCases.filter { $0.rawValue < 20 }.map { "\($0) \($0.rawValue)" }
        #expect(own == contract)
    }
}
