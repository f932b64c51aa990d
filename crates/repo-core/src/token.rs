//! Tokens: which writes a read has to see.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::strategy::StoreId;
use crate::{Error, ErrorKind, Result};

/// Digits of each number of a position in the text of a token.
const DIGITS: usize = 16;

/// Every write that one store acknowledged before the token was taken, by this handle or
/// by others. A read [`at least`](crate::Consistency::AtLeast) of a token sees them.
///
/// It is opaque: only the store that gave it knows what it means, and a read of another
/// store refuses it. Its text is kept, sent and given to another process, which reads with
/// it through a handle of its own.
///
/// ```
/// use repo_core::Token;
///
/// let text = "0123456789abcdef0123456789abcdef.0000000000000001.00000000030001a8";
/// let token: Token = text.parse()?;
/// assert_eq!(token.to_string(), text);
/// assert!("0123456789abcdef".parse::<Token>().is_err());
/// # Ok::<(), repo_core::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Token {
    store: StoreId,
    position: Option<TokenPosition>,
}

/// For authors of strategies: a place in the order of a store's commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenPosition {
    /// Positions of different epochs cannot be compared.
    pub epoch: u64,
    /// Behind every commit of the epoch that the token is about.
    pub at: u64,
}

impl Token {
    /// The token of a store that knows no positions: its strong reads see everything.
    #[must_use]
    pub const fn new(store: StoreId) -> Self {
        Self { store, position: None }
    }

    /// The token of a position.
    #[must_use]
    pub const fn at(store: StoreId, position: TokenPosition) -> Self {
        Self { store, position: Some(position) }
    }

    /// The id of the store that it is of.
    #[must_use]
    pub const fn store(&self) -> StoreId {
        self.store
    }

    /// The position, if the store has positions.
    #[must_use]
    pub const fn position(&self) -> Option<TokenPosition> {
        self.position
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.position {
            None => write!(f, "{}", self.store),
            Some(TokenPosition { epoch, at }) => {
                write!(f, "{}.{epoch:0DIGITS$x}.{at:0DIGITS$x}", self.store)
            }
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({self})")
    }
}

impl FromStr for Token {
    type Err = Error;

    /// # Errors
    /// `Invalid` for what is no token.
    fn from_str(text: &str) -> Result<Self> {
        read(text).ok_or_else(|| {
            let shown: String = text.chars().take(80).collect();
            Error::new(ErrorKind::Invalid, "read a token", "this is not the text of a token")
                .with("token", format!("{shown:?}"))
                .hint("use the text as the store gave it, unchanged")
        })
    }
}

fn read(text: &str) -> Option<Token> {
    let mut parts = text.split('.');
    let store = parts.next()?.parse().ok()?;
    let position = match (parts.next(), parts.next(), parts.next()) {
        (None, _, _) => None,
        (Some(epoch), Some(at), None) => {
            Some(TokenPosition { epoch: number(epoch)?, at: number(at)? })
        }
        _ => return None,
    };
    Some(Token { store, position })
}

/// One text for each number, so that equal tokens have equal texts.
fn number(text: &str) -> Option<u64> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let is_one = text.len() == DIGITS && text.bytes().all(is_digit);
    is_one.then(|| u64::from_str_radix(text, 16).ok()).flatten()
}

impl TryFrom<String> for Token {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Token> for String {
    fn from(token: Token) -> Self {
        token.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_and_its_token_are_one() {
        let store = StoreId::random().unwrap();
        for position in [None, Some((0, 0)), Some((1, 0x16_b374_d848)), Some((u64::MAX, u64::MAX))]
        {
            let position = position.map(|(epoch, at)| TokenPosition { epoch, at });
            let token = Token { store, position };
            assert_eq!(token.to_string().parse::<Token>().unwrap(), token);
            assert_eq!((token.store(), token.position()), (store, position));
            let json = serde_json::to_string(&token).unwrap();
            assert_eq!(serde_json::from_str::<Token>(&json).unwrap(), token);
        }
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let store = "0123456789abcdef0123456789abcdef";
        let zero = "0000000000000000";
        for wrong in [
            String::new(),
            "0123".to_owned(),
            format!("{store}."),
            format!("{store}.{zero}"),
            format!("{store}.{zero}.{zero}."),
            format!("{store}.{zero}.{zero}.{zero}"),
            format!("{store}.{zero}.{}", &zero[1..]),
            format!("{store}.{zero}.+{}", &zero[1..]),
            format!("{store}.{zero}.{}A", &zero[1..]),
            format!("{store}.{zero}.é{}", &zero[2..]),
            store.to_uppercase(),
        ] {
            let error = wrong.parse::<Token>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{wrong}");
        }
    }
}
