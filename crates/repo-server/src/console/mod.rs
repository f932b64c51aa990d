//! The console at `/console`: pages for people, made on the server.
//!
//! Every page can be read without a script. One file of htmx brings new figures into a page,
//! and applies a filter without loading all of it. A page asks [`session`] who looks at it, gets
//! what it shows from the API's functions, and is framed by [`page`].

mod archives;
mod assets;
mod assets_paths;
mod collections;
mod datasets;
mod diff;
mod document;
mod documents;
mod edit;
mod entries;
mod entry;
mod failure;
mod form;
mod frame;
mod json;
mod links;
mod moves;
mod page;
mod parts;
mod preview;
mod routes;
mod session;
mod sign_in;
mod stores;
mod upload;
mod uploads;

pub(crate) use routes::{console_routes, console_upload_routes};
