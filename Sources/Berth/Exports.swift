// SPDX-License-Identifier: Apache-2.0

// The messages that users of the client see, by name, so that `import Berth` is all they need. Requests, the codec
// and what server and agent tell each other are not among them.

// What comes of a program
@_exported public import struct BerthSchema.Display
@_exported public import struct BerthSchema.Dropped
@_exported public import enum BerthSchema.EndCause
@_exported public import struct BerthSchema.Ended
@_exported public import enum BerthSchema.ExecuteEvent
@_exported public import struct BerthSchema.ExecutionInfo
@_exported public import struct BerthSchema.Failure
@_exported public import struct BerthSchema.LeftOut
@_exported public import struct BerthSchema.MimeData
@_exported public import struct BerthSchema.Output
@_exported public import enum BerthSchema.OutputPolicy
@_exported public import enum BerthSchema.OutputStream
@_exported public import struct BerthSchema.Prompt
@_exported public import enum BerthSchema.StartFailure
@_exported public import struct BerthSchema.Started
@_exported public import struct BerthSchema.Terminal
@_exported public import enum BerthSchema.Unwatched
@_exported public import struct BerthSchema.Usage

// Contexts
@_exported public import struct BerthSchema.CompleteResponse
@_exported public import struct BerthSchema.ContextInfo
@_exported public import struct BerthSchema.InspectResponse

// Files and names that may be no UTF-8
@_exported public import struct BerthSchema.FileInfo
@_exported public import enum BerthSchema.FileType
@_exported public import struct BerthSchema.SystemString
@_exported public import protocol BerthSchema.SystemText

// The server and its pools
@_exported public import enum BerthSchema.BreakerState
@_exported public import struct BerthSchema.HelloResponse
@_exported public import struct BerthSchema.Member
@_exported public import enum BerthSchema.MemberState
@_exported public import struct BerthSchema.PoolStats
@_exported public import struct BerthSchema.QuotaLimit
@_exported public import struct BerthSchema.TenantQuota
@_exported public import struct BerthSchema.StatsResponse
