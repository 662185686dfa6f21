//! Bodies as they are coded on the wire, written by hand, so that the hub's decoder is not checked by its own library.
#![expect(clippy::little_endian_bytes, reason = "both formats say so")]

/// What makes a coded body of a body.
pub(in crate::conformance) type Encoder = fn(&[u8]) -> Vec<u8>;

/// How a gzip stream begins.
const GZIP_HEAD: [u8; 10] = [0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0, 0, 0x03];

/// 64 KiB of the letter a, deflated, up to the zeros at its end.
const BOMB_HEAD: [u8; 15] = [0xed, 0xc1, 0x81, 0, 0, 0, 0, 0x80, 0x20, 0xd6, 0xfd, 0x25, 0x16, 0xa9, 0x0a];

/// How one ends: with the sum and the length of what was compressed.
fn gzip_end(body: &[u8]) -> Vec<u8> {
    let crc = !body.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
    });
    [crc, u32::try_from(body.len()).unwrap()].map(u32::to_le_bytes).concat()
}

/// A gzip stream in one piece that is stored and not compressed.
pub(in crate::conformance) fn gzip(body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap();
    let block = [&[1][..], &length.to_le_bytes(), &(!length).to_le_bytes(), body].concat();
    [&GZIP_HEAD[..], &block, &gzip_end(body)].concat()
}

/// A brotli stream in one piece that is not compressed either.
pub(in crate::conformance) fn brotli(body: &[u8]) -> Vec<u8> {
    let length = u32::from(u16::try_from(body.len() - 1).unwrap());
    let head = (length << 4 | 1 << 20).to_le_bytes();
    [&head[..3], body, &[0x03]].concat()
}

/// 64 KiB that travel as less than 100 octets.
pub(super) fn bomb() -> Vec<u8> {
    [&GZIP_HEAD[..], &BOMB_HEAD, &[0; 63], &[0x6a], &gzip_end(&vec![b'a'; 1 << 16])].concat()
}
