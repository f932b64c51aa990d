//! Bytes over HTTP: ranges, downloads, forms with files, names of files, and URLs that carry a
//! permission.

mod download;
mod incoming;
mod multipart;
mod names;
mod range;
mod urls;

pub use download::{Download, respond};
pub use incoming::{byte_stream, exactly, none};
pub use multipart::{field_stream, form_of, next_field, small_field};
pub use names::{base_name, disposition};
pub use range::{Asked, asked};
pub use urls::{Base, SIGNED, key_of, key_of_outside};
