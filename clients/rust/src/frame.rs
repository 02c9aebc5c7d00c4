// SPDX-License-Identifier: Apache-2.0

//! Frames of ttrpc: ten bytes, then data.

use std::io::{self, Read};

use bytes::Bytes;
use prost::Message;

use crate::ttrpc;
use crate::{Error, Result};

const HEADER: usize = 10;
pub(crate) const MAX_DATA: usize = 4 << 20;

pub(crate) const REQUEST: u8 = 1;
pub(crate) const RESPONSE: u8 = 2;
pub(crate) const DATA: u8 = 3;

pub(crate) const UNARY: u8 = 0;
/// Of a request: one message, and a stream comes back. Of data: it is the last.
pub(crate) const REMOTE_CLOSED: u8 = 1;
pub(crate) const NO_DATA: u8 = 4;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub stream: u32,
    pub kind: u8,
    pub flags: u8,
    /// `None`: more than a frame may hold, which was passed over.
    pub data: Option<Bytes>,
}

/// Header and data of a request, to be written at once. The metadata are encoded, and go behind the rest.
pub(crate) fn request(stream: u32, flags: u8, request: &ttrpc::Request, metadata: &[u8]) -> Result<Vec<u8>> {
    let length = request.encoded_len() + metadata.len();
    if length > MAX_DATA {
        return Err(Error::ResourceExhausted(
            format!("a {} request of {length} bytes is over the limit of {MAX_DATA}", request.method).into(),
        ));
    }
    let mut frame = Vec::with_capacity(HEADER + length);
    frame.extend_from_slice(&(length as u32).to_be_bytes());
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(&[REQUEST, flags]);
    request.encode_raw(&mut frame);
    frame.extend_from_slice(metadata);
    Ok(frame)
}

/// The next frame; `None` at the end of the stream, between two frames.
pub(crate) fn read(from: &mut impl Read) -> io::Result<Option<Frame>> {
    let mut header = [0; HEADER];
    let count = loop {
        match from.read(&mut header) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            result => break result?,
        }
    };
    if count == 0 {
        return Ok(None);
    }
    // No frame begins so, for its length would be too much: it is an alert, the last that a server of TLS says.
    if count >= 2 && header[..2] == [0x15, 0x03] {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it speaks TLS: put tls:// before its address"));
    }
    from.read_exact(&mut header[count..])?;
    let word = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let length = word(0) as usize;
    let data = if length > MAX_DATA {
        if io::copy(&mut from.take(length as u64), &mut io::sink())? < length as u64 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        None
    } else {
        let mut data = vec![0; length];
        from.read_exact(&mut data)?;
        Some(Bytes::from(data))
    };
    Ok(Some(Frame { stream: word(4), kind: header[8], flags: header[9], data }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{SystemTime, UNIX_EPOCH};

    /// The frames of `proto/vectors/recorded.txt`: who sent it, and its bytes.
    fn vectors() -> Vec<(String, bool, Vec<u8>)> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../proto/vectors/recorded.txt");
        let mut name = String::new();
        let mut frames: Vec<(String, bool, String)> = Vec::new();
        for line in std::fs::read_to_string(path).unwrap().lines() {
            let line = line.split('#').next().unwrap();
            if let Some(rest) = line.strip_prefix("vector ") {
                name = rest.trim().to_owned();
            } else if let Some(hex) = line.strip_prefix("C>S") {
                frames.push((name.clone(), true, hex.replace(' ', "")));
            } else if let Some(hex) = line.strip_prefix("S>C") {
                frames.push((name.clone(), false, hex.replace(' ', "")));
            } else if line.starts_with(' ') {
                frames.last_mut().unwrap().2 += &line.replace(' ', "");
            }
        }
        let bytes = |hex: &str| {
            let digits = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
            (0..hex.len()).step_by(2).map(digits).collect()
        };
        frames.into_iter().map(|(name, sent, hex)| (name, sent, bytes(&hex))).collect()
    }

    /// Gives bytes in pieces of the sizes that a test wants.
    struct Pieces<'a, F>(&'a [u8], F);

    impl<F: FnMut() -> usize> Read for Pieces<'_, F> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let size = (self.1)().min(into.len());
            self.0.read(&mut into[..size])
        }
    }

    #[test]
    fn requests_are_encoded_to_the_very_bytes() {
        let mut checked = 0;
        for (name, sent, bytes) in vectors() {
            if sent && bytes[8] == REQUEST && bytes.len() > HEADER {
                let envelope = ttrpc::Request::decode(&bytes[HEADER..]).unwrap();
                assert_eq!(request(u32::from(bytes[7]), bytes[9], &envelope, &[]).unwrap(), bytes, "{name}");
                checked += 1;
            }
        }
        assert_eq!(checked, 2);
    }

    #[test]
    fn what_a_server_sends_is_the_same_whole_byte_by_byte_and_in_random_pieces() {
        let mut seed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
        println!("seed {seed}");
        let mut random = move || {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (seed >> 33) as usize
        };
        let frames: Vec<Vec<u8>> =
            vectors().into_iter().filter(|(_, sent, _)| !sent).map(|(_, _, bytes)| bytes).collect();
        assert_eq!(frames.len(), 9);
        let all = frames.concat();
        for round in 0..100 {
            let size = || match round {
                0 => usize::MAX,
                1 => 1,
                _ => 1 + random() % 20,
            };
            let mut pieces = Pieces(&all, size);
            for bytes in &frames {
                let frame = read(&mut pieces).unwrap().unwrap();
                assert_eq!(frame.stream, u32::from(bytes[7]));
                assert_eq!([frame.kind, frame.flags], bytes[8..HEADER]);
                assert_eq!(frame.data.unwrap(), bytes[HEADER..]);
            }
            assert_eq!(read(&mut pieces).unwrap(), None);
        }
    }

    #[test]
    fn a_frame_over_4_mib_is_passed_over_and_an_end_in_the_middle_of_one_is_told() {
        let mut bytes = vec![0, 0x40, 0, 1, 0, 0, 0, 1, RESPONSE, 0];
        bytes.resize(bytes.len() + MAX_DATA + 1, 0);
        bytes.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 3, RESPONSE, 0]);
        bytes.extend_from_slice(&[0, 0, 0, 5, 0, 0]);
        let mut from = bytes.as_slice();
        assert_eq!(read(&mut from).unwrap().unwrap().data, None);
        assert_eq!(read(&mut from).unwrap().unwrap().stream, 3);
        assert_eq!(read(&mut from).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_request_over_4_mib_is_refused() {
        let large = ttrpc::Request { payload: vec![0; MAX_DATA].into(), ..Default::default() };
        assert!(matches!(request(1, UNARY, &large, &[]), Err(Error::ResourceExhausted(_))));
    }
}
