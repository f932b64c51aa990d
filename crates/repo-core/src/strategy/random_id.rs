//! Ids that are 128 random bits, each kind a type of its own.

use crate::{Error, ErrorKind, Result};

/// Bytes of an id.
pub(crate) const BYTES: usize = 16;

/// Random bytes from the operating system. `what` is what the id is for.
pub(crate) fn random(what: &'static str) -> Result<[u8; BYTES]> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).map_err(|source| {
        let why = "the operating system gives no random bytes";
        Error::new(ErrorKind::Unavailable, "make an id", why).with("of", what).caused_by(source)
    })?;
    Ok(bytes)
}

/// Reads 32 lower-case hexadecimal digits.
pub(crate) fn parse(what: &'static str, text: &str) -> Result<[u8; BYTES]> {
    read(text.as_bytes()).ok_or_else(|| {
        let shown: String = text.chars().take(64).collect();
        let why = "an id is 32 lower-case hexadecimal digits";
        Error::new(ErrorKind::Invalid, "read an id", why)
            .with("of", what)
            .with("id", format!("{shown:?}"))
    })
}

fn read(text: &[u8]) -> Option<[u8; BYTES]> {
    let (pairs, rest) = text.as_chunks::<2>();
    let mut bytes = [0; BYTES];
    if pairs.len() != bytes.len() || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    }
}

/// Declares such an id: its documentation, its name, and what it is the id of.
macro_rules! random_id {
    ($(#[$documented:meta])* $name:ident, $what:literal) => {
        $(#[$documented])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name([u8; Self::BYTES]);

        impl $name {
            /// Bytes of an id.
            pub const BYTES: usize = $crate::strategy::random_id::BYTES;

            /// A new one, from the operating system's source of random bytes.
            ///
            /// # Errors
            /// `Unavailable` when that has none to give.
            pub fn random() -> $crate::Result<Self> {
                $crate::strategy::random_id::random($what).map(Self)
            }

            /// The id of these bytes.
            #[must_use]
            pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
                Self(bytes)
            }

            /// Its bytes.
            #[must_use]
            pub fn to_bytes(self) -> [u8; Self::BYTES] {
                self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::Error;

            fn from_str(text: &str) -> $crate::Result<Self> {
                $crate::strategy::random_id::parse($what, text).map(Self)
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::Error;

            fn try_from(text: String) -> $crate::Result<Self> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }
    };
}

pub(crate) use random_id;
