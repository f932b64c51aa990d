//! Data files that are compressed: one zstd stream a file, which `zstdcat` reads, in blocks
//! that can be read one by one.
//!
//! Each block is a zstd frame of its own, and behind the last one stands a table of the
//! blocks, in a frame that decoders skip: the *zstd seekable format*. So a document is found
//! by its place in the text, as in a file that is not compressed, and costs one block.
//! A file that another program compressed has no such blocks. Its text is kept in a
//! temporary file without a name while it is open, and the next checkpoint makes blocks.

mod blocks;
#[cfg_attr(not(feature = "compression"), path = "codec_absent.rs")]
mod codec;
mod form;
mod spill;
mod text;
mod writer;

#[cfg(all(test, feature = "compression"))]
mod tests;

pub(crate) use codec::{IS_BUILT_IN, text_reader};
pub(crate) use form::{Packing, is_packed};
pub(crate) use spill::{Tee, spill_file};
pub(crate) use text::{FromStart, Text};
pub(crate) use writer::BlockWriter;
