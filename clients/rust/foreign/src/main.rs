// SPDX-License-Identifier: Apache-2.0

//! Talks to the Berth server at `BERTH_SERVER` with containerd's `ttrpc` crate, which knows unary calls only: Hello,
//! Acquire, Renew, Stats, Release, and what becomes of a lease that is no more.

use std::error::Error;
use std::net::TcpStream;
use std::os::unix::io::IntoRawFd;

use pool::{
    AcquireRequest, AcquireResponse, HelloRequest, HelloResponse, ReleaseRequest, ReleaseResponse, RenewRequest,
    RenewResponse, StatsRequest, StatsResponse,
};
use protobuf::{CodedInputStream, CodedOutputStream, Message};

include!(concat!(env!("OUT_DIR"), "/mod.rs"));

/// What ttrpc-codegen makes of the service, for the calls that are made here.
struct Pool {
    client: ttrpc::Client,
}

macro_rules! calls {
    ($($name:ident $method:literal $request:ident $response:ident)*) => {
        impl Pool {
            $(fn $name(&self, req: &$request) -> ttrpc::Result<$response> {
                let ctx = ttrpc::context::with_timeout(5_000_000_000);
                let mut cres = $response::new();
                ttrpc::client_request!(self, ctx, req, "berth.v1.Pool", $method, cres);
                Ok(cres)
            })*
        }
    };
}

calls! {
    hello "Hello" HelloRequest HelloResponse
    acquire "Acquire" AcquireRequest AcquireResponse
    renew "Renew" RenewRequest RenewResponse
    stats "Stats" StatsRequest StatsResponse
    release "Release" ReleaseRequest ReleaseResponse
}

fn main() -> Result<(), Box<dyn Error>> {
    let stream = TcpStream::connect(std::env::var("BERTH_SERVER")?)?;
    stream.set_nodelay(true)?;
    let pool = Pool { client: ttrpc::Client::new(stream.into_raw_fd()) };

    let mut hello = HelloRequest::new();
    hello.set_client("ttrpc-rust/0.5".into());
    println!("hello {}", pool.hello(&hello)?.get_pools().join(","));
    let lease = pool.acquire(&AcquireRequest::new())?;
    println!("acquired {}", if lease.get_warm() { "warm" } else { "cold" });
    let mut renew = RenewRequest::new();
    renew.set_lease(lease.get_lease().into());
    renew.set_ttl_ms(10_000);
    println!("renewed {}", pool.renew(&renew)?.get_ttl_ms());
    println!("leased {}", pool.stats(&StatsRequest::new())?.get_pools()[0].get_leased());
    let mut release = ReleaseRequest::new();
    release.set_lease(lease.get_lease().into());
    pool.release(&release)?;
    println!("released");
    match pool.renew(&renew) {
        Err(ttrpc::Error::RpcStatus(status)) => println!("then {:?}", status.get_code()),
        other => println!("then {other:?}"),
    }
    Ok(())
}
