//! Who asks: keys, tokens, hosts, and what each caller may do.

mod caller;
mod gate;
mod hosts;
mod key;
mod keyring;
mod login;
mod session;
mod token;

pub use caller::{Admin, Caller, Need, Read, Write};
pub use gate::{Gate, authenticate};
pub use hosts::Hosts;
pub use key::{ApiKey, KeyText, Scope};
pub use keyring::{COLLECTION, KeyRing};
pub use login::login_routes;
pub use session::{end_session, session_cookie};
pub use token::Tokens;
