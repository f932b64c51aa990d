//! Bytes over HTTP: ranges, downloads, forms with files, names of files, and URLs that carry a
//! permission.

mod datapoint;
mod download;
mod incoming;
mod multipart;
mod names;
mod range;
mod seek;
mod urls;

pub use datapoint::datapoint_value;
pub use download::{Download, respond};
pub use incoming::{byte_stream, exactly, none};
pub use multipart::{field_stream, form_of, next_field, small_field};
pub use names::{base_name, disposition};
pub use range::{Asked, asked};
pub use seek::BlobFile;
pub use urls::{Base, SIGNED, key_of, key_of_outside};
