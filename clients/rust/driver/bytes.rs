// SPDX-License-Identifier: Apache-2.0

//! Bytes as the scenarios write them.

pub fn decode(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first == b'%' {
            let digits = std::str::from_utf8(&rest[..2]).expect("two hex digits");
            bytes.push(u8::from_str_radix(digits, 16).expect("two hex digits"));
            rest = &rest[2..];
        } else {
            bytes.push(*first);
        }
    }
    bytes
}

pub fn encode(bytes: &[u8]) -> String {
    let one = |&byte: &u8| match byte {
        b'%' => "%25".into(),
        b'!'..=b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    bytes.iter().map(one).collect()
}

/// In full where it is short, else its length and checksum.
pub fn summary(bytes: &[u8]) -> String {
    match bytes.len() {
        0..=128 => encode(bytes),
        length => format!("bytes={length} crc32={:08x}", crc32(bytes)),
    }
}

/// As in zip and gzip.
pub fn crc32(bytes: &[u8]) -> u32 {
    let mut table = [0; 256];
    for (i, entry) in table.iter_mut().enumerate() {
        *entry = (0..8).fold(i as u32, |crc, _| if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 });
    }
    !bytes.iter().fold(!0, |crc: u32, &byte| table[usize::from(crc as u8 ^ byte)] ^ (crc >> 8))
}
