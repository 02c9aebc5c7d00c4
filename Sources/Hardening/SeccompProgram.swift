// SPDX-License-Identifier: Apache-2.0

/// The filter of system calls as the kernel takes it: a program in classic BPF, compiled from the same profile that runc and
/// engines get as JSON.
///
/// It decides as runc's filter does, which is libseccomp's with a prefix. Of another architecture's system calls, those with
/// the x32 bit included, none is made: the thread is killed. A call with a higher number than any of the profile fails with
/// ENOSYS and not with the default's EPERM, so that programs take a call that is newer than the profile for one that this
/// kernel does not have. (What "any of the profile" is depends on the names that runc's libseccomp knows; here all are known.)
package struct SeccompProgram: Sendable, Equatable {
    /// The kernel's `struct sock_filter`.
    package struct Instruction: Sendable, Equatable {
        package var code: UInt16
        package var jumpIfTrue: UInt8 = 0
        package var jumpIfFalse: UInt8 = 0
        package var value: UInt32
    }

    /// The program; never more than the kernel's limit of 4096.
    package let instructions: [Instruction]

    /// The array of `struct sock_filter` in this machine's byte order.
    package var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(instructions.count * 8)
        for instruction in instructions {
            withUnsafeBytes(of: instruction.code) { bytes += $0 }
            bytes += [instruction.jumpIfTrue, instruction.jumpIfFalse]
            withUnsafeBytes(of: instruction.value) { bytes += $0 }
        }
        return bytes
    }

    /// - Parameters:
    ///   - profile: of this architecture alone.
    ///   - architecture: that of the programs, which is the kernel's.
    package init(_ profile: SeccompProfile, for architecture: SeccompArchitecture) {
        precondition(profile.architectures == [architecture], "a program is for the one architecture of its profile")
        let stretches = SeccompStretches(profile, for: architecture).all
        instructions =
            [
                .load(SeccompData.architecture), .jump(.equal, architecture.audit, ifTrue: 1, ifFalse: 0),
                .end(SeccompVerdict.killThread), .load(SeccompData.number),
            ] + Self.search(stretches[...])
        precondition(instructions.count <= 4096)
    }

    /// A balanced tree of comparisons, at whose leaves the stretches' own code stands.
    private static func search(_ stretches: ArraySlice<SeccompStretches.Stretch>) -> [Instruction] {
        if stretches.count == 1, let only = stretches.first { return only.code }
        let middle = stretches.startIndex + stretches.count / 2
        let below = search(stretches[..<middle])
        let above = search(stretches[middle...])
        // A conditional jump reaches 255 instructions, the other one any.
        guard let distance = UInt8(exactly: below.count) else {
            let far: [Instruction] = [
                .jump(.atLeast, stretches[middle].first, ifTrue: 0, ifFalse: 1), .jump(by: UInt32(below.count)),
            ]
            return far + below + above
        }
        return [.jump(.atLeast, stretches[middle].first, ifTrue: distance, ifFalse: 0)] + below + above
    }
}

/// Offsets in the kernel's `struct seccomp_data`.
enum SeccompData {
    static let number: UInt32 = 0
    static let architecture: UInt32 = 4

    /// The lower half of an argument; both architectures have it first.
    static func low(_ argument: UInt32) -> UInt32 { 16 + 8 * argument }
    static func high(_ argument: UInt32) -> UInt32 { low(argument) + 4 }
}

/// What a filter returns.
enum SeccompVerdict {
    static let killThread: UInt32 = 0
    static let allow: UInt32 = 0x7FFF_0000

    static func fail(_ errno: UInt32) -> UInt32 { 0x0005_0000 | errno }
}

extension SeccompProgram.Instruction {
    enum Comparison: UInt16 {
        /// BPF_JMP | BPF_JEQ | BPF_K
        case equal = 0x15
        /// BPF_JMP | BPF_JGE | BPF_K
        case atLeast = 0x35
    }

    /// BPF_LD | BPF_W | BPF_ABS
    static func load(_ offset: UInt32) -> Self { Self(code: 0x20, value: offset) }

    /// BPF_ALU | BPF_AND | BPF_K
    static func mask(_ bits: UInt32) -> Self { Self(code: 0x54, value: bits) }

    /// BPF_RET | BPF_K
    static func end(_ verdict: UInt32) -> Self { Self(code: 0x06, value: verdict) }

    /// BPF_JMP | BPF_JA
    static func jump(by distance: UInt32) -> Self { Self(code: 0x05, value: distance) }

    static func jump(_ comparison: Comparison, _ value: UInt32, ifTrue: UInt8, ifFalse: UInt8) -> Self {
        Self(code: comparison.rawValue, jumpIfTrue: ifTrue, jumpIfFalse: ifFalse, value: value)
    }
}
