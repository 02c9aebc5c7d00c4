#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Request {
    /// full name, e.g. "berth.v1.Pool"
    #[prost(string, tag="1")]
    pub service: ::prost::alloc::string::String,
    /// e.g. "Acquire"
    #[prost(string, tag="2")]
    pub method: ::prost::alloc::string::String,
    /// the encoded request message
    #[prost(bytes="bytes", tag="3")]
    pub payload: ::prost::bytes::Bytes,
    /// time left for the call in nanoseconds; 0: no deadline
    #[prost(int64, tag="4")]
    pub timeout_nano: i64,
    #[prost(message, repeated, tag="5")]
    pub metadata: ::prost::alloc::vec::Vec<KeyValue>,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Response {
    /// left out on success
    #[prost(message, optional, tag="1")]
    pub status: ::core::option::Option<Status>,
    /// the encoded response message
    #[prost(bytes="bytes", tag="2")]
    pub payload: ::prost::bytes::Bytes,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct KeyValue {
    #[prost(string, tag="1")]
    pub key: ::prost::alloc::string::String,
    #[prost(string, tag="2")]
    pub value: ::prost::alloc::string::String,
}
/// google.rpc.Status, repeated here so that no other .proto file is needed.
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Status {
    /// gRPC's status codes
    #[prost(int32, tag="1")]
    pub code: i32,
    #[prost(string, tag="2")]
    pub message: ::prost::alloc::string::String,
    #[prost(message, repeated, tag="3")]
    pub details: ::prost::alloc::vec::Vec<Any>,
}
/// google.protobuf.Any.
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Any {
    #[prost(string, tag="1")]
    pub type_url: ::prost::alloc::string::String,
    #[prost(bytes="bytes", tag="2")]
    pub value: ::prost::bytes::Bytes,
}
/// google.rpc.ErrorInfo. It is in `details`, with the type URL "type.googleapis.com/google.rpc.ErrorInfo".
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ErrorInfo {
    /// UPPER_SNAKE_CASE; from Berth: the name of a berth.v1.ErrorReason
    #[prost(string, tag="1")]
    pub reason: ::prost::alloc::string::String,
    /// who defines the reason: "berth.dev"
    #[prost(string, tag="2")]
    pub domain: ::prost::alloc::string::String,
    #[prost(btree_map="string, string", tag="3")]
    pub metadata: ::prost::alloc::collections::BTreeMap<::prost::alloc::string::String, ::prost::alloc::string::String>,
}
