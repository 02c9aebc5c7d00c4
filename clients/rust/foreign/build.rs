// SPDX-License-Identifier: Apache-2.0

fn main() {
    let protos = "../../../proto";
    println!("cargo:rerun-if-changed={protos}/berth/v1/pool.proto");
    protobuf_codegen_pure::Codegen::new()
        .out_dir(std::env::var_os("OUT_DIR").expect("cargo sets it"))
        .include(protos)
        .input(format!("{protos}/berth/v1/pool.proto"))
        .customize(protobuf_codegen_pure::Customize { gen_mod_rs: Some(true), ..Default::default() })
        .run()
        .expect("pool.proto is understood");
}
