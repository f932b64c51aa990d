//! Where the files of pages are.

/// Where they are: a new version of the program asks for new files.
pub(super) const STYLE_PATH: &str =
    concat!("/console/assets/", env!("CARGO_PKG_VERSION"), "/console.css");
pub(super) const SCRIPT_PATH: &str =
    concat!("/console/assets/", env!("CARGO_PKG_VERSION"), "/htmx.js");
pub(super) const ICON_PATH: &str =
    concat!("/console/assets/", env!("CARGO_PKG_VERSION"), "/icon.svg");
