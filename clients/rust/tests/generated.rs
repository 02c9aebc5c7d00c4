// SPDX-License-Identifier: Apache-2.0

//! The messages in `src/generated` are what prost makes of `proto/`; `BERTH_GENERATE=1 cargo test --test generated`
//! writes them anew.

use std::path::Path;
use std::{env, fs};

#[test]
fn the_committed_messages_are_what_the_proto_files_say() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let protos = here.join("../../proto");
    let fresh = env::temp_dir().join(format!("berth-generated-{}", std::process::id()));
    fs::create_dir_all(&fresh).unwrap();
    prost_build::Config::new()
        .bytes(["."])
        .btree_map(["."])
        .out_dir(&fresh)
        .compile_protos(&["berth/v1/pool.proto", "ttrpc/ttrpc.proto"], &[protos])
        .unwrap();
    for name in ["berth.v1.rs", "ttrpc.rs"] {
        let expected = fs::read_to_string(fresh.join(name)).unwrap();
        let committed = here.join("src/generated").join(name);
        if env::var_os("BERTH_GENERATE").is_some() {
            fs::write(&committed, &expected).unwrap();
        }
        assert!(
            fs::read_to_string(&committed).unwrap_or_default() == expected,
            "src/generated/{name} is not what the .proto says: BERTH_GENERATE=1 cargo test --test generated"
        );
    }
    fs::remove_dir_all(fresh).unwrap();
}
