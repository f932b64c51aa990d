//! Keys that the engine uses itself.

/// Keys at the top of a document that the engine uses itself.
pub const RESERVED_KEYS: [&str; 4] = ["_version", "_created_at", "_updated_at", "_deleted"];
