// SPDX-License-Identifier: Apache-2.0

import Pool
import Testing

@testable import Hardening

@Suite("The compiled filter of system calls, beside libseccomp's for the same profile")
struct SeccompProgramTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var architecture: SeccompArchitecture
        var allowsInotify: Bool

        var profile: SeccompProfile { SeccompProfile(allowsInotify: allowsInotify, architecture: architecture) }
        var testDescription: String { "\(architecture), \(allowsInotify ? "with" : "without") inotify" }
    }

    private static let cases = SeccompArchitecture.allCases.flatMap { architecture in
        [true, false].map { Case(architecture: architecture, allowsInotify: $0) }
    }

    /// Families, protocols, personalities, flags of clone one by one, and what differs from these in the upper half alone.
    private static let values: [UInt64] =
        [
            0, 1, 2, 3, 6, 8, 10, 16, 17, 40, 58, 0x11, 0x7E02_0000, 0x2_0008, 0x4_0000, 0xFFFF_FFFF, 0x1_0000_0000,
            0x1_0000_0001, 0x1_0000_0002, 0xFFFF_FFFF_0000_0000, .max,
        ] + (7..<34).map { 1 << $0 }

    /// Every number that a call may have, the next ones, those with the x32 bit, and the corners.
    private static let numbers: [UInt32] =
        Array(0...600) + (0...600).map { 0x4000_0000 | $0 } + [
            0x3FFF_FFFF, 0x7FFF_FFFF, 0x8000_0000, 0x8000_0001, 0xBFFF_FFFF, 0xC000_0000, 0xC000_0027, 0xFFFF_FFFE,
            0xFFFF_FFFF,
        ]

    /// What runc's filter returns: libseccomp's, behind runc's own check for numbers that are too high.
    private struct Reference {
        var filter: ClassicBPF
        var highest: UInt32
        /// Calls that this libseccomp doesn't know, so that its filter refuses them, with our verdict.
        var unknown: [UInt32: UInt32]
        var architecture: SeccompArchitecture

        init(_ profile: SeccompProfile, _ architecture: SeccompArchitecture, _ made: LibseccompFilter) throws {
            filter = try ClassicBPF(bytes: made.program)
            unknown = [:]
            for name in made.unknown {
                if let number = architecture.numbers[name] { unknown[number] = SeccompVerdict.allow }
            }
            highest = max(made.highest, unknown.keys.max() ?? 0)
            self.architecture = architecture
        }

        func decide(_ number: UInt32, architecture: UInt32, _ arguments: [UInt64]) throws -> UInt32 {
            if architecture == self.architecture.audit {
                let isX32 = self.architecture == .x86_64 && number & 0x4000_0000 != 0
                if number > highest, !isX32 { return SeccompVerdict.fail(38) }
                if let verdict = unknown[number] { return verdict }
            }
            return try filter.decide(number, architecture: architecture, arguments)
        }
    }

    @Test("every call is decided as libseccomp's filter decides it, whatever its arguments", arguments: cases)
    func sameVerdicts(_ tested: Case) throws {
        let (profile, architecture) = (tested.profile, tested.architecture)
        let ours = ClassicBPF(SeccompProgram(profile, for: architecture))
        let reference = try Reference(profile, architecture, try LibseccompFilter.make(profile))
        let conditional = Set(["clone", "socket", "socketpair", "personality"].compactMap { architecture.numbers[$0] })
        var seen = Set<UInt32>()
        var different: [String] = []
        for number in Self.numbers {
            for first in Self.values {
                for third in conditional.contains(number) ? Self.values : [0] {
                    let arguments = [first, first ^ 5, third, 0, first &* 7, .max]
                    let mine = try ours.decide(number, architecture: architecture.audit, arguments)
                    let theirs = try reference.decide(number, architecture: architecture.audit, arguments)
                    seen.insert(mine)
                    if mine != theirs { different.append("\(number)(\(arguments)): \(mine), libseccomp: \(theirs)") }
                }
            }
        }
        #expect(different == [], "\(different.count)")
        var verdicts: Set = [SeccompVerdict.allow]
        verdicts.formUnion([1, 38, 95].map { SeccompVerdict.fail($0) })
        if architecture == .x86_64 { verdicts.insert(SeccompVerdict.killThread) }
        #expect(seen == verdicts)
    }

    @Test("calls of every other architecture are refused as libseccomp refuses them", arguments: cases)
    func otherArchitectures(_ tested: Case) throws {
        let (profile, architecture) = (tested.profile, tested.architecture)
        let ours = ClassicBPF(SeccompProgram(profile, for: architecture))
        let reference = try Reference(profile, architecture, try LibseccompFilter.make(profile))
        // i386, arm, x86-64, arm64, riscv64, none
        for other: UInt32 in [0x4000_0003, 0x4000_0028, 0xC000_003E, 0xC000_00B7, 0xC000_00F3, 0]
        where other != architecture.audit {
            for number in Self.numbers {
                let mine = try ours.decide(number, architecture: other, [0, 0, 0, 0, 0, 0])
                #expect(mine == SeccompVerdict.killThread)
                #expect(try mine == reference.decide(number, architecture: other, [0, 0, 0, 0, 0, 0]))
            }
        }
    }

    @Test("every name has the number that libseccomp knows for it", arguments: SeccompArchitecture.allCases)
    func numbers(_ architecture: SeccompArchitecture) throws {
        let known = try LibseccompFilter.make(SeccompProfile(architecture: architecture))
        var ours = architecture.numbers
        // What is newer than this libseccomp.
        ours = ours.filter { known.numbers[$0.key] != nil || $0.value <= known.numbers.values.max() ?? 0 }
        #expect(ours == known.numbers.filter { $0.value <= architecture.numbers.values.max() ?? 0 })
        #expect(ours.count > 300)
    }

    /// The names are those of Berth's own list: a mistyped one would be left out in silence by every runtime.
    @Test("every name of the profile is a system call of some architecture that libseccomp or this table knows")
    func names() throws {
        for architecture in SeccompArchitecture.allCases {
            let made = try LibseccompFilter.make(SeccompProfile(architecture: architecture))
            #expect(made.unknown.filter { architecture.numbers[$0] == nil } == [])
        }
    }

    @Test("the kernel takes the program, and refuses what it refuses")
    func inTheKernel() throws {
        let architecture = try #require(SeccompArchitecture.native)
        let program = SeccompProgram(SeccompProfile(), for: architecture)
        let numbers = ["getpid", "unshare", "vmsplice", "clone3"].compactMap { architecture.numbers[$0] } + [500]
        let script = """
            import ctypes, errno, sys
            code = bytes.fromhex(sys.argv[1])
            libc = ctypes.CDLL(None, use_errno=True)
            class Program(ctypes.Structure):
                _fields_ = [("count", ctypes.c_ushort), ("code", ctypes.c_char_p)]
            assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
            assert libc.prctl(22, 2, ctypes.byref(Program(len(code) // 8, code))) == 0, ctypes.get_errno()
            for number in sys.argv[2:]:
                ctypes.set_errno(0)
                print("ok" if libc.syscall(int(number), 0, 0, 0, 0) >= 0 else errno.errorcode[ctypes.get_errno()])
            """
        let hex = program.bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
        #expect(program.bytes.count == program.instructions.count * 8)
        #expect(try Python.run(script, [hex] + numbers.map(String.init)) == "ok\nEPERM\nEPERM\nENOSYS\nENOSYS\n")
    }
}
