// SPDX-License-Identifier: Apache-2.0

@testable import Hardening

/// Runs a filter of system calls as the kernel does: classic BPF, of which it takes a part only.
struct ClassicBPF {
    struct Fault: Error {
        var at: Int
        var what: String
    }

    let instructions: [SeccompProgram.Instruction]

    init(_ program: SeccompProgram) {
        instructions = program.instructions
    }

    /// An array of `struct sock_filter`.
    init(bytes: [UInt8]) throws {
        guard !bytes.isEmpty, bytes.count % 8 == 0 else { throw Fault(at: bytes.count, what: "not whole instructions") }
        instructions = stride(from: 0, to: bytes.count, by: 8).map { at in
            SeccompProgram.Instruction(
                code: UInt16(bytes[at]) | UInt16(bytes[at + 1]) << 8, jumpIfTrue: bytes[at + 2],
                jumpIfFalse: bytes[at + 3],
                value: (0..<4).reduce(0) { $0 | UInt32(bytes[at + 4 + $1]) << UInt32($1 * 8) })
        }
    }

    /// What the filter returns for a call.
    func decide(_ number: UInt32, architecture: UInt32, _ arguments: [UInt64]) throws -> UInt32 {
        var accumulator: UInt32 = 0
        var at = 0
        while at < instructions.count {
            let instruction = instructions[at]
            let value = instruction.value
            at += 1
            func jump(_ holds: Bool) { at += Int(holds ? instruction.jumpIfTrue : instruction.jumpIfFalse) }
            switch instruction.code {
            case 0x20: accumulator = try word(value, number, architecture, arguments, at)
            case 0x54: accumulator &= value
            case 0x05: at += Int(value)
            case 0x15: jump(accumulator == value)
            case 0x25: jump(accumulator > value)
            case 0x35: jump(accumulator >= value)
            case 0x45: jump(accumulator & value != 0)
            case 0x06: return value
            case let code: throw Fault(at: at, what: "unknown instruction \(code)")
            }
        }
        throw Fault(at: at, what: "the program ends without a verdict")
    }

    /// Four bytes of `struct seccomp_data`.
    private func word(
        _ offset: UInt32, _ number: UInt32, _ architecture: UInt32, _ arguments: [UInt64], _ at: Int
    ) throws -> UInt32 {
        switch offset {
        case 0: return number
        case 4: return architecture
        case 16..<64 where offset % 4 == 0:
            let argument = arguments[Int(offset - 16) / 8]
            return UInt32(truncatingIfNeeded: offset % 8 == 0 ? argument : argument >> 32)
        default: throw Fault(at: at, what: "load from \(offset)")
        }
    }
}
