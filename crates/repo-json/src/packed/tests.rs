//! Blocks, their table, and files that are not what they seem.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use super::blocks::BLOCK_TEXT;
use super::{BlockWriter, Packing, Text, text_reader};

/// A text of this many bytes in which no two places look alike.
fn text(bytes: usize) -> Vec<u8> {
    let numbers = (0_u32..).flat_map(|n| format!("{n:x},").into_bytes());
    numbers.take(bytes).collect()
}

fn packed(text: &[u8]) -> Vec<u8> {
    let mut writer = BlockWriter::new(Vec::new()).unwrap();
    // In pieces that end anywhere.
    text.chunks(10_007).for_each(|piece| writer.write_all(piece).unwrap());
    writer.finish().unwrap()
}

fn file(bytes: &[u8]) -> Arc<File> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Arc::new(file)
}

fn blocks(bytes: &[u8]) -> Option<Text> {
    Text::of_blocks(&file(bytes), bytes.len() as u64).unwrap()
}

#[test]
fn a_file_is_one_stream_and_is_read_anywhere() {
    for len in [0, 1, BLOCK_TEXT - 1, BLOCK_TEXT, BLOCK_TEXT + 1, 5 * BLOCK_TEXT + 77] {
        let text = text(len);
        let bytes = packed(&text);
        let mut whole = Vec::new();
        text_reader(&bytes[..]).unwrap().read_to_end(&mut whole).unwrap();
        assert!(whole == text, "{len}");
        let found = blocks(&bytes).unwrap();
        assert_eq!(found.len(), Some(len as u64));
        for (from, to) in [(0, 1), (len / 2, len), (BLOCK_TEXT - 3, BLOCK_TEXT + 3), (0, len)] {
            let Some(expected) = text.get(from..to) else { continue };
            let mut read = vec![0; expected.len()];
            found.read_exact_at(&mut read, from as u64).unwrap();
            assert!(read == expected, "{len}: {from}..{to}");
        }
        let behind = found.read_exact_at(&mut [0], len as u64).unwrap_err();
        assert_eq!(behind.kind(), ErrorKind::UnexpectedEof);
    }
}

#[test]
fn text_is_smaller_in_blocks() {
    let text = text(1_000_000);
    assert!(packed(&text).len() * 2 < text.len());
}

#[test]
fn a_damaged_block_is_told_from_the_others() {
    let text = text(3 * BLOCK_TEXT);
    let bytes = packed(&text);
    let file = file(&bytes);
    // In the first frame, behind its head.
    file.write_all_at(&[bytes[100] ^ 0x55], 100).unwrap();
    let found = Text::of_blocks(&file, bytes.len() as u64).unwrap().unwrap();
    let first = found.read_exact_at(&mut [0; 10], 5).unwrap_err();
    assert_eq!(first.kind(), ErrorKind::InvalidData, "{first}");
    let mut read = [0; 10];
    found.read_exact_at(&mut read, 2 * BLOCK_TEXT as u64).unwrap();
    assert_eq!(read, text[2 * BLOCK_TEXT..][..10]);
}

/// What a table says is compared with the file before anything is made of it.
#[test]
fn a_table_that_does_not_fit_is_none() {
    let bytes = packed(&text(2 * BLOCK_TEXT));
    let len = bytes.len();
    assert!(blocks(&bytes).is_some());
    let with = |at: usize, value: &[u8]| {
        let mut bytes = bytes.clone();
        bytes[at..at + value.len()].copy_from_slice(value);
        blocks(&bytes).is_none()
    };
    assert!(with(len - 9, &u32::MAX.to_le_bytes()), "more blocks than the file can have");
    assert!(with(len - 9, &1_u32.to_le_bytes()), "fewer than the table has");
    assert!(with(len - 5, &[4]), "a flag that has no meaning");
    assert!(with(len - 25, &1_u32.to_le_bytes()), "a frame of another length");
    assert!(with(len - 21, &u32::MAX.to_le_bytes()), "a block of 4 GiB");
    for short in [0, 5, 8, 16] {
        assert!(blocks(&bytes[len - short..]).is_none(), "{short} bytes of the end");
    }
}

#[test]
fn what_others_compressed_is_unpacked() {
    let text = text(300_000);
    let other = zstd::encode_all(&text[..], 1).unwrap();
    let file = file(&other);
    assert!(blocks(&other).is_none());
    let found = Text::open(&file, other.len() as u64, Packing::Zstd).unwrap();
    assert!(found.is_unpacked());
    let mut read = vec![0; 1_000];
    found.read_exact_at(&mut read, 200_000).unwrap();
    assert!(read == text[200_000..201_000]);
}

#[test]
fn what_is_not_compressed_is_invalid() {
    let file = file(b"{\"a\": {}}");
    let error = Text::open(&file, 9, Packing::Zstd).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
    let cut = packed(&text(100_000));
    let mut reader = text_reader(&cut[..cut.len() / 2]).unwrap();
    let error = reader.read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
}
